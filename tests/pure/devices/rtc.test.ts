import { beforeEach, describe, expect, it } from 'vitest';
import { initRtc, Rtc, rtcState } from '../../../src/devices/rtc.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { inb, outb, SetClock } from './parts.js';

const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const D = 0x0d;
const UIP = 0x80;
const SET = 0x80;
const BINARY = 0x04;
const HOURS_24 = 0x02;
const TIME = [0x32, 9, 8, 7, 4, 2, 0];

let state = rtcState.make();
let clock = new SetClock();
let rtc = new Rtc(state, clock);

beforeEach(() => {
  state = rtcState.make();
  clock = new SetClock();
  rtc = new Rtc(state, clock);
  initRtc(state, { below4GiB: 256 * MIB, above4GiB: 0 });
  // A Thursday.
  clock.ms = Date.UTC(2026, 10, 26, 23, 59, 58);
});

function read(index: number): number {
  outb(rtc, 0, index);
  return inb(rtc, 1);
}

function write(index: number, value: number): void {
  outb(rtc, 0, index);
  outb(rtc, 1, value);
}

/** Century, year, month, day, hour, minute, second, in the current mode. */
const time = (): number[] => TIME.map(read);

function setTime(values: readonly number[]): void {
  for (const [i, index] of TIME.entries()) write(index, values[i] ?? 0);
}

describe('time', () => {
  it('is BCD and 24 hours at first, with day of week and century', () => {
    expect([read(B), read(D)]).toEqual([HOURS_24, 0x80]);
    expect(time()).toEqual([0x20, 0x26, 0x11, 0x26, 0x23, 0x59, 0x58]);
    expect(read(6)).toBe(5);
  });

  it('goes on with the clock, over midnight', () => {
    clock.ms += 2000;
    expect(time()).toEqual([0x20, 0x26, 0x11, 0x27, 0x00, 0x00, 0x00]);
    expect(read(6)).toBe(6);
  });

  it('is binary with DM', () => {
    write(B, BINARY | HOURS_24);
    expect(time()).toEqual([20, 26, 11, 26, 23, 59, 58]);
  });

  it.each([
    [0, 0x12, 12],
    [1, 0x01, 1],
    [11, 0x11, 11],
    [12, 0x92, 0x8c],
    [13, 0x81, 0x81],
    [23, 0x91, 0x8b],
  ])('hour %i in 12-hour mode, BCD and binary, there and back', (hour, bcd, binary) => {
    clock.ms = Date.UTC(2026, 0, 1, hour, 30);
    write(B, 0);
    expect(read(4)).toBe(bcd);
    write(B, BINARY);
    expect(read(4)).toBe(binary);
    write(4, binary);
    expect(state.offsetMs).toBe(0);
    write(B, BINARY | HOURS_24);
    expect(read(4)).toBe(hour);
  });
});

describe('update cycle', () => {
  it('shows UIP from 244 µs before it until the new second is there', () => {
    const seen = [0, 500, 997.7, 997.78, 999, 999.99, 1000].map((ms) => {
      clock.ms = ms;
      return read(A) & UIP;
    });
    expect(seen).toEqual([0, 0, 0, UIP, UIP, UIP, 0]);
    expect(read(A) & 0x7f).toBe(0x26);
  });

  it('is seen by a poller of UIP even where the host clock only counts milliseconds', () => {
    let rises = 0;
    for (let before = 0, i = 0; i < 3000; i++, clock.ms++) {
      const now = read(A) & UIP;
      if (now > before) rises++;
      before = now;
    }
    expect(rises).toBe(3);
  });

  it('sets UF in register C once a second; reading clears it', () => {
    read(C);
    expect(read(C)).toBe(0);
    clock.ms += 1000;
    expect([read(C), read(C)]).toEqual([0x10, 0]);
    write(B, HOURS_24 | 0x10);
    clock.ms += 5000;
    expect([read(C), read(C)]).toEqual([0x90, 0]);
  });

  it('stands still under SET, which clears UIE', () => {
    write(B, SET | HOURS_24 | 0x10);
    expect(read(B)).toBe(SET | HOURS_24);
    clock.ms += 1999;
    expect([read(A) & UIP, read(C), read(0)]).toEqual([0, 0, 0x58]);
  });
});

describe('setting', () => {
  it('works as Linux does it: SET, divider reset, registers, back; the first update half a second later', () => {
    const control = read(B);
    const frequency = read(A);
    write(B, control | SET);
    write(A, frequency | 0x70);
    setTime([0x19, 0x99, 0x12, 0x31, 0x12, 0x34, 0x56]);
    clock.ms += 10_000;
    write(B, control);
    write(A, frequency);
    expect(time()).toEqual([0x19, 0x99, 0x12, 0x31, 0x12, 0x34, 0x56]);
    clock.ms += 499;
    expect(read(0)).toBe(0x56);
    clock.ms += 1;
    expect(read(0)).toBe(0x57);
  });

  it('takes a single register while the clock runs, and keeps the fraction', () => {
    clock.ms += 300;
    write(2, 0x10);
    expect(time()).toEqual([0x20, 0x26, 0x11, 0x26, 0x23, 0x10, 0x58]);
    clock.ms += 700;
    expect(read(0)).toBe(0x59);
  });

  it('leaves the host clock alone: another instance over the state has the same time', () => {
    write(4, 0x05);
    const other = new Rtc(state, clock);
    outb(other, 0, 4);
    expect(inb(other, 1)).toBe(0x05);
  });

  it('makes a date of any nonsense', () => {
    for (const control of [0, BINARY, HOURS_24, BINARY | HOURS_24]) {
      write(B, SET | control);
      setTime([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
      write(B, control);
      for (const value of time()) expect(value).toBeLessThanOrEqual(0xff);
      expect(Number.isFinite(state.offsetMs)).toBe(true);
    }
  });
});

describe('CMOS', () => {
  it('keeps 128 bytes; bit 7 of the index is no address; the index cannot be read', () => {
    write(0x7f, 0x5a);
    write(0x0f, 0xa5);
    expect([read(0x7f), read(0xff), read(0x8f)]).toEqual([0x5a, 0x5a, 0xa5]);
    expect(inb(rtc, 0)).toBe(0xff);
    write(1, 0x11);
    write(C, 0xff);
    write(D, 0);
    expect([read(1), read(D)]).toEqual([0x11, 0x80]);
  });

  const word = (at: number): number => read(at) | (read(at + 1) << 8);

  it.each([
    [2 * MIB, 0, 1024, 0, 0],
    [256 * MIB, 0, 0xffff, 240 * 16, 0],
    [3 * GIB, 0, 0xffff, (3 * 1024 - 16) * 16, 0],
    [3 * GIB, 2 * GIB, 0xffff, (3 * 1024 - 16) * 16, 2 * 1024 * 16],
    [3 * GIB, 2048 * GIB, 0xffff, (3 * 1024 - 16) * 16, 0xffffff],
  ])('tells of %i bytes of RAM and %i above 4 GiB', (below4GiB, above4GiB, extendedKib, above16, above4G) => {
    initRtc(state, { below4GiB, above4GiB });
    expect([word(0x15), word(0x17), word(0x30)]).toEqual([640, extendedKib, extendedKib]);
    expect([word(0x34), word(0x5b) | (read(0x5d) << 16)]).toEqual([above16, above4G]);
    let sum = 0;
    for (let i = 0x10; i < 0x2e; i++) sum += read(i);
    expect((read(0x2e) << 8) | read(0x2f)).toBe(sum);
  });
});
