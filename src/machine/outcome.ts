import { KVM_EXIT_SHUTDOWN, KVM_EXIT_SYSTEM_EVENT } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import type { ThreadEnd } from './thread-end.js';

// kvm_run.system_event.type (KVM API, 5: KVM_EXIT_SYSTEM_EVENT)
const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
const KVM_SYSTEM_EVENT_RESET = 2;
const KVM_SYSTEM_EVENT_CRASH = 3;

/** How an exit other than port I/O and MMIO ends the machine; undefined where it is one that nothing here handles. */
export function otherExitEnd(page: RunPage): ThreadEnd | undefined {
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
