/** A machine that has ended, as its memory and its vCPUs' registers were then: for views of them. */
import type { Regs, Sregs } from '../kvm/abi/registers.js';
import { flavourName } from '../kvm/flavour.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { PagingState } from '../memory/paging.js';
import type { Slot } from '../memory/slots.js';
import type { BusRange } from './bus.js';
import { pagingStateOf } from './paging-state.js';
import { wasReset } from './post-mortem.js';

export interface StoppedVcpu {
  readonly id: number;
  readonly regs: Regs;
  readonly sregs: Sregs;
  readonly paging: Required<PagingState>;
  /** KVM has reset it, after a triple fault: the registers are not those that the guest had. */
  readonly wasReset: boolean;
}

export interface StoppedMachine {
  readonly slots: readonly Slot[];
  /** The ranges of devices that are ours. */
  readonly mmio: readonly BusRange[];
  readonly cpus: readonly StoppedVcpu[];
  /** KVM's statistics of the VM; undefined where it has none to read. */
  readonly counters: Readonly<Record<string, number>> | undefined;
}

export function stoppedCpu(vcpu: Vcpu): StoppedVcpu {
  const regs = vcpu.getRegs();
  const sregs = vcpu.getSregs();
  const paging = pagingStateOf(sregs, vcpu.getCpuid2());
  return { id: vcpu.id, regs, sregs, paging, wasReset: wasReset(vcpu.page.exitReason, regs, sregs, flavourName()) };
}
