import { PerformanceObserver } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../src/memory/guest-memory.js';
import { GIB } from '../../../src/memory/map.js';
import type { RamPiece } from '../../../src/memory/ram.js';
import { ScatterList } from '../../../src/memory/scatter.js';

const PAGE = 4096;
const CANARY = 0xc5;
/** Two slots that meet at 4 GiB, a gap, and one that cannot be written. Around each, bytes of nobody. */
const BORDER = 4 * GIB;
const ROM = BORDER + 8 * PAGE;
const OUTSIDE = { code: 'GUEST_ADDRESS_INVALID' };

function piece(start: number, size: number, more: Partial<RamPiece> = {}): RamPiece {
  const buffer = new SharedArrayBuffer(size + 2 * PAGE);
  new Uint8Array(buffer).fill(CANARY);
  new Uint8Array(buffer, PAGE, size).fill(0);
  return { start, size, buffer, offset: PAGE, ...more };
}

const makePieces = (): RamPiece[] => [
  piece(BORDER - 2 * PAGE, 2 * PAGE),
  piece(BORDER, 2 * PAGE),
  piece(ROM, PAGE, { readOnly: true }),
];

function canariesAlive(pieces: readonly RamPiece[]): boolean {
  return pieces.every(({ buffer, size }) =>
    [new Uint8Array(buffer, 0, PAGE), new Uint8Array(buffer, PAGE + size)].every((canary) =>
      canary.every((byte) => byte === CANARY),
    ),
  );
}

