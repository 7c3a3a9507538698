import { beforeEach, describe, expect, it } from 'vitest';
import { AcpiPm, acpiPmState } from '../../../src/devices/acpi-pm.js';
import { RecordedEnds, RecordedLine, SetClock } from './parts.js';

const STATUS = 0;
const ENABLE = 2;
const CONTROL = 4;
const TIMER = 8;
const POWER_BUTTON = 0x100;
const S5 = 5 << 10;
const SLP_EN = 1 << 13;

let state = acpiPmState.make();
let sci = new RecordedLine();
let clock = new SetClock();
let machine = new RecordedEnds();
let pm = new AcpiPm(state, sci, clock, machine);

beforeEach(() => {
  state = acpiPmState.make();
  sci = new RecordedLine();
  clock = new SetClock();
  machine = new RecordedEnds();
  pm = new AcpiPm(state, sci, clock, machine);
});

describe('PM1a events', () => {
  it('raise the SCI while set and enabled; a written 1 clears', () => {
    pm.pressPowerButton();
    expect([pm.read(STATUS, 2), sci.level]).toEqual([POWER_BUTTON, false]);
    pm.write(ENABLE, POWER_BUTTON, 2);
    expect(sci.level).toBe(true);
    pm.write(STATUS, 0xfeff, 2);
    expect([pm.read(STATUS, 2), sci.level]).toEqual([POWER_BUTTON, true]);
    pm.write(STATUS, POWER_BUTTON, 2);
    expect([pm.read(STATUS, 2), sci.level]).toEqual([0, false]);
  });

  it('work at every width', () => {
    pm.write(STATUS, 0x01210000, 4);
    pm.pressPowerButton();
    expect(pm.read(STATUS, 4)).toBe(0x01210100);
    expect([pm.read(ENABLE, 1), pm.read(ENABLE + 1, 1), pm.read(ENABLE, 2)]).toEqual([0x21, 0x01, 0x0121]);
    pm.write(STATUS, 0x01, 1);
    expect(pm.read(STATUS + 1, 1)).toBe(1);
    pm.write(STATUS + 1, 0x01, 1);
    expect(pm.read(STATUS, 2)).toBe(0);
  });

  it('only the bits that exist can be enabled', () => {
    pm.write(ENABLE, 0xffff, 2);
    expect(pm.read(ENABLE, 2)).toBe(0x0721);
  });
});

describe('PM1a control', () => {
  it('is always in ACPI mode', () => {
    expect(pm.read(CONTROL, 2)).toBe(1);
    pm.write(CONTROL, 0, 2);
    expect([pm.read(CONTROL, 1), pm.read(CONTROL, 2), pm.read(CONTROL, 4)]).toEqual([1, 1, 1]);
  });

  it('powers off for SLP_TYP 5 with SLP_EN, which reads 0', () => {
    // Linux writes the type first, then both.
    pm.write(CONTROL, S5 | 1, 2);
    expect(machine.ends).toEqual([]);
    expect(pm.read(CONTROL, 2)).toBe(S5 | 1);
    pm.write(CONTROL, S5 | SLP_EN | 1, 2);
    expect(machine.ends).toEqual([{ reason: 'power-off' }]);
    expect(pm.read(CONTROL, 2)).toBe(S5 | 1);
  });

  it('powers off once by a write of one byte or four', () => {
    pm.write(CONTROL + 1, (S5 | SLP_EN) >> 8, 1);
    expect(machine.ends).toHaveLength(1);
    pm.write(CONTROL, S5 | SLP_EN, 4);
    expect(machine.ends).toHaveLength(2);
  });

  it.each([0, 1, 2, 3, 4, 6, 7])('goes on at SLP_TYP %i, which is not offered', (type) => {
    pm.write(CONTROL, (type << 10) | SLP_EN, 2);
    expect(machine.ends).toEqual([]);
  });
});

describe('PM timer', () => {
  it('counts 3,579,545 a second', () => {
    clock.ns = 1e9;
    expect(pm.read(TIMER, 4)).toBe(3_579_545);
    clock.ns = 1e9 + 280;
    expect(pm.read(TIMER, 4)).toBe(3_579_546);
  });

  it('is 32 bits wide and unsigned, and wraps', () => {
    clock.ns = 600e9;
    expect(pm.read(TIMER, 4)).toBe(600 * 3_579_545);
    clock.ns = 1200e9;
    expect(pm.read(TIMER, 4)).toBe(1200 * 3_579_545 - 2 ** 32);
    clock.ns = 2 ** 53;
    expect(pm.read(TIMER, 4)).toBe(Math.floor(2 ** 53 * 3.579545e-3) % 2 ** 32);
  });

  it('gives parts of the same number, reads across its edge, ignores writes', () => {
    clock.ns = 600e9;
    const whole = 600 * 3_579_545;
    expect(pm.read(TIMER, 2)).toBe(whole & 0xffff);
    expect(pm.read(TIMER + 3, 1)).toBe(whole >>> 24);
    expect(pm.read(TIMER - 2, 4)).toBe(((whole & 0xffff) << 16) >>> 0);
    pm.write(TIMER, 0, 4);
    expect(pm.read(TIMER, 4)).toBe(whole);
  });
});
