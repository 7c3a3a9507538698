import {
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_SYSTEM_EVENT_CRASH,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
} from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import { describeExit } from '../kvm/exit-words.js';
import type { ThreadEnd } from './thread-end.js';

/**
 * How an exit other than port I/O, MMIO and a signal ends the machine. Every reason has an outcome: what is not
 * known here, or newer than this program, is an `exit` in words, which becomes an error that says where the guest is.
 */
export function otherExitEnd(page: RunPage): ThreadEnd {
  return knownEnd(page) ?? { reason: 'exit', exitReason: page.exitReason, words: describeExit(page) };
}

function knownEnd(page: RunPage): ThreadEnd | undefined {
  if (page.exitReason === KVM_EXIT_SHUTDOWN) return { reason: 'triple-fault' };
  if (page.exitReason !== KVM_EXIT_SYSTEM_EVENT) return undefined;
  switch (page.systemEventType) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
      return { reason: 'power-off' };
    case KVM_SYSTEM_EVENT_RESET:
      return { reason: 'reset', by: 'KVM system event' };
    case KVM_SYSTEM_EVENT_CRASH:
      return { reason: 'panic', by: 'KVM system event' };
    default:
      return undefined;
  }
}
