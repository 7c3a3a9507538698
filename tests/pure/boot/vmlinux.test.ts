import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeLz4Legacy } from '../../../src/boot/lz4.js';
import { type Decompress, extractVmlinux } from '../../../src/boot/vmlinux.js';
import { VmError } from '../../../src/errors.js';
import { bzImage, random, thrownBy } from './bzimage.js';

/** What the lz4 program (1.9.4, `lz4 -l`) makes of the text below. */
const REFERENCE = Buffer.from(
  '02214c182e0000003f6162630300088f2c207468656e207a0100ff7d009601f00620656e64206f662061207465737420766563746f72',
  'hex',
);
const REFERENCE_TEXT = `${'abc'.repeat(10)}, then ${'z'.repeat(400)} the end of a test vector`;

const frame = (...blocks: Uint8Array[]): Buffer =>
  Buffer.concat([u32(0x184c2102), ...blocks.flatMap((block) => [u32(block.length), block])]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A random valid block, and what it unpacks to, worked out byte by byte. */
function randomBlock(next: (limit: number) => number): { packed: Buffer; plain: Buffer } {
  const packed: number[] = [];
  const plain: number[] = [];
  const more = (length: number) => {
    for (length -= 15; length >= 255; length -= 255) packed.push(255);
    packed.push(length);
  };
  const sequence = (literals: number, match: number) => {
    packed.push((Math.min(literals, 15) << 4) | Math.min(Math.max(match - 4, 0), 15));
    if (literals >= 15) more(literals);
    for (let i = 0; i < literals; i++) {
      const byte = next(256);
      packed.push(byte);
      plain.push(byte);
    }
    if (match === 0) return;
    const distance = 1 + next(Math.min(plain.length, next(2) === 0 ? 8 : 0xffff));
    packed.push(distance & 0xff, distance >> 8);
    if (match - 4 >= 15) more(match - 4);
    for (let i = 0; i < match; i++) plain.push(plain[plain.length - distance] ?? Number.NaN);
  };
  const length = () => (next(4) === 0 ? next(1000) : next(20));
  for (let i = next(12); i > 0; i--) sequence(length() + (plain.length === 0 ? 1 : 0), 4 + length());
  sequence(5 + length(), 0);
  return { packed: Buffer.from(packed), plain: Buffer.from(plain) };
}

describe('LZ4 legacy frames', () => {
  it('are unpacked as the lz4 program packed them', () => {
    expect(Buffer.from(decodeLz4Legacy(REFERENCE, REFERENCE_TEXT.length)).toString()).toBe(REFERENCE_TEXT);
  });

  it('are unpacked whatever sequences their blocks hold', () => {
    const next = random(11);
    for (let round = 0; round < 500; round++) {
      const blocks = Array.from({ length: 1 + next(3) }, () => randomBlock(next));
      const plain = Buffer.concat(blocks.map((block) => block.plain));
      const out = decodeLz4Legacy(frame(...blocks.map((block) => block.packed)), plain.length);
      expect(Buffer.compare(out, plain)).toBe(0);
    }
  });

  it.each<[string, Uint8Array, number, string]>([
    ['another magic number', Buffer.from('04224d18000000', 'hex'), 1, 'magic'],
    ['nothing', new Uint8Array(0), 0, 'magic'],
    ['a cut length', Buffer.concat([frame(), Buffer.from([1, 0])]), 1, 'length is cut off at byte 4'],
    ['a block beyond the end', REFERENCE.subarray(0, -1), 462, 'ends at 54, and there are 53 bytes'],
    ['an empty block', frame(new Uint8Array(0)), 0, 'within a sequence'],
    ['literals beyond the block', frame(Buffer.from([0x50, 1, 2])), 5, 'literals reach beyond'],
    ['literals beyond the output', frame(Buffer.from([0x20, 1, 2])), 1, 'more than its room'],
    ['a length without end', frame(Buffer.from([0xf0, 255, 255])), 9, 'within a sequence'],
    ['distance 0', frame(Buffer.from([0x10, 1, 0, 0, 0x10, 2])), 6, '0 bytes back'],
    ['a match before the start', frame(Buffer.from([0x10, 1, 2, 0, 0x10, 2])), 6, '2 bytes back, after 1'],
    [
      'a match into another block',
      frame(Buffer.from([0x10, 1]), Buffer.from([0x00, 1, 0, 0x10, 2])),
      6,
      '1 bytes back, after 0',
    ],
    ['a match beyond the output', frame(Buffer.from([0x10, 1, 1, 0, 0x10, 2])), 4, 'more than its room'],
    ['no last literals', frame(Buffer.from([0x10, 1, 1, 0])), 5, 'within a sequence'],
    ['too few bytes', REFERENCE, 463, 'holds 462 bytes in place of 463'],
    ['a size that cannot be', REFERENCE, 0xffffffff, 'cannot hold 4294967295'],
  ])('are refused with %s', (_, input, size, text) => {
    const error = thrownBy(() => decodeLz4Legacy(input, size));
    expect(error).toBeInstanceOf(VmError);
    expect(error).toMatchObject({ code: 'IMAGE_INVALID', message: expect.stringContaining(text) });
  });

  it('never throw anything but a VmError when they are damaged', () => {
    const next = random(5);
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const { packed, plain } = randomBlock(next);
      const bytes = frame(packed);
      for (let change = next(3); change >= 0; change--) bytes[next(bytes.length)] = next(256);
      const error = thrownBy(() => expect(decodeLz4Legacy(bytes, plain.length).length).toBe(plain.length));
      if (error instanceof VmError) refused++;
      else if (error !== undefined) throw error;
    }
    expect(refused).toBeGreaterThan(500);
  });
});

