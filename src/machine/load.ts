import type { BootPlan } from '../boot/plan.js';
import type { Vm } from '../kvm/vm.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { KVM_IDENTITY_MAP_BASE, KVM_TSS_BASE } from '../memory/map.js';
import type { RamPiece } from '../memory/ram.js';

/** Gives a fresh VM its memory slots and what every PC has in the kernel: PIC, I/O APIC, local APICs, PIT. */
export function furnish(vm: Vm, ram: readonly RamPiece[]): void {
  // VT-x without unrestricted guest runs real mode in a task of its own, on these pages.
  vm.setIdentityMapAddr(KVM_IDENTITY_MAP_BASE);
  vm.setTssAddr(KVM_TSS_BASE);
  ram.forEach(({ start, size, buffer, offset }, slot) => {
    vm.setUserMemoryRegion({ slot, guestPhysAddr: start, view: new Uint8Array(buffer, offset, size) });
  });
  vm.createIrqchip();
  vm.createPit2({ speakerDummy: true });
}

/** Copies a plan's segments into guest memory. @throws VmError GUEST_ADDRESS_INVALID where one is outside RAM */
export function loadSegments(memory: GuestMemory, { segments }: BootPlan): void {
  for (const { address, bytes } of segments) memory.write(address, bytes);
}
