import assert from 'node:assert/strict';
import { KVM_IRQCHIP_IOAPIC, KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE } from '../../../dist/kvm/abi/constants.js';
import { decode } from '../../../dist/kvm/abi/layout.js';
import { kvmIoapicState, kvmPicState } from '../../../dist/kvm/abi/vm.js';
import { Kvm } from '../../../dist/kvm/kvm.js';
import { furnish } from '../../../dist/machine/load.js';
import { makeRam, releaseRam } from '../../../dist/memory/ram.js';
import type { Case } from '../case.js';

export const cases: readonly Case[] = [
  {
    name: "a PC's lines reach the controllers as its MADT says: the PIT's pin 2 of the I/O APIC",
    async run() {
      const kvm = Kvm.open();
      const ram = makeRam(2 << 20);
      const vm = kvm.createVm();
      try {
        furnish(vm, ram, kvm.getSupportedCpuid());
        const pending = () => ({
          first: decode(kvmPicState, vm.getIrqchip(KVM_IRQCHIP_PIC_MASTER)).irr,
          second: decode(kvmPicState, vm.getIrqchip(KVM_IRQCHIP_PIC_SLAVE)).irr,
          apic: decode(kvmIoapicState, vm.getIrqchip(KVM_IRQCHIP_IOAPIC)).irr,
        });
        vm.irqLine(0, 1);
        assert.deepEqual(pending(), { first: 1 << 0, second: 0, apic: 1 << 2 });
        vm.irqLine(4, 1);
        vm.irqLine(8, 1);
        vm.irqLine(23, 1);
        const apic = (1 << 2) | (1 << 4) | (1 << 8) | (1 << 23);
        const { first, second, apic: pins } = pending();
        // The second PIC's request reaches the first through line 2.
        assert.deepEqual([first & ~(1 << 2), second, pins], [(1 << 0) | (1 << 4), 1 << 0, apic]);
      } finally {
        vm.close();
        releaseRam(ram);
        kvm.close();
      }
    },
  },
];
