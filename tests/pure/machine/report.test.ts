import { expect, it } from 'vitest';
import { addStats, type MachineStats } from '../../../src/machine/report.js';

const FIRST: MachineStats = {
  exits: { total: 5, byReason: { IO: 3, MMIO: 2 } },
  startedNs: 1000,
  time: { insideNs: 10, outsideNs: 20 },
  unclaimed: { pio: 1, mmio: 2 },
  kvm: { exits: 7, halt_exits: 1 },
};
const SECOND: MachineStats = {
  exits: { total: 2, byReason: { IO: 1, SHUTDOWN: 1 } },
  startedNs: 2000,
  time: { insideNs: 1, outsideNs: 2 },
  unclaimed: { pio: 10, mmio: 20 },
  kvm: { exits: 3, nmi_injections: 4 },
};

it('adds what two runs of a machine did, by name', () => {
  expect(addStats(FIRST, SECOND)).toEqual({
    exits: { total: 7, byReason: { IO: 4, MMIO: 2, SHUTDOWN: 1 } },
    startedNs: 1000,
    time: { insideNs: 11, outsideNs: 22 },
    unclaimed: { pio: 11, mmio: 22 },
    kvm: { exits: 10, halt_exits: 1, nmi_injections: 4 },
  });
});

it('tells no time and no counters of KVM where a run has none', () => {
  const { exits, unclaimed } = SECOND;
  expect(addStats(FIRST, { exits, unclaimed })).toEqual({
    exits: { total: 7, byReason: { IO: 4, MMIO: 2, SHUTDOWN: 1 } },
    startedNs: 1000,
    unclaimed: { pio: 11, mmio: 22 },
  });
});
