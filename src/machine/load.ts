import fs from 'node:fs';
import { firmwareSegments } from '../boot/firmware.js';
import type { BootPlan, Firmware } from '../boot/plan.js';
import { KVM_CAP_NR_MEMSLOTS } from '../kvm/abi/capabilities.js';
import {
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
} from '../kvm/abi/constants.js';
import type { CpuidEntry } from '../kvm/abi/registers.js';
import { physicalAddressBits } from '../kvm/cpuid.js';
import type { IrqRoute, Vm } from '../kvm/vm.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { KVM_IDENTITY_MAP_BASE, KVM_TSS_BASE, MIB } from '../memory/map.js';
import { makePiece, type RamPiece } from '../memory/ram.js';
import { KVM_PRIVATE_RANGES, Slots } from '../memory/slots.js';

/**
 * Gives a fresh VM its memory slots and what every PC has in the kernel: PIC, I/O APIC, local APICs, PIT.
 * @param supported what its vCPUs can have of CPUID
 */
export function furnish(vm: Vm, ram: readonly RamPiece[], supported: readonly CpuidEntry[]): Slots {
  const slots = new Slots(vm, {
    slots: vm.checkExtension(KVM_CAP_NR_MEMSLOTS),
    addressBits: physicalAddressBits(supported),
    reserved: KVM_PRIVATE_RANGES,
  });
  // VT-x without unrestricted guest runs real mode in a task of its own, on these pages.
  vm.setIdentityMapAddr(KVM_IDENTITY_MAP_BASE);
  vm.setTssAddr(KVM_TSS_BASE);
  for (const piece of ram) slots.add({ ...piece, what: 'ram' });
  vm.createIrqchip();
  vm.setGsiRouting(pcRoutes());
  vm.createPit2({ speakerDummy: true });
  return slots;
}

const ISA_LINES = 16;
const IOAPIC_PINS = 24;
/** The second PIC's line into the first: no device can use it. */
const CASCADE = 2;

/**
 * How lines reach the interrupt controllers of a PC: each its input of the PICs and its pin of the I/O APIC, but for
 * the PIT's (0), which is wired to pin 2, as the MADT says and the MP Specification's default has it. KVM's own routes
 * have it at pin 0, where no system that uses the PIT through the I/O APIC looks for it (Xen gives up).
 */
function pcRoutes(): IrqRoute[] {
  const route = (gsi: number, irqchip: number, pin: number): IrqRoute => ({
    gsi,
    type: KVM_IRQ_ROUTING_IRQCHIP,
    u: { irqchip: { irqchip, pin } },
  });
  const lines = Array.from({ length: IOAPIC_PINS }, (_, line) => line).filter((line) => line !== CASCADE);
  const pics = lines
    .filter((line) => line < ISA_LINES)
    .map((line) => route(line, line < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, line % 8));
  return [...pics, ...lines.map((line) => route(line, KVM_IRQCHIP_IOAPIC, line === 0 ? CASCADE : line))];
}

/**
 * Gives the VM a firmware: a slot that the guest cannot write, and its end in the RAM below 1 MiB, which on a PC is RAM
 * as well (shadow RAM), into which the chipset copies it.
 */
export function mapFirmware(slots: Slots, memory: GuestMemory, firmware: Firmware): RamPiece {
  const [shadow, { address: start, bytes }] = firmwareSegments(firmware);
  memory.write(shadow.address, shadow.bytes);
  const piece = makePiece(start, bytes.length);
  new Uint8Array(piece.buffer, piece.offset, piece.size).set(bytes);
  return slots.add({ ...piece, what: 'rom', readOnly: true });
}

/** An image so large is a system: it will touch most of its RAM sooner or later. */
const SYSTEM_BYTES = 4 * MIB;

export const usesMuchRam = ({ segments }: BootPlan): boolean =>
  segments.reduce((sum, { bytes }) => sum + bytes.length, 0) >= SYSTEM_BYTES;

/** Copies a plan's segments into guest memory. @throws VmError GUEST_ADDRESS_INVALID where one is outside RAM */
export function loadSegments(memory: GuestMemory, { segments }: BootPlan): void {
  for (const { address, bytes, randomFrom } of segments) {
    memory.write(address, bytes);
    if (randomFrom !== undefined) memory.write(address + randomFrom, randomBytes(bytes.length - randomFrom));
  }
}

/** The kernel's: those of Node's own generator are the same in every process that goes on from one snapshot. */
function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  const fd = fs.openSync('/dev/urandom', 'r');
  try {
    fs.readSync(fd, bytes);
    return bytes;
  } finally {
    fs.closeSync(fd);
  }
}
