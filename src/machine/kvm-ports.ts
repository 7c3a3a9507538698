import { KVM_IOEVENTFD_FLAG_PIO } from '../kvm/abi/constants.js';
import { OwnedFd } from '../kvm/fd.js';
import { native } from '../kvm/native.js';
import type { Vm } from '../kvm/vm.js';
import type { KvmPort } from './options.js';

/** Has KVM take the writes to these ports itself. Returns what holds them, which goes with the VM. */
export function giveKvmPorts(vm: Vm, ports: readonly KvmPort[]): OwnedFd[] {
  const events: OwnedFd[] = [];
  for (const { port, size, how } of ports) {
    if (how === 'coalesced') vm.registerCoalescedPio(port, size);
    else {
      const event = new OwnedFd(native.eventfd(0), 'eventfd');
      events.push(event);
      vm.ioeventfd({ fd: event.number, addr: port, len: size, flags: KVM_IOEVENTFD_FLAG_PIO });
    }
  }
  return events;
}
