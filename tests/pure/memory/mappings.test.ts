import { beforeEach, describe, expect, it } from 'vitest';
import { endOf, mappingsOf } from '../../../src/memory/mappings.js';
import type { PagingState } from '../../../src/memory/paging.js';
import { walkPageTables } from '../../../src/memory/walk.js';

const RAM_BYTES = 1 << 20;
const LONG: PagingState = { cr0: 1n << 31n, cr3: 0x1000n, cr4: 1n << 5n, efer: (1n << 10n) | (1n << 11n) };
const LEGACY: PagingState = { cr0: 1n << 31n, cr3: 0x1000n, cr4: 1n << 4n, efer: 0n };

let view: DataView;
const memory = {
  contains: (address: number, length: number) => address >= 0 && address + length <= RAM_BYTES,
  read: (address: number, to: Uint8Array) => to.set(new Uint8Array(view.buffer, address, to.length)),
};
beforeEach(() => {
  view = new DataView(new ArrayBuffer(RAM_BYTES));
});
const entry = (table: number, index: number, value: bigint) => view.setBigUint64(table + 8 * index, value, true);

/** PML4[256] and [0] → PDPT → PD → PT. */
function fourLevels(): void {
  entry(0x1000, 0, 0x2007n);
  entry(0x2000, 0, 0x3007n);
  entry(0x3000, 0, 0x4007n);
}

describe('mappingsOf', () => {
  it('puts together what follows in both addresses with the same rights, and counts accessed and dirty pages', () => {
    fourLevels();
    for (let i = 0; i < 4; i++)
      entry(0x4000, i, BigInt(0x10000 + i * 4096) | 3n | (i === 1 ? 0x20n : 0n) | (i > 1 ? 0x60n : 0n));
    entry(0x4000, 4, 0x20003n); // elsewhere
    entry(0x4000, 5, 0x21001n); // not writable
    entry(0x4000, 7, 0x22001n); // a gap
    const found = mappingsOf(memory, LONG);
    const rights = { user: false, executable: true, global: false, pageSize: 4096 };
    expect(found).toEqual({
      ranges: [
        { linear: 0n, physical: 0x10000n, pages: 4, writable: true, accessed: 3, dirty: 2, ...rights },
        { linear: 0x4000n, physical: 0x20000n, pages: 1, writable: true, accessed: 0, dirty: 0, ...rights },
        { linear: 0x5000n, physical: 0x21000n, pages: 1, writable: false, accessed: 0, dirty: 0, ...rights },
        { linear: 0x7000n, physical: 0x22000n, pages: 1, writable: false, accessed: 0, dirty: 0, ...rights },
      ],
      tables: 4,
      reserved: 0,
      outsideRam: 0,
      whole: true,
    });
  });

  it('shows linear addresses as they are canonical, and pages of each size', () => {
    entry(0x1000, 256, 0x2007n);
    entry(0x2000, 0, 0x80n | 3n); // 1 GiB
    entry(0x2000, 1, 0x3003n);
    entry(0x3000, 0, 0x80n | 0x40000003n | (1n << 63n)); // 2 MiB
    const [large, small] = mappingsOf(memory, LONG)?.ranges ?? [];
    expect(large).toMatchObject({ linear: 0xffff_8000_0000_0000n, pageSize: 1 << 30, executable: true });
    expect(small).toMatchObject({ linear: 0xffff_8000_4000_0000n, pageSize: 2 << 20, executable: false });
  });

  it('reads 32-bit tables, up to the last page', () => {
    view.setUint32(0x1000 + 4 * 1023, 0x2007, true);
    view.setUint32(0x2000 + 4 * 1023, 0x5001, true);
    const [range] = mappingsOf(memory, LEGACY)?.ranges ?? [];
    expect(range).toMatchObject({ linear: 0xffff_f000n, physical: 0x5000n, writable: false, user: false });
    expect(range && endOf(range)).toBe(1n << 32n);
  });

  it('counts what the CPU would refuse, and tables that are nowhere', () => {
    fourLevels();
    entry(0x1000, 1, 0x2087n); // PS
    entry(0x2000, 1, 0x7ff0_0000n | 1n);
    expect(mappingsOf(memory, LONG)).toMatchObject({ ranges: [], reserved: 1, outsideRam: 1, whole: true });
  });

  it('ends for tables that point at themselves, and says that it is not all', () => {
    for (let i = 0; i < 512; i++) entry(0x1000, i, 0x1007n);
    const found = mappingsOf(memory, LONG, { ranges: 1_000_000, tables: 100 });
    expect(found?.whole).toBe(false);
    expect(found?.tables).toBe(100);
    expect(mappingsOf(memory, LONG, { ranges: 10, tables: 1000 })?.ranges.length).toBe(10);
  });

  it('is nothing without paging', () => {
    expect(mappingsOf(memory, { ...LONG, cr0: 0n })).toBeUndefined();
  });

  it('agrees with the walk: each first and last address of a range, and the one after it', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed % below;
    };
    fourLevels();
    entry(0x3000, 1, 0x5007n);
    for (const table of [0x4000, 0x5000]) {
      for (let i = 0; i < 512; i++) entry(table, i, BigInt(0x8000 + random(4) * 4096) | BigInt(random(8)));
    }
    const ranges = mappingsOf(memory, LONG)?.ranges ?? [];
    expect(ranges.length).toBeGreaterThan(300);
    for (const range of ranges) {
      const { writable, user, executable, physical, linear } = range;
      for (const offset of [0n, endOf(range) - linear - 1n]) {
        const { result } = walkPageTables(memory, LONG, linear + offset);
        expect(result).toMatchObject({ physicalAddress: physical + offset, writable, user, executable });
      }
    }
    const mapped = ranges.reduce((sum, { pages }) => sum + pages, 0);
    let walked = 0;
    for (let page = 0n; page < 1024n; page++) {
      if (walkPageTables(memory, LONG, page << 12n).result.outcome === 'mapped') walked++;
    }
    expect(mapped).toBe(walked);
  });
});
