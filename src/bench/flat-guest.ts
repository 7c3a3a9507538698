import { planFlat } from '../boot/flat.js';
import type { EntryMode } from '../boot/plan.js';
import { Kvm } from '../kvm/kvm.js';
import type { Vcpu } from '../kvm/vcpu.js';
import { enter } from '../machine/boot-cpu.js';
import { furnish, loadSegments } from '../machine/load.js';
import { GuestMemory } from '../memory/guest-memory.js';
import { makeRam, releaseRam } from '../memory/ram.js';

/** RAM of the guest. */
const RAM_BYTES = 4 << 20;

/**
 * Gives `use` a vCPU of this thread about to run `code`, in a VM furnished as a machine's, and closes everything.
 * Protected and long mode begin at 1 MiB, real mode at 0x7c00.
 */
export function withFlatGuest<T>(
  mode: EntryMode,
  code: ArrayLike<number>,
  use: (vcpu: Vcpu, memory: GuestMemory) => T,
): T {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  const ram = makeRam(RAM_BYTES);
  try {
    const supported = kvm.getSupportedCpuid();
    furnish(vm, ram, supported);
    const vcpu = vm.createVcpu(0);
    vcpu.setCpuid2(supported);
    const memory = new GuestMemory(ram);
    const plan = planFlat(Uint8Array.from(code), { mode, ramBytes: RAM_BYTES });
    loadSegments(memory, plan);
    enter(vcpu, plan.entry);
    return use(vcpu, memory);
  } finally {
    releaseRam(ram);
  }
}
