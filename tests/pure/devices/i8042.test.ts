import { beforeEach, describe, expect, it } from 'vitest';
import { I8042, i8042State, initI8042 } from '../../../src/devices/i8042.js';
import { inb, outb, RecordedEnds, RecordedLine } from './parts.js';

const OUTPUT_FULL = 0x01;
const INPUT_FULL = 0x02;
const NOT_INHIBITED = 0x10;
const AUXILIARY_DATA = 0x20;
const TRANSLATE = 0x40;
const DISABLE_KEYBOARD = 0x10;

let state = i8042State.make();
let irq = new RecordedLine();
let machine = new RecordedEnds();
let controller = new I8042(state, irq, machine);

beforeEach(() => {
  state = i8042State.make();
  initI8042(state);
  irq = new RecordedLine();
  machine = new RecordedEnds();
  controller = new I8042(state, irq, machine);
});

const status = (): number => inb(controller.commandPort);
const command = (value: number): void => outb(controller.commandPort, 0, value);
const data = (value: number): void => outb(controller.dataPort, 0, value);

/** All that waits, read as a driver does. It fails where a driver would have to wait. */
function answers(): number[] {
  const bytes: number[] = [];
  while (status() & OUTPUT_FULL) bytes.push(inb(controller.dataPort));
  return bytes;
}

function ask(value: number, ...parameters: number[]): number[] {
  command(value);
  for (const parameter of parameters) data(parameter);
  return answers();
}

function keyboard(...values: number[]): number[] {
  const bytes: number[] = [];
  for (const value of values) {
    data(value);
    bytes.push(...answers());
  }
  return bytes;
}

const config = (): number => ask(0x20)[0] ?? -1;

describe('controller', () => {
  it('is ready as firmware leaves it, and never busy', () => {
    expect(status()).toBe(NOT_INHIBITED | 0x04);
    expect(config()).toBe(0x65);
    data(0xf4);
    expect(status() & INPUT_FULL).toBe(0);
  });

  it.each([
    ['self-test', 0xaa, 0x55],
    ['keyboard test', 0xab, 0x00],
    ['input port', 0xc0, 0x80],
    ['output port', 0xd0, 0x03],
  ])('answers %s at once', (_name, value, answer) => {
    expect(ask(value)).toEqual([answer]);
  });

  it('keeps the configuration byte, but the auxiliary port stays off', () => {
    expect(ask(0x60, 0x41)).toEqual([]);
    expect(config()).toBe(0x61);
    ask(0xa8);
    expect(config()).toBe(0x61);
    ask(0xad);
    expect(config()).toBe(0x71);
    ask(0xae);
    expect(config()).toBe(0x61);
  });

  it('tells in the status whether the last write was a command', () => {
    command(0xae);
    expect(status() & 0x08).toBe(0x08);
    data(0xf4);
    expect(status() & 0x08).toBe(0);
  });

  it('puts a byte into the output buffer as if from the keyboard', () => {
    command(0xd2);
    data(0x3b);
    expect(irq.level).toBe(true);
    expect(answers()).toEqual([0x3b]);
    expect(irq.level).toBe(false);
  });

  it('gives the last byte again while nothing waits', () => {
    expect(ask(0xaa)).toEqual([0x55]);
    expect(inb(controller.dataPort)).toBe(0x55);
  });

  it('answers nothing to commands that it does not have', () => {
    for (const value of [0x00, 0x21, 0x3f, 0x61, 0xa1, 0xa7, 0xa8, 0xdd, 0xdf, 0xe0, 0xff]) {
      expect(ask(value)).toEqual([]);
    }
    expect(machine.ends).toEqual([]);
  });
});

describe('no auxiliary port', () => {
  /** One command as Linux's i8042 driver sends it: the answer must be there at the first look. */
  function linuxCommand(value: number, parameter?: number): { full: boolean; auxiliary: boolean } {
    command(value);
    if (parameter !== undefined) data(parameter);
    const seen = status();
    return { full: (seen & OUTPUT_FULL) !== 0, auxiliary: (seen & AUXILIARY_DATA) !== 0 };
  }

  it('is found missing without a wait: loopback without its status bit, the interface test fails', () => {
    expect(linuxCommand(0xd3, 0x5a)).toEqual({ full: true, auxiliary: false });
    expect(linuxCommand(0xa9)).toEqual({ full: true, auxiliary: false });
    const [result] = answers();
    // 0, 0xfa and 0xff would count as a port that works.
    expect([0, 0xfa, 0xff]).not.toContain(result);
    expect(answers()).toEqual([]);
  });

  it('answers a byte for a mouse with a time-out', () => {
    command(0xd4);
    data(0xff);
    expect(status() & 0x41).toBe(0x41);
    expect(answers()).toEqual([0xfe]);
    expect(status() & 0x40).toBe(0);
  });
});

