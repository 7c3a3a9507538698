import { VmError } from '../errors.js';
import { KVM_CAP_TSC_DEADLINE_TIMER } from '../kvm/abi/capabilities.js';
import type { CpuidEntry } from '../kvm/abi/registers.js';
import { filterCpuid, type ParavirtFeatures } from '../kvm/cpuid.js';
import type { Kvm } from '../kvm/kvm.js';
import { native } from '../kvm/native.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { Vm } from '../kvm/vm.js';
import { ControlBlock, STATE_RUNNING } from './control.js';

/** A vCPU with its thread. */
export interface Cpu {
  readonly vcpu: Vcpu;
  readonly control: ControlBlock;
}

export interface CpuOptions {
  readonly kvm: Kvm;
  readonly cpus: number;
  readonly paravirt: ParavirtFeatures;
}

/** @throws VmError KVM_UNSUPPORTED where this KVM has not so many vCPUs for one machine */
export function checkCpus(kvm: Kvm, cpus: number): void {
  const { maxVcpus: most } = kvm;
  if (cpus <= most) return;
  throw new VmError('KVM_UNSUPPORTED', `this KVM gives a machine at most ${most} vCPUs, not ${cpus}`, {
    hint: `Give the machine ${most} or fewer.`,
  });
}

/** The first is the boot CPU; KVM lets the others wait for their INIT and SIPI. */
export function createCpus(vm: Vm, { kvm, cpus, paravirt }: CpuOptions, supported: readonly CpuidEntry[]): Cpu[] {
  const tscDeadline = kvm.checkExtension(KVM_CAP_TSC_DEADLINE_TIMER) > 0;
  return Array.from({ length: cpus }, (_, id) => {
    const vcpu = vm.createVcpu(id);
    vcpu.setCpuid2(filterCpuid(supported, { cpuIndex: id, cpuCount: cpus, features: paravirt, tscDeadline }));
    return { vcpu, control: new ControlBlock(ControlBlock.makeBuffer()) };
  });
}

/** A thread that starts looks at its command by itself; one that has ended may be another's by now. */
export function kickCpu({ vcpu, control }: Cpu): void {
  if (control.state !== STATE_RUNNING) return;
  vcpu.page.immediateExit = 1;
  native.kick(control.fields.tid);
}