const NO_PROGRAM: Decompress = (format) => {
  throw new VmError('IMAGE_UNSUPPORTED', `no ${format} here`);
};

describe('the vmlinux in a bzImage', () => {
  const plain = Buffer.from(`\x7fELF${'kernel '.repeat(1000)}`, 'latin1');

  it('is unpacked from gzip', () => {
    expect(extractVmlinux(bzImage({}, gzipSync(plain)), NO_PROGRAM)).toEqual(plain);
  });

  it('is unpacked from LZ4 with the size that the build appends', () => {
    const payload = Buffer.concat([REFERENCE, u32(REFERENCE_TEXT.length)]);
    const out = extractVmlinux(bzImage({}, payload), NO_PROGRAM);
    expect(out && Buffer.from(out).toString()).toBe(REFERENCE_TEXT);
  });

  it.each<[string, Uint8Array, string]>([
    ['damaged gzip', gzipSync(plain).fill(0x55, 12, 16), 'IMAGE_INVALID'],
    ['truncated gzip', Buffer.concat([gzipSync(plain).subarray(0, -20), u32(plain.length)]), 'IMAGE_INVALID'],
    ['gzip with a wrong size', Buffer.concat([gzipSync(plain).subarray(0, -4), u32(5)]), 'IMAGE_INVALID'],
    ['only the beginning of gzip', Buffer.from([0x1f, 0x8b]), 'IMAGE_INVALID'],
    ['only the beginning of LZ4', u32(0x184c2102), 'IMAGE_INVALID'],
    ['LZ4 with a wrong size', Buffer.concat([REFERENCE, u32(461)]), 'IMAGE_INVALID'],
    ['xz without its program', Buffer.from('\xfd7zXZ\0 and so on\0\0\0', 'latin1'), 'IMAGE_UNSUPPORTED'],
    ['an unknown packing', Buffer.from('something'), 'IMAGE_UNSUPPORTED'],
    ['nothing', new Uint8Array(0), 'IMAGE_UNSUPPORTED'],
    ['LZ4 that claims to be huge', Buffer.concat([REFERENCE, u32(0xffffffff)]), 'IMAGE_TOO_LARGE'],
  ])('is refused from %s', (_, payload, code) => {
    const error = thrownBy(() => extractVmlinux(bzImage({}, payload), NO_PROGRAM));
    expect(error).toBeInstanceOf(VmError);
    expect(error).toMatchObject({ code });
  });
});
