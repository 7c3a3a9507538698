import { beforeEach, describe, expect, it } from 'vitest';
import { initRtc, Rtc, rtcState } from '../../../src/devices/rtc.js';
import { type AlarmTime, nextAlarm } from '../../../src/devices/rtc-alarm.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { inb, outb, RecordedLine, SetClock, SetTimer } from './parts.js';

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
let irq = new RecordedLine();
let timer = new SetTimer();
let rtc = new Rtc(state, { clock, irq, timer });

beforeEach(() => {
  state = rtcState.make();
  clock = new SetClock();
  irq = new RecordedLine();
  timer = new SetTimer();
  rtc = new Rtc(state, { clock, irq, timer });
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
    write(A, 0x20);
    clock.ms += 1000;
    expect([read(C), read(C)]).toEqual([0x10, 0]);
    write(B, HOURS_24 | 0x10);
    clock.ms += 5000;
    // Midnight, which the alarm is set to, was among them.
    expect([read(C), read(C)]).toEqual([0xb0, 0]);
  });

  it('stands still under SET, which clears UIE', () => {
    write(B, SET | HOURS_24 | 0x10);
    expect(read(B)).toBe(SET | HOURS_24);
    clock.ms += 1999;
    expect([read(A) & UIP, read(C) & 0x10, read(0)]).toEqual([0, 0, 0x58]);
  });
});

/** Lets time pass as the machine does: the timer rings when it is due. */
function pass(ms: number): void {
  const end = clock.ms + ms;
  while (timer.due <= end) {
    clock.ms = Math.max(timer.due, clock.ms);
    rtc.expire();
  }
  clock.ms = end;
}

/** Acknowledges as a handler does; returns what register C said. */
const acknowledge = (): number => read(C);

describe('interrupts', () => {
  const UIE = 0x10;
  const AIE = 0x20;
  const PIE = 0x40;
  beforeEach(() => {
    // No periodic flag among the others.
    write(A, 0x20);
    for (const register of [1, 3, 5]) write(register, 0x99);
    read(C);
  });

  it('update-ended: one at each new second once it is acknowledged, and none when it is off', () => {
    write(B, HOURS_24 | UIE);
    pass(1000);
    expect([irq.level, irq.edges, acknowledge()]).toEqual([true, 1, 0x90]);
    expect(irq.level).toBe(false);
    pass(999);
    expect(irq.level).toBe(false);
    pass(1);
    expect(irq.edges).toBe(2);
    // Not acknowledged: the line stays, no other comes, and no timer runs.
    expect(timer.due).toBe(Number.POSITIVE_INFINITY);
    pass(5000);
    expect([irq.edges, acknowledge()]).toEqual([2, 0x90]);
    write(B, HOURS_24);
    pass(3000);
    expect([irq.edges, timer.due, acknowledge()]).toEqual([2, Number.POSITIVE_INFINITY, 0x10]);
  });

  it.each([
    [6, 1024],
    [15, 2],
    [13, 8],
    [1, 256],
    [2, 128],
  ])('periodic at rate %i: %i a second', (rate, hertz) => {
    write(A, 0x20 | rate);
    write(B, HOURS_24 | PIE);
    let count = 0;
    const end = clock.ms + 2000;
    while (timer.due <= end) {
      clock.ms = timer.due;
      rtc.expire();
      if (!irq.level) continue;
      count++;
      expect(acknowledge() & 0xc0).toBe(0xc0);
    }
    expect(count).toBe(2 * hertz);
  });

  it('periodic: none at rate 0, none in a divider held in reset, some under SET', () => {
    for (const [a, b, flag] of [
      [0x20, 0, 0],
      [0x76, 0, 0],
      [0x26, SET, 0x40],
    ] as const) {
      write(A, a);
      write(B, b | PIE | HOURS_24);
      acknowledge();
      pass(100);
      expect([irq.level, acknowledge() & 0x40]).toEqual([flag !== 0, flag]);
    }
  });

  it.each([
    ['the second', [0xff, 0xff, 0x03], 5],
    ['the minute', [0xff, 0x01, 0xff], 62],
    ['midnight', [0x00, 0x00, 0x00], 2],
    ['any', [0xc0, 0xc0, 0xc0], 1],
    ['this time tomorrow', [0x23, 0x59, 0x58], 86400],
    ['tomorrow noon', [0x12, 0xff, 0xff], 12 * 3600 + 2],
  ])('alarm: %s', (_name, [hour = 0, minute = 0, second = 0], after) => {
    write(1, second);
    write(3, minute);
    write(5, hour);
    write(B, HOURS_24 | AIE);
    pass(after * 1000 - 1);
    expect(irq.level).toBe(false);
    pass(1);
    expect([irq.level, acknowledge()]).toEqual([true, 0xb0]);
  });

  it('alarm: in 12 hours, binary; and never at a time that no clock shows', () => {
    write(B, BINARY | AIE);
    write(5, 0x81);
    write(3, 0);
    write(1, 0);
    pass(13 * 3600_000 + 1999);
    expect(irq.level).toBe(false);
    pass(1);
    expect(acknowledge()).toBe(0xb0);
    write(3, 75);
    expect(timer.due).toBe(Number.POSITIVE_INFINITY);
  });

  it('sets AF without AIE: a flag only', () => {
    write(5, 0x00);
    write(3, 0x00);
    write(1, 0x01);
    clock.ms += 10_000;
    expect([irq.edges, acknowledge()]).toEqual([0, 0x30]);
  });

  it('takes a step of the clock for a single second, in either direction', () => {
    write(B, HOURS_24 | UIE);
    clock.ms -= 3600_000;
    rtc.expire();
    expect([irq.level, acknowledge() & 0x90]).toEqual([true, 0x90]);
    pass(1000);
    expect(acknowledge() & 0x90).toBe(0x90);
  });

  it('is enabled while its flag is set: at once', () => {
    clock.ms += 1000;
    rtc.expire();
    expect(irq.level).toBe(false);
    write(B, HOURS_24 | UIE);
    expect(irq.level).toBe(true);
    write(B, HOURS_24);
    expect(irq.level).toBe(false);
  });
});

describe('alarm', () => {
  it('is the first match, as found by looking at every second', () => {
    const fields = [undefined, 0, 1, 23, 24, 30, 59, 60];
    for (const hour of fields) {
      for (const minute of fields) {
        for (const second of [undefined, 0, 59, 60]) {
          const alarm = { hour, minute, second };
          for (const from of [0, 59, 3599, 86399, 82800 + 3599, 1_800_000_017]) {
            expect([alarm, from, nextAlarm(alarm, from)]).toEqual([alarm, from, firstMatch(alarm, from)]);
          }
        }
      }
    }
  });

  function firstMatch({ hour, minute, second }: AlarmTime, from: number): number {
    const valid = (hour ?? 0) < 24 && (minute ?? 0) < 60 && (second ?? 0) < 60;
    for (let at = from + 1; valid; at++) {
      const matches = (wanted: number | undefined, is: number) => wanted === undefined || wanted === is;
      const ofDay = at % 86400;
      if (!matches(hour, Math.floor(ofDay / 3600))) continue;
      if (matches(minute, Math.floor(ofDay / 60) % 60) && matches(second, ofDay % 60)) return at;
    }
    return Number.POSITIVE_INFINITY;
  }
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
    const other = new Rtc(state, { clock, irq, timer });
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
