import { beforeEach, describe, expect, it } from 'vitest';
import type { Registers } from '../../../src/devices/device.js';
import { VmError } from '../../../src/errors.js';
import { Bus } from '../../../src/machine/bus.js';

type Access = readonly [device: string, operation: 'read' | 'write', offset: number, size: number, value: number];

let accesses: Access[] = [];
let unclaimed: number[] = [];
let bus = new Bus('port', { unclaimed: () => {} });

beforeEach(() => {
  accesses = [];
  unclaimed = [];
  bus = new Bus('port', {
    unclaimed: (address, size) => void unclaimed.push(...Array.from({ length: size }, (_, i) => address + i)),
  });
});

/** Little-endian memory that records its accesses. */
class RecordedRegisters implements Registers {
  readonly bytes: Uint8Array;

  constructor(
    readonly name: string,
    size: number,
    first: number,
  ) {
    this.bytes = Uint8Array.from({ length: size }, (_, i) => first + i);
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value << 8) | (this.bytes[offset + i] ?? 0);
    accesses.push([this.name, 'read', offset, size, value >>> 0]);
    // Left signed: the bus is to make it unsigned.
    return value;
  }

  write(offset: number, value: number, size: number): void {
    accesses.push([this.name, 'write', offset, size, value]);
    for (let i = 0; i < size; i++) this.bytes[offset + i] = (value >>> (8 * i)) & 0xff;
  }
}

function add(name: string, start: number, size: number, width: 1 | 2 | 4, first = 0): RecordedRegisters {
  const registers = new RecordedRegisters(name, size, first);
  bus.add({ name, start, size, width }, registers);
  return registers;
}

function errorOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('ranges', () => {
  it.each([
    ['the same', 0x40, 4],
    ['its start', 0x3e, 3],
    ['its end', 0x43, 8],
    ['what is inside', 0x41, 1],
    ['what is around', 0x30, 0x30],
  ])('that overlap are refused, naming both: %s', (_how, start, size) => {
    add('timer', 0x40, 4, 1);
    const error = errorOf(() => add('clock', start, size, 1));
    expect(error).toBeInstanceOf(VmError);
    expect(error).toMatchObject({ code: 'BUS_OVERLAP' });
    const last = (start + size - 1).toString(16);
    const message = `clock at port 0x${start.toString(16)}-0x${last} overlaps timer at port 0x40-0x43`;
    expect(error).toHaveProperty('message', message);
    expect(bus.ranges.map(({ name }) => name)).toEqual(['timer']);
  });

  it('that touch are fine, and are listed in order of address', () => {
    add('c', 0x44, 4, 1);
    add('a', 0x3c, 4, 1);
    add('b', 0x40, 4, 1);
    expect(bus.ranges.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect([0x3b, 0x3c, 0x3f, 0x40, 0x43, 0x44, 0x47, 0x48].map((address) => bus.deviceAt(address))).toEqual([
      undefined,
      ...['a', 'a', 'b', 'b', 'c', 'c'],
      undefined,
    ]);
  });

  it('added later are found, whatever was found last', () => {
    add('b', 0x40, 4, 1);
    bus.read(0x40, 1);
    bus.read(0x3f, 1);
    add('a', 0x3f, 1, 1, 0x77);
    expect(bus.read(0x3f, 1)).toBe(0x77);
    expect(unclaimed).toEqual([0x3f]);
  });

  it('may end at 4 GiB', () => {
    add('top', 0xffff_f000, 0x1000, 4);
    expect(bus.read(0xffff_fffc, 4)).toBe(0xfffefdfc);
    expect(bus.deviceAt(0xffff_ffff)).toBe('top');
    expect(bus.deviceAt(0x1_0000_0000)).toBeUndefined();
  });
});

describe('an access', () => {
  it('no wider than the registers goes to them whole, with an offset from the start', () => {
    add('wide', 0x600, 8, 4, 0xf0);
    expect(bus.read(0x602, 4)).toBe(0xf5f4f3f2);
    bus.write(0x601, 0x89abcdef, 4);
    bus.write(0x607, 0x12, 1);
    expect(accesses).toEqual([
      ['wide', 'read', 2, 4, 0xf5f4f3f2],
      ['wide', 'write', 1, 4, 0x89abcdef],
      ['wide', 'write', 7, 1, 0x12],
    ]);
  });

  it('wider than the registers is two halves, the lower first', () => {
    add('word', 0x100, 8, 2, 0x10);
    expect(bus.read(0x102, 4)).toBe(0x15141312);
    bus.write(0x104, 0xddccbbaa, 4);
    expect(accesses).toEqual([
      ['word', 'read', 2, 2, 0x1312],
      ['word', 'read', 4, 2, 0x1514],
      ['word', 'write', 4, 2, 0xbbaa],
      ['word', 'write', 6, 2, 0xddcc],
    ]);
  });

  it('to byte registers is bytes, the lowest first', () => {
    add('byte', 0x70, 4, 1, 0xe0);
    expect(bus.read(0x70, 4)).toBe(0xe3e2e1e0);
    bus.write(0x70, 0xf4f3f2f1, 4);
    expect(accesses).toEqual([
      ...[0, 1, 2, 3].map((i) => ['byte', 'read', i, 1, 0xe0 + i]),
      ...[0, 1, 2, 3].map((i) => ['byte', 'write', i, 1, 0xf1 + i]),
    ]);
  });

  it('across two devices reaches each with its own part', () => {
    const low = add('low', 0x60, 2, 2, 0x10);
    const high = add('high', 0x62, 4, 4, 0x20);
    expect(bus.read(0x60, 4)).toBe(0x21201110);
    expect(bus.read(0x61, 2)).toBe(0x2011);
    bus.write(0x61, 0x44332211, 4);
    expect([...low.bytes]).toEqual([0x10, 0x11]);
    expect([...high.bytes]).toEqual([0x22, 0x33, 0x44, 0x23]);
    expect(unclaimed).toEqual([]);
  });

  it('off the end reads all ones where nothing is, and drops what is written there', () => {
    const device = add('device', 0x3f8, 8, 4, 0x50);
    expect(bus.read(0x3fe, 4)).toBe(0xffff5756);
    expect(unclaimed).toEqual([0x400, 0x401]);
    bus.write(0x3ff, 0x04030201, 4);
    expect([...device.bytes]).toEqual([0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x01]);
    expect(unclaimed).toEqual([0x400, 0x401, 0x400, 0x401, 0x402]);
  });

  it('from below into a device reaches it', () => {
    add('device', 0x82, 2, 2, 0x30);
    expect(bus.read(0x80, 4)).toBe(0x3130ffff);
    expect(unclaimed).toEqual([0x80, 0x81]);
  });

  it.each([
    [1, 0xff],
    [2, 0xffff],
    [4, 0xffffffff],
  ])('of %i bytes that nothing claims reads all ones and counts each byte once', (size, ones) => {
    const bytes = Array.from({ length: size }, (_, i) => 0xcf8 + i);
    expect(bus.read(0xcf8, size)).toBe(ones);
    expect(unclaimed).toEqual(bytes);
    bus.write(0xcf8, 0, size);
    expect(unclaimed).toEqual([...bytes, ...bytes]);
  });
});

describe('MMIO of any length', () => {
  const STEPS = [[], [1], [2], [2, 1], [4], [4, 1], [4, 2], [4, 2, 1], [4, 4]] as const;

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('reads %i bytes exactly, and no more', (length) => {
    add('device', 0xfec0_0000, 0x20, 4, 0xe0);
    const data = new Uint8Array(16);
    bus.readBytes(0xfec0_0013, data, 4, length);
    const expected = new Uint8Array(16);
    for (let i = 0; i < length; i++) expected[4 + i] = 0xe0 + 0x13 + i;
    expect(data).toEqual(expected);
    expect(accesses.map(([, , , size]) => size)).toEqual(STEPS[length]);
    expect(accesses[0]?.[2]).toBe(0x13);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('writes %i bytes exactly, and no more', (length) => {
    const device = add('device', 0xfec0_0000, 0x20, 4);
    device.bytes.fill(0x5a);
    const data = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
    bus.writeBytes(0xfec0_0005, data, 3, length);
    const expected = new Uint8Array(0x20).fill(0x5a);
    expected.set(data.subarray(3, 3 + length), 5);
    expect(device.bytes).toEqual(expected);
    expect(accesses.map(([, , , size]) => size)).toEqual(STEPS[length]);
    expect(accesses.every(([, , , , value]) => value >= 0)).toBe(true);
  });

  it('off the end of a device reads all ones, counted once a byte', () => {
    add('device', 0x1000, 4, 4, 1);
    const data = new Uint8Array(8);
    bus.readBytes(0x1002, data, 0, 8);
    expect([...data]).toEqual([3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    expect(unclaimed).toEqual([0x1004, 0x1005, 0x1006, 0x1007, 0x1008, 0x1009]);
  });
});
