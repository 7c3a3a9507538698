import { describe, expect, it } from 'vitest';
import { VmError } from '../../../src/errors.js';
import { exitStatusOf, exitStatusOfError, type MachineEnd } from '../../../src/machine/end.js';

const ENDS: readonly (readonly [MachineEnd, number])[] = [
  [{ reason: 'power-off' }, 0],
  [{ reason: 'stopped' }, 0],
  [{ reason: 'reset', by: 'i8042' }, 10],
  [{ reason: 'panic', by: 'pvpanic' }, 12],
  [{ reason: 'triple-fault' }, 14],
  [{ reason: 'halted' }, 16],
  [{ reason: 'timeout' }, 124],
];

const ERRORS = [
  ['OPTION_INVALID', 'input', 2],
  ['KVM_ABSENT', 'host', 4],
  ['GUEST_ADDRESS_INVALID', 'guest', 18],
  ['KVM_CALL_FAILED', 'kvm', 18],
  ['BUG', 'bug', 70],
] as const;

describe('the exit status', () => {
  it.each(ENDS)('after $reason is its own', (end, status) => expect(exitStatusOf(end)).toBe(status));

  it.each(ERRORS)('after %s tells a fault of kind %s: %i', (code, kind, status) => {
    const error = new VmError(code, 'it failed');
    expect(error.kind).toBe(kind);
    expect(exitStatusOfError(error)).toBe(status);
    expect(exitStatusOf({ reason: 'error', error })).toBe(status);
  });

  it.each([1, 3, 0x21, 0xff])('after isa-debug-exit is the status of that, %i', (status) => {
    expect(exitStatusOf({ reason: 'debug-exit', status })).toBe(status);
  });

  it('is even for whatever is not isa-debug-exit, so that a guest cannot be mistaken for the monitor', () => {
    const statuses = [
      ...ENDS.map(([end]) => exitStatusOf(end)),
      ...ERRORS.map(([code]) => exitStatusOfError(new VmError(code, ''))),
    ];
    expect(statuses.filter((status) => status % 2 !== 0)).toEqual([]);
  });

  it('is not zero after anything but what was wanted, and is not shared by two such ends', () => {
    const unwanted = ENDS.slice(2).map(([end]) => exitStatusOf(end));
    expect(new Set(unwanted).size).toBe(unwanted.length);
    expect(unwanted).not.toContain(0);
  });
});
