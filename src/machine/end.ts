import type { VmError } from '../errors.js';

/** How a machine ended. */
export type MachineEnd =
  /** The guest switched itself off (ACPI). */
  | { readonly reason: 'power-off' }
  /** The guest wrote to isa-debug-exit; `status` is ((value << 1) | 1) & 0xff. */
  | { readonly reason: 'debug-exit'; readonly status: number }
  /** The guest asked for a reset; `by` names the device. */
  | { readonly reason: 'reset'; readonly by: string }
  /** The guest's kernel panicked; `by` says how that was learnt. */
  | { readonly reason: 'panic'; readonly by: string }
  /** A fault while delivering a double fault: the CPU shut down. */
  | { readonly reason: 'triple-fault' }
  /** Every vCPU is halted with interrupts off: nothing can happen any more. */
  | { readonly reason: 'halted' }
  /** `stop()` was called. */
  | { readonly reason: 'stopped' }
  /** It was to stop at an exit, and is there; `by` says which of `breakOn` that was. */
  | { readonly reason: 'break'; readonly by: string }
  /** `timeoutS` was over. */
  | { readonly reason: 'timeout' }
  /** The machine cannot go on. */
  | { readonly reason: 'error'; readonly error: VmError };

export type EndReason = MachineEnd['reason'];

/**
 * The exit status that stands for an end: 0 after power-off and a stop that was asked for, odd from isa-debug-exit
 * alone, else even.
 */
export function exitStatusOf(end: MachineEnd): number {
  switch (end.reason) {
    case 'power-off':
    case 'stopped':
      return 0;
    case 'debug-exit':
      return end.status;
    case 'reset':
      return 10;
    case 'panic':
      return 12;
    case 'triple-fault':
      return 14;
    case 'halted':
      return 16;
    case 'break':
      return 20;
    case 'timeout':
      return 124;
    case 'error':
      return exitStatusOfError(end.error);
  }
}

/** The exit status that stands for an error. */
export function exitStatusOfError(error: VmError): number {
  switch (error.kind) {
    case 'input':
      return 2;
    case 'host':
      return 4;
    case 'guest':
    case 'kvm':
      return 18;
    case 'bug':
      return 70;
  }
}
