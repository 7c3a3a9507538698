import { describe, expect, it } from 'vitest';
import type { MemoryRegion } from '../../../src/kvm/vm.js';
import { DirtyLog, DirtyRings, hostWritesBytes } from '../../../src/memory/dirty.js';
import { GIB } from '../../../src/memory/map.js';
import { Slots } from '../../../src/memory/slots.js';

const PAGE = 4096;
const DIRTY = 1;
const RESET = 2;
const ENTRIES = 4;

/** Two slots, one of them above the hole, that log; and one that does not. */
function makeSlots(): Slots {
  const vm = { setUserMemoryRegion: (_: MemoryRegion) => {} };
  const slots = new Slots(vm, { slots: 8, addressBits: 40, reserved: [] });
  for (const [start, pages, logDirty] of [
    [0, 100, true],
    [4 * GIB, 65, true],
    [8 * GIB, 4, false],
  ] as const) {
    const size = pages * PAGE;
    slots.add({ start, size, buffer: new SharedArrayBuffer(size), offset: 0, what: 'ram', logDirty });
  }
  return slots;
}

describe('the dirty log', () => {
  /** KVM's, of pages set beforehand by slot. */
  function makeLog(dirty: Map<number, number[]>) {
    const cleared: [number, number, number][] = [];
    const vm = {
      getDirtyLog: (slot: number, bitmap: Uint8Array) => {
        bitmap.fill(0);
        for (const page of dirty.get(slot) ?? []) bitmap[page >> 3] = (bitmap[page >> 3] ?? 0) | (1 << (page & 7));
      },
      clearDirtyLog: (slot: number, first: number, pages: number) => void cleared.push([slot, first, pages]),
    };
    return { vm, cleared };
  }

  it('tells pages of each slot that logs, at its guest-physical address, and protects them again', () => {
    const { vm, cleared } = makeLog(
      new Map([
        [0, [0, 31, 32, 63, 99]],
        [1, [64]],
        [2, [1]],
      ]),
    );
    expect(new DirtyLog(vm, makeSlots()).collect()).toEqual([
      ...[0, 31, 32, 63, 99].map((page) => page * PAGE),
      4 * GIB + 64 * PAGE,
    ]);
    expect(cleared).toEqual([
      [0, 0, 100],
      [1, 0, 65],
    ]);
  });

  it('protects nothing again where nothing was written, and adds host writes once', () => {
    const { vm, cleared } = makeLog(new Map());
    const slots = makeSlots();
    const written = new SharedArrayBuffer(hostWritesBytes(65 * PAGE));
    slots.setHostWrites(1, written);
    new Int32Array(written)[2] = 1;
    const log = new DirtyLog(vm, slots);
    expect([log.collect(), log.collect(), cleared]).toEqual([[4 * GIB + 64 * PAGE], [], []]);
  });
});

describe('the dirty rings', () => {
  function makeRings(count = 1) {
    const rings = Array.from({ length: count }, () => new Uint8Array(new SharedArrayBuffer(ENTRIES * 16)));
    const resets = { count: 0 };
    const vm = {
      resetDirtyRings: () => {
        resets.count++;
        return 0;
      },
    };
    const put = (ring: number, entry: number, slot: number, page: number) =>
      new Int32Array(rings[ring]?.buffer ?? new SharedArrayBuffer(0)).set([DIRTY, slot, page, 0], entry * 4);
    const flags = (ring: number) =>
      Array.from({ length: ENTRIES }, (_, i) => new Int32Array(rings[ring]?.buffer ?? new SharedArrayBuffer(0))[i * 4]);
    return { tracker: new DirtyRings(vm, makeSlots(), rings), resets, put, flags };
  }

  it('tell each page once, of all vCPUs, and hand their entries back', () => {
    const { tracker, resets, put, flags } = makeRings(2);
    put(0, 0, 1, 64);
    put(0, 1, 0, 5);
    put(1, 0, 0, 5);
    expect(tracker.collect()).toEqual([5 * PAGE, 4 * GIB + 64 * PAGE]);
    expect([flags(0), flags(1), resets.count]).toEqual([[RESET, RESET, 0, 0], [RESET, 0, 0, 0], 1]);
    expect([tracker.collect(), resets.count]).toEqual([[], 1]);
  });

  it('go on round the end, keep what was drained, and leave out what is in no slot', () => {
    const { tracker, put } = makeRings();
    for (let entry = 0; entry < ENTRIES; entry++) put(0, entry, 0, entry);
    tracker.drain();
    put(0, 0, 0, 99);
    put(0, 1, 2, 0); // does not log
    put(0, 2, 7, 0); // gone
    put(0, 3, 1, 10_000); // beyond what is left of it
    expect(tracker.collect()).toEqual([0, 1, 2, 3, 99].map((page) => page * PAGE));
  });
});
