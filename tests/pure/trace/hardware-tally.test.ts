import { expect, it } from 'vitest';
import { HardwareTally } from '../../../src/trace/hardware-tally.js';
import { exitEvent, hardwareExit } from './events.js';

it('hardware exits are counted by who handled them: the last before a return by vmlaunch, the others by KVM', () => {
  const tally = new HardwareTally();
  const [io, timer] = [hardwareExit(), hardwareExit({ reason: 'EXTERNAL_INTERRUPT' })];
  tally.add(exitEvent({ hardware: [timer, timer, io] }));
  tally.add(exitEvent({ hardware: [], continued: true }));
  tally.add(exitEvent({ hardware: [timer], continued: true }));
  tally.add(exitEvent({ hardware: undefined }));
  tally.kept([io, timer]);
  expect(Object.entries(tally.byReason)).toEqual([
    ['EXTERNAL_INTERRUPT', { kvm: 4, vmlaunch: 0 }],
    ['IO_INSTRUCTION', { kvm: 1, vmlaunch: 1 }],
  ]);
});
