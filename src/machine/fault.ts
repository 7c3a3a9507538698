import { getSystemErrorName } from 'node:util';
import { messageOf, VmError } from '../errors.js';
import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_MEMORY_FAULT,
  KVM_INTERNAL_ERROR_EMULATION,
} from '../kvm/abi/exits.js';
import { describeExit } from '../kvm/exit-words.js';
import { flavourName, type LocalFlavour } from '../kvm/flavour.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { instructionsAt, linearRip, modeOf } from './guest-code.js';
import type { ThreadEnd } from './thread-end.js';

/** What is asked of a vCPU whose thread has ended. */
export type StoppedVcpu = Pick<Vcpu, 'id' | 'page' | 'getRegs' | 'getSregs'>;

/**
 * Makes the error of an exit that nothing handles: where the guest is, and what it was about to do.
 * @param vcpu the one that made the exit; its run page is as KVM_RUN left it
 * @param flavour of the KVM that gave up
 */
export function faultError(
  end: ThreadEnd & { reason: 'exit' | 'run-failed' },
  vcpu: StoppedVcpu,
  memory: GuestMemory,
  flavour: LocalFlavour['flavour'] = flavourName(),
): VmError {
  const { code, words, hint } = end.reason === 'exit' ? ofExit(end, vcpu, flavour) : ofFailedRun(end, vcpu);
  return new VmError(code, `vCPU ${vcpu.id}: ${words}, ${placeOf(vcpu, memory)}`, { hint });
}

interface Fault {
  readonly code: 'EXIT_UNHANDLED' | 'KVM_INTERNAL_ERROR' | 'KVM_ENTRY_FAILED' | 'KVM_CALL_FAILED';
  readonly words: string;
  readonly hint: string;
}

function ofExit(end: ThreadEnd & { reason: 'exit' }, { page }: StoppedVcpu, flavour: string): Fault {
  const { words } = end;
  switch (end.exitReason) {
    case KVM_EXIT_INTERNAL_ERROR: {
      const hint = page.suberror === KVM_INTERNAL_ERROR_EMULATION ? emulationHint(flavour) : '';
      return { code: 'KVM_INTERNAL_ERROR', words, hint };
    }
    case KVM_EXIT_FAIL_ENTRY:
      return { code: 'KVM_ENTRY_FAILED', words, hint: 'Its registers hold what this CPU does not accept.' };
    default:
      return { code: 'EXIT_UNHANDLED', words, hint: '' };
  }
}

/** kvm_pvm emulates all code of ring 0; the others only what touches addresses that are not RAM. */
function emulationHint(flavour: string): string {
  if (flavour === 'kvm_pvm') return 'kvm_pvm cannot emulate this instruction; a software host can: use --host svm.';
  return 'KVM emulates instructions that touch addresses without RAM, and cannot emulate this one: see why it does so.';
}

function ofFailedRun({ errno }: ThreadEnd & { reason: 'run-failed' }, { page }: StoppedVcpu): Fault {
  // The only exit that comes with an error from KVM_RUN, EFAULT or EHWPOISON (KVM API, KVM_EXIT_MEMORY_FAULT).
  const exit = page.exitReason === KVM_EXIT_MEMORY_FAULT ? ` with ${describeExit(page)}` : '';
  return { code: 'KVM_CALL_FAILED', words: `KVM_RUN failed: ${getSystemErrorName(-errno)}${exit}`, hint: '' };
}

/** Mode, rip, bytes and instruction, in words. */
function placeOf(vcpu: StoppedVcpu, memory: GuestMemory): string {
  try {
    const { rip, rflags } = vcpu.getRegs();
    const sregs = vcpu.getSregs();
    const { mode, bits } = modeOf(sregs, rflags);
    const at = `in ${mode} at rip 0x${rip.toString(16)}`;
    const place = { rip, linear: linearRip(sregs, rip, bits), bits };
    const [instruction] = instructionsAt(memory, sregs, place, 1);
    if (instruction === undefined) return `${at}, whose bytes are not in RAM`;
    return `${at}: ${Buffer.from(instruction.bytes).toString('hex')} (${instruction.text})`;
  } catch (error) {
    return `its registers cannot be read: ${messageOf(error)}`;
  }
}
