import { describe, expect, it } from 'vitest';
import { array, bytes, decode, encode, reserved, struct, union, zero } from '../../../src/kvm/abi/layout.js';

const sample = struct({
  a: 'u8',
  b: 'u32',
  pad: reserved(2),
  c: 's16',
  d: 'u64',
  e: array(struct({ x: 'u8', y: 'u16' }), 2),
  f: bytes(3),
  g: union({ word: 'u32', half: 'u16' }),
});

describe('struct layouts', () => {
  it('places members as the x86-64 ABI does', () => {
    const offsets = Object.fromEntries(Object.entries(sample.fields).map(([name, { offset }]) => [name, offset]));
    expect(offsets).toEqual({ a: 0, b: 4, pad: 8, c: 10, d: 16, e: 24, f: 32, g: 36 });
    expect(sample.size).toBe(40);
  });

  it('writes and reads values, 64-bit ones as bigints', () => {
    const value = {
      a: 255,
      b: 0xdeadbeef,
      c: -2,
      d: 0xfedcba9876543210n,
      e: [
        { x: 1, y: 2 },
        { x: 3, y: 0xffff },
      ],
      f: new Uint8Array([7, 8, 9]),
      g: { word: 0x12345678, half: 0x5678 },
    };
    const written = encode(sample, value);
    expect([...written.subarray(0, 24)]).toEqual([
      255, 0, 0, 0, 0xef, 0xbe, 0xad, 0xde, 0, 0, 0xfe, 0xff, 0, 0, 0, 0, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc,
      0xfe,
    ]);
    expect(decode(sample, written)).toEqual(value);
  });

  it('writes zeros for what is left out, over what was there', () => {
    const target = new Uint8Array(sample.size).fill(0xff);
    encode(sample, { a: 1 }, target);
    expect(target[0]).toBe(1);
    expect(target.subarray(1).every((byte) => byte === 0)).toBe(true);
    expect(zero(sample).d).toBe(0n);
  });

  it('writes a negative bigint as two’s complement', () => {
    expect(decode(sample, encode(sample, { d: -1n })).d).toBe(0xffffffffffffffffn);
  });

  it('refuses more bytes or elements than there is room for', () => {
    expect(() => encode(sample, { f: new Uint8Array(4) })).toThrow('4 bytes do not fit into 3');
    expect(() => encode(sample, { e: [{}, {}, {}] })).toThrow('3 elements do not fit into 2');
  });
});