/** Small numbers from a seed (Park and Miller). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 0x7fffffff;
    return state % below;
  };
}

describe('the accessor', () => {
  it('reads and writes numbers of each width across the border of two slots at 4 GiB', () => {
    const memory = new GuestMemory(makePieces());
    for (let at = BORDER - 8; at <= BORDER; at++) {
      memory.writeU64(at, 0x1_2345_6789_abcd);
      expect(memory.readU64(at)).toBe(0x1_2345_6789_abcd);
      memory.writeU32(at, 0x89abcdef);
      expect(memory.readU32(at)).toBe(0x89abcdef);
      memory.writeU16(at, 0x8765);
      expect(memory.readU16(at)).toBe(0x8765);
      memory.writeU8(at, 0xfe);
      expect(memory.readU8(at)).toBe(0xfe);
    }
  });

  it('refuses every access of which any part is outside, and leaves all as it was', () => {
    const pieces = makePieces();
    const memory = new GuestMemory(pieces);
    const end = BORDER + 2 * PAGE;
    const bytes = new Uint8Array(200).fill(7);
    const accesses = [
      () => memory.writeU16(end - 1, 0x7777),
      () => memory.writeU32(end - 3, 0x77777777),
      () => memory.writeU64(end - 4, 7),
      () => memory.write(end - 100, bytes),
      () => memory.fill(end - 100, 101, 7),
      () => memory.copy(end - 100, BORDER, 101),
      () => memory.copy(BORDER, end - 100, 101),
      () => memory.readU16(end - 1),
      () => memory.readU64(BORDER - 2 * PAGE - 4),
      () => memory.read(end - 100, bytes),
      () => memory.slice(end - 100, 101),
      () => memory.readU8(BORDER - 2 * PAGE - 1),
      ...[Number.NaN, -1, 0.5, BORDER + 0.5, 2 ** 53, 2 ** 64, Number.POSITIVE_INFINITY].map(
        (address) => () => memory.readU32(address),
      ),
    ];
    for (const access of accesses) expect(access).toThrow(expect.objectContaining(OUTSIDE));
    const all = new Uint8Array(4 * PAGE);
    memory.read(BORDER - 2 * PAGE, all);
    expect(all.every((byte) => byte === 0)).toBe(true);
    expect(canariesAlive(pieces)).toBe(true);
  });

  it('reads what is read-only and never writes it', () => {
    const memory = new GuestMemory(makePieces());
    expect(memory.readU32(ROM)).toBe(0);
    expect([memory.contains(ROM, 4), memory.isReadable(ROM, 4), memory.isReadable(ROM, PAGE + 1)]).toEqual([
      false,
      true,
      false,
    ]);
    for (const write of [
      () => memory.writeU8(ROM, 1),
      () => memory.writeU32(ROM, 1),
      () => memory.write(ROM, new Uint8Array(8)),
      () => memory.fill(ROM, 8, 1),
      () => memory.copy(ROM, BORDER, 8),
    ]) {
      expect(write).toThrow(expect.objectContaining(OUTSIDE));
    }
    memory.copy(BORDER, ROM, PAGE);
  });

  it('gives bytes themselves within a slot only', () => {
    const memory = new GuestMemory(makePieces());
    memory.writeU32(BORDER - 4, 0x04030201);
    expect([...(memory.slice(BORDER - 4, 4) ?? [])]).toEqual([1, 2, 3, 4]);
    expect(memory.slice(BORDER - 4, 5)).toBeUndefined();
    expect(memory.slice(0, 0)).toHaveLength(0);
  });

  it('does not reach slots that are gone', () => {
    const pieces = makePieces();
    const memory = new GuestMemory(pieces);
    memory.writeU8(BORDER, 1);
    memory.replace(pieces.slice(0, 1));
    expect(() => memory.readU8(BORDER)).toThrow(expect.objectContaining(OUTSIDE));
    memory.replace([{ ...piece(0, PAGE), start: BORDER }]);
    expect(memory.readU8(BORDER)).toBe(0);
  });

  it('copies, fills and scatters as a plain array would: 20,000 random operations', () => {
    const pieces = makePieces();
    const memory = new GuestMemory(pieces);
    const below = random(20_261_127);
    const model = new Uint8Array(4 * PAGE);
    const base = BORDER - 2 * PAGE;
    const list = new ScatterList(memory, 4);
    for (let i = 0; i < 20_000; i++) {
      const length = below(below(2) === 0 ? 80 : 3 * PAGE);
      const to = below(model.length - length);
      const from = below(model.length - length);
      const bytes = Uint8Array.from({ length: Math.min(length, 300) }, () => below(256));
      const kind = below(5);
      if (kind === 0) {
        memory.write(base + to, bytes);
        model.set(bytes, to);
      } else if (kind === 1) {
        memory.copy(base + to, base + from, length);
        model.copyWithin(to, from, from + length);
      } else if (kind === 2) {
        memory.fill(base + to, length, i & 0xff);
        model.fill(i & 0xff, to, to + length);
      } else if (kind === 3) {
        list.clear();
        const cut = below(bytes.length + 1);
        list.add(base + to, cut);
        list.add(base + from, bytes.length - cut);
        expect(list.write(0, bytes)).toBe(bytes.length);
        model.set(bytes.subarray(0, cut), to);
        model.set(bytes.subarray(cut), from);
      } else {
        const found = new Uint8Array(length);
        memory.read(base + to, found);
        expect(Buffer.compare(found, model.subarray(to, to + length))).toBe(0);
      }
    }
    expect(canariesAlive(pieces)).toBe(true);
  });

  it('takes down which pages it wrote, where that is asked for', () => {
    const hostWrites = new SharedArrayBuffer(4);
    const memory = new GuestMemory([{ ...piece(BORDER, 8 * PAGE), hostWrites }]);
    memory.writeU8(BORDER + PAGE, 1);
    memory.write(BORDER + 4 * PAGE - 1, new Uint8Array(2));
    memory.fill(BORDER + 6 * PAGE, 0, 1);
    expect(new Uint32Array(hostWrites)[0]).toBe(0b11010);
  });
});

describe('a scatter list', () => {
  const memory = () => new GuestMemory(makePieces());

  it('is read from any place, to its end', () => {
    const ram = memory();
    ram.write(BORDER, Uint8Array.of(1, 2, 3, 4, 5));
    const list = new ScatterList(ram, 3);
    for (const [address, length] of [
      [BORDER + 3, 2],
      [BORDER, 0],
      [BORDER, 3],
    ] as const)
      list.add(address, length);
    expect(list.add(BORDER, 1)).toBe(false);
    const to = new Uint8Array(8);
    expect([list.length, list.read(1, to)]).toEqual([5, 4]);
    expect([...to]).toEqual([5, 1, 2, 3, 0, 0, 0, 0]);
    expect(list.read(5, to)).toBe(0);
  });

  it('refuses parts outside when they are used, and lengths that are none at once', () => {
    const list = new ScatterList(memory(), 4);
    expect([Number.NaN, -1, 0.5, 2 ** 53].map((length) => list.add(BORDER, length))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    list.add(BORDER, 4);
    list.add(ROM, 4);
    expect(list.isRam).toBe(false);
    expect(() => list.write(0, new Uint8Array(8))).toThrow(expect.objectContaining(OUTSIDE));
    expect(list.read(0, new Uint8Array(8))).toBe(8);
  });
});

describe('on the paths of devices', () => {
  const ROUNDS = 3_000_000;

  it('nothing is allocated: millions of accesses bring no more garbage collections than none', async () => {
    // V8 makes a number of 2^31 or more an object wherever it does not inline the call: hence low addresses.
    const border = 2 * PAGE;
    const ram = new GuestMemory([piece(0, 2 * PAGE), piece(border, 2 * PAGE)]);
    const list = new ScatterList(ram, 4);
    const buffer = new Uint8Array(PAGE);
    const round = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const at = border - 64 + (i & 63);
        ram.writeU16(at, i);
        ram.writeU32(at, ram.readU16(at + 4) + ram.readU16(at));
        ram.writeU64(at, i);
        if ((i & 15) !== 0) continue;
        list.clear();
        list.add(at, 100);
        list.add(border - PAGE, PAGE - 100);
        list.read(0, buffer);
        list.write(0, buffer);
        ram.copy(at, border - PAGE, 200);
      }
    };
    round(200_000);
    let collections = 0;
    const observer = new PerformanceObserver((entries) => {
      collections += entries.getEntries().length;
    });
    observer.observe({ entryTypes: ['gc'] });
    const before = process.memoryUsage().heapUsed;
    round(ROUNDS);
    const grown = process.memoryUsage().heapUsed - before;
    await new Promise((resolve) => setTimeout(resolve, 20));
    observer.disconnect();
    // A few are V8's and the test runner's own; a view for each copy would bring a dozen more.
    expect([collections < 10, grown < ROUNDS]).toEqual([true, true]);
  });
});