describe('as Linux probes it', () => {
  it('reads the configuration twice alike, switches off, then finds the keyboard', () => {
    answers();
    const [first, second] = [config(), config()];
    expect(second).toBe(first);
    expect(status() & NOT_INHIBITED).toBe(NOT_INHIBITED);
    ask(0x60, (first | DISABLE_KEYBOARD) & ~0x01);
    expect(config() & 0x11).toBe(DISABLE_KEYBOARD);
    ask(0x60, (first & ~DISABLE_KEYBOARD) | 0x01);
    // atkbd: GETID, SETLEDS 0, then reset, repeat rate and enable.
    expect(keyboard(0xf2)).toEqual([0xfa, 0xab, 0x41]);
    expect(keyboard(0xed, 0)).toEqual([0xfa, 0xfa]);
    expect(keyboard(0xff)).toEqual([0xfa, 0xaa]);
    expect(keyboard(0xf3, 0)).toEqual([0xfa, 0xfa]);
    expect(keyboard(0xf4)).toEqual([0xfa]);
  });
});

describe('keyboard', () => {
  it.each([
    ['reset', [0xff], [0xfa, 0xaa]],
    ['enable', [0xf4], [0xfa]],
    ['disable', [0xf5], [0xfa]],
    ['defaults', [0xf6], [0xfa]],
    ['echo', [0xee], [0xee]],
    ['LEDs', [0xed, 7], [0xfa, 0xfa]],
    ['typematic rate', [0xf3, 0x20], [0xfa, 0xfa]],
    ['ask for the scan code set', [0xf0, 0], [0xfa, 0xfa, 2]],
    ['set the scan code set', [0xf0, 1, 0xf0, 0], [0xfa, 0xfa, 0xfa, 0xfa, 1]],
    ['identify', [0xf2], [0xfa, 0xab, 0x83]],
    ['echo, resend', [0xee, 0xfe], [0xee, 0xee]],
    ['an unknown command', [0xe1], [0xfe]],
  ])('answers to %s', (_name, sent, expected) => {
    ask(0x60, 0x05);
    expect(keyboard(...sent)).toEqual(expected);
  });

  it('has its answers translated where the controller translates', () => {
    expect(config() & TRANSLATE).toBe(TRANSLATE);
    expect(keyboard(0xf2)).toEqual([0xfa, 0xab, 0x41]);
    expect(keyboard(0xf0, 0)).toEqual([0xfa, 0xfa, 0x41]);
  });

  it('is silent while its interface is off; a byte for it switches it on', () => {
    controller.key([0x1e]);
    ask(0xad);
    expect([answers(), irq.level]).toEqual([[], false]);
    expect(ask(0xae)).toEqual([0x1e]);
    ask(0xad);
    expect(keyboard(0xee)).toEqual([0xee]);
    expect(config() & DISABLE_KEYBOARD).toBe(0);
  });

  it('loses no key to an answer of the controller', () => {
    controller.key([0x1e, 0x9e]);
    command(0x20);
    expect(answers()).toEqual([0x65, 0x1e, 0x9e]);
  });

  it('takes keys as a whole or not at all, and a bounded number', () => {
    for (let i = 0; i < 5; i++) expect(controller.key([0xe0, 0x48, 0xe0])).toBe(true);
    expect(controller.key([0xe0, 0x48])).toBe(false);
    expect(controller.key([0x1e])).toBe(true);
    expect(answers()).toHaveLength(16);
    keyboard(0xf5);
    expect(controller.key([0x1e])).toBe(false);
    keyboard(0xf4);
    expect(controller.key([0x1e])).toBe(true);
  });

  it('ends its answers where a guest asks without end and never reads', () => {
    for (let i = 0; i < 1000; i++) data(0xf2);
    expect(answers()).toHaveLength(32);
    expect(keyboard(0xee)).toEqual([0xee]);
  });
});

describe('interrupt', () => {
  it('has an edge for each byte, only while the configuration allows it', () => {
    controller.key([0x1e, 0x9e]);
    expect([irq.level, irq.edges]).toEqual([true, 1]);
    inb(controller.dataPort);
    expect([irq.level, irq.edges]).toEqual([true, 2]);
    inb(controller.dataPort);
    expect(irq.level).toBe(false);
    ask(0x60, 0x44);
    controller.key([0x1e]);
    expect([irq.level, answers()]).toEqual([false, [0x1e]]);
  });
});

describe('reset', () => {
  const reset = [{ reason: 'reset', by: 'keyboard controller' }];

  it.each([0xfe, 0xf0, 0xfc])('command %i pulses the reset line', (value) => {
    command(value);
    expect(machine.ends).toEqual(reset);
  });

  it('comes with bit 0 of the output port low, and not with the rest', () => {
    ask(0xd1, 0xdf);
    ask(0xd1, 0x01);
    expect(machine.ends).toEqual([]);
    ask(0xd1, 0xfe);
    expect(machine.ends).toEqual(reset);
  });

  it('is not meant by 0xfe that belongs to another command', () => {
    ask(0x60, 0xfe);
    expect(machine.ends).toEqual([]);
  });
});
