import { describe, expect, it } from 'vitest';
import { makePcMemory, Pc } from '../../../src/machine/pc.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';

const KEYBOARD_IRQ = 1;
const DATA_PORT = 0x60;
const STATUS_PORT = 0x64;
const ACK = 0xfa;

function makePc() {
  const lines: string[] = [];
  const nothing = () => {};
  const wiring = {
    vm: { irqLine: (irq: number, level: number) => void lines.push(`${irq}=${level}`) },
    memory: new GuestMemory([]),
    console: { write: nothing, writeAll: nothing },
    input: { next: () => -1, ready: false },
    ends: { end: nothing },
    delay: { start: nothing },
    wakeTimers: nothing,
    unclaimed: { pio: nothing, mmio: nothing },
  };
  return { pc: new Pc(makePcMemory(1), wiring, { ramBytes: 1 << 24 }), lines };
}

describe("the PC's keyboard", () => {
  it('tells of a stroke by IRQ 1, and gives its bytes at port 0x60', () => {
    const { pc, lines } = makePc();
    expect(pc.tryKey([0x1e, 0x9e])).toBe(true);
    expect([lines, pc.pio.read(STATUS_PORT, 1) & 1]).toEqual([[`${KEYBOARD_IRQ}=1`], 1]);
    expect([pc.pio.read(DATA_PORT, 1), pc.pio.read(DATA_PORT, 1)]).toEqual([0x1e, 0x9e]);
    expect([lines.at(-1), pc.pio.read(STATUS_PORT, 1) & 1]).toEqual([`${KEYBOARD_IRQ}=0`, 0]);
  });

  it('takes a stroke whole or not at all', () => {
    const { pc } = makePc();
    const stroke = [0xe0, 0x48, 0xe0, 0xc8];
    const taken = Array.from({ length: 5 }, () => pc.tryKey(stroke));
    expect(taken).toEqual([true, true, true, true, false]);
    for (const byte of stroke) expect(pc.pio.read(DATA_PORT, 1)).toBe(byte);
    expect(pc.tryKey(stroke)).toBe(true);
  });

  it('takes none while the guest has it switched off', () => {
    const { pc } = makePc();
    pc.pio.write(DATA_PORT, 0xf5, 1);
    expect([pc.tryKey([0x1e, 0x9e]), pc.pio.read(DATA_PORT, 1)]).toEqual([false, ACK]);
    pc.pio.write(DATA_PORT, 0xf4, 1);
    expect([pc.pio.read(DATA_PORT, 1), pc.tryKey([0x1e, 0x9e])]).toEqual([ACK, true]);
  });
});
