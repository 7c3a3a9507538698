import { beforeEach, describe, expect, it } from 'vitest';
import type { PagingState } from '../../../src/memory/paging.js';
import { walkPageTables } from '../../../src/memory/walk.js';

const RAM_BYTES = 1 << 20;
const CR0_PG = 1n << 31n;
const PSE = 1n << 4n;
const PAE = 1n << 5n;
const LA57 = 1n << 12n;
const LMA = 1n << 10n;
const NXE = 1n << 11n;
const XD = 1n << 63n;
const P = 1n;
const RW = 2n;
const US = 4n;
const PS = 0x80n;

let bytes: Uint8Array;
let view: DataView;
let reads: number;
const memory = {
  contains: (address: number, length: number) =>
    Number.isSafeInteger(address) && address >= 0 && address + length <= RAM_BYTES,
  read(address: number, to: Uint8Array): void {
    if (!memory.contains(address, to.length)) throw new Error(`read outside RAM at ${address}`);
    reads++;
    to.set(bytes.subarray(address, address + to.length));
  },
};

beforeEach(() => {
  bytes = new Uint8Array(RAM_BYTES);
  view = new DataView(bytes.buffer);
  reads = 0;
});

const state = (change: Partial<PagingState>): PagingState => ({
  cr0: CR0_PG,
  cr3: 0x1000n,
  cr4: 0n,
  efer: 0n,
  ...change,
});
const LONG = state({ cr4: PAE, efer: LMA | NXE });
const entry = (table: number, index: number, value: bigint) => view.setBigUint64(table + 8 * index, value, true);
const entry32 = (table: number, index: number, value: number) => view.setUint32(table + 4 * index, value, true);
const walk = (paging: PagingState, linear: bigint) => walkPageTables(memory, paging, linear);

describe('walkPageTables without paging', () => {
  it('takes a linear address for a physical one, of 32 bits', () => {
    const { mode, steps, result, linearAddress } = walk(state({ cr0: 0n }), 0x1_0000_1234n);
    expect({ mode, steps, linearAddress }).toEqual({ mode: 'off', steps: [], linearAddress: 0x1234n });
    expect(result).toMatchObject({ outcome: 'mapped', physicalAddress: 0x1234n, inRam: true });
  });

  it('says where no RAM is', () => {
    expect(walk(state({ cr0: 0n }), 0xd0000000n).result).toMatchObject({ outcome: 'mapped', inRam: false });
  });
});

describe('walkPageTables of 32-bit paging', () => {
  it('reads two levels', () => {
    entry32(0x1000, 1, 0x2000 | 7);
    entry32(0x2000, 2, 0x5000 | 0x63);
    const { mode, steps, result } = walk(state({}), 0x00402abcn);
    expect(mode).toBe('32-bit');
    expect(steps).toEqual([
      { entry: 'PDE', address: 0x1004n, index: 1, value: 0x2007n, flags: ['P', 'R/W', 'U/S'], hasAccessed: true },
      { entry: 'PTE', address: 0x2008n, index: 2, value: 0x5063n, flags: ['P', 'R/W', 'A', 'D'], hasAccessed: true },
    ]);
    expect(result).toEqual({
      outcome: 'mapped',
      physicalAddress: 0x5abcn,
      pageSize: 4096,
      inRam: true,
      writable: true,
      user: false,
      executable: true,
    });
  });

  it('takes PS for a page of 4 MiB only with CR4.PSE, and then bits 39 to 32 of its address', () => {
    entry32(0x1000, 3, 0x00c02083 & ~0);
    const large = walk(state({ cr4: PSE }), 0x00c12345n);
    expect(large.result).toMatchObject({ physicalAddress: 0x1_00c1_2345n, pageSize: 4 << 20, inRam: false });
    expect(large.steps[0]?.flags).toEqual(['P', 'R/W', 'PS']);
    expect(walk(state({}), 0x00c12345n).steps.map((step) => step.entry)).toEqual(['PDE', 'PTE']);
    entry32(0x1000, 3, 0x00e00083);
    expect(walk(state({ cr4: PSE }), 0x00c12345n).result).toEqual({ outcome: 'reserved-bit' });
    entry32(0x1000, 3, 0x00c02083);
    expect(walk(state({ cr4: PSE, physicalBits: 32 }), 0x00c12345n).result).toEqual({ outcome: 'reserved-bit' });
  });
});

describe('walkPageTables of PAE paging', () => {
  const pae = state({ cr3: 0x1020n, cr4: PAE, efer: NXE });

  it('begins at one of four entries, whose table is aligned to 32 bytes', () => {
    entry(0x1020, 3, 0x2000n | P);
    entry(0x2000, 511, 0x3000n | P | RW);
    entry(0x3000, 511, 0x4000n | P | RW | XD);
    const { mode, steps, result } = walk(pae, 0xffff_ffffn);
    expect(mode).toBe('PAE');
    expect(steps.map((step) => [step.entry, step.address, step.index])).toEqual([
      ['PDPTE', 0x1038n, 3],
      ['PDE', 0x2ff8n, 511],
      ['PTE', 0x3ff8n, 511],
    ]);
    expect(result).toMatchObject({ physicalAddress: 0x4fffn, writable: true, user: false, executable: false });
  });

  it('refuses R/W in the first entry, and bits 62 to 52 in any', () => {
    entry(0x1020, 0, 0x2000n | P | RW);
    expect(walk(pae, 0n).result).toEqual({ outcome: 'reserved-bit' });
    entry(0x1020, 0, 0x2000n | P);
    entry(0x2000, 0, 0x3000n | P | (1n << 52n));
    expect(walk(pae, 0n).result).toEqual({ outcome: 'reserved-bit' });
  });

  it('reserves the address bits that the CPU has not', () => {
    entry(0x1020, 0, 0x2000n | P);
    entry(0x2000, 0, 0x3000n | P);
    entry(0x3000, 0, (1n << 40n) | P);
    expect(walk({ ...pae, physicalBits: 40 }, 0n).result).toEqual({ outcome: 'reserved-bit' });
    expect(walk({ ...pae, physicalBits: 41 }, 0n).result).toMatchObject({ outcome: 'mapped', inRam: false });
  });

  it('maps 2 MiB by the second', () => {
    entry(0x1020, 0, 0x2000n | P);
    entry(0x2000, 1, 0x20_0000n | P | PS);
    expect(walk(pae, 0x20_0123n).result).toMatchObject({ physicalAddress: 0x20_0123n, pageSize: 2 << 20 });
  });
});

describe('walkPageTables of 4-level paging', () => {
  function fourLevels(pte: bigint): void {
    entry(0x1000, 256, 0x2000n | P | RW | US);
    entry(0x2000, 1, 0x3000n | P | RW | US);
    entry(0x3000, 2, 0x4000n | P | US);
    entry(0x4000, 3, pte);
  }
  const ADDRESS = 0xffff_8000_4040_3456n;

  it('reads four levels; a right counts only where all of them give it', () => {
    fourLevels(0x9000n | P | RW | US | XD);
    const { mode, steps, result } = walk(LONG, ADDRESS);
    expect(mode).toBe('4-level');
    expect(steps.map((step) => step.index)).toEqual([256, 1, 2, 3]);
    expect(result).toMatchObject({ physicalAddress: 0x9456n, writable: false, user: true, executable: false });
  });

  it('stops at an entry that is not present, and shows it', () => {
    fourLevels(0x9000n | RW);
    const { steps, result } = walk(LONG, ADDRESS);
    expect(result).toEqual({ outcome: 'not-present' });
    expect(steps.at(-1)).toMatchObject({ entry: 'PTE', value: 0x9002n, flags: ['R/W'] });
    entry(0x1000, 256, 0n);
    expect(walk(LONG, ADDRESS).steps.length).toBe(1);
  });

  it('takes XD for a reserved bit without EFER.NXE', () => {
    fourLevels(0x9000n | P | XD);
    expect(walk({ ...LONG, efer: LMA }, ADDRESS).result).toEqual({ outcome: 'reserved-bit' });
  });

  it('maps 1 GiB and 2 MiB by PS; it is reserved in a PML4E, and so is what lies below a large page', () => {
    entry(0x1000, 0, 0x2000n | P);
    entry(0x2000, 0, P | PS);
    expect(walk(LONG, 0x12345n).result).toMatchObject({ physicalAddress: 0x12345n, pageSize: 1 << 30 });
    entry(0x2000, 0, P | PS | 0x20_0000n);
    expect(walk(LONG, 0x12345n).result).toEqual({ outcome: 'reserved-bit' });
    entry(0x2000, 0, 0x3000n | P);
    entry(0x3000, 0, P | PS | 0x1000n); // bit 12: PAT
    expect(walk(LONG, 0x12345n).result).toMatchObject({ physicalAddress: 0x12345n, pageSize: 2 << 20 });
    entry(0x1000, 0, 0x2000n | P | PS);
    expect(walk(LONG, 0n).result).toEqual({ outcome: 'reserved-bit' });
  });

  it('reserves pages of 1 GiB where the CPU has none, and bit 8 of a PML4E on AMD', () => {
    entry(0x1000, 0, 0x2000n | P | 0x100n);
    entry(0x2000, 0, P | PS);
    expect(walk(LONG, 0n).result.outcome).toBe('mapped');
    expect(walk({ ...LONG, gigabytePages: false }, 0n)).toMatchObject({
      steps: { length: 2 },
      result: { outcome: 'reserved-bit' },
    });
    expect(walk({ ...LONG, isAmd: true }, 0n)).toMatchObject({
      steps: { length: 1 },
      result: { outcome: 'reserved-bit' },
    });
  });

  it('refuses an address that is not canonical, before any table', () => {
    for (const address of [0x8000_0000_0000n, 0xffff_7fff_ffff_ffffn, 0xff80_0000_0000_0000n]) {
      expect(walk(LONG, address)).toMatchObject({ steps: [], result: { outcome: 'not-canonical' } });
    }
    expect(reads).toBe(0);
  });

  it.each([
    ['CR3', 0xf_ffff_ffff_f000n],
    ['CR3 at the end of RAM', BigInt(RAM_BYTES)],
  ])('reads no table outside RAM: %s', (_, cr3) => {
    const { steps, result } = walk({ ...LONG, cr3 }, 0n);
    expect(result).toEqual({ outcome: 'table-outside-ram' });
    expect(steps).toMatchObject([{ address: cr3, value: undefined, flags: [] }]);
  });

  it('ends for tables that point at themselves', () => {
    entry(0x1000, 0, 0x1000n | P);
    expect(walk(LONG, 0n).result).toMatchObject({ outcome: 'mapped', physicalAddress: 0x1000n });
    expect(reads).toBe(4);
  });
});

describe('walkPageTables of 5-level paging', () => {
  const five = { ...LONG, cr4: PAE | LA57 };

  it('begins one level higher, at addresses of 57 bits', () => {
    entry(0x1000, 257, 0x2000n | P);
    entry(0x2000, 0, 0x3000n | P);
    entry(0x3000, 0, 0x4000n | P);
    entry(0x4000, 0, 0x5000n | P);
    entry(0x5000, 0, 0x6000n | P);
    const { mode, steps, result } = walk(five, 0xff01_0000_0000_0010n);
    expect(mode).toBe('5-level');
    expect(steps.map((step) => step.entry)).toEqual(['PML5E', 'PML4E', 'PDPTE', 'PDE', 'PTE']);
    expect(result).toMatchObject({ outcome: 'mapped', physicalAddress: 0x6010n });
    expect(walk(five, 0x0100_0000_0000_0000n).result).toEqual({ outcome: 'not-canonical' });
  });

  it('needs long mode: without it CR4.LA57 changes nothing', () => {
    expect(walk({ ...five, efer: 0n }, 0n).mode).toBe('PAE');
  });
});

describe('walkPageTables of random tables', () => {
  it('never throws and ends within five steps', () => {
    let seed = 0x12345678;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed;
    };
    for (let i = 0; i < bytes.length; i += 4) {
      // Half of the entries look like ones that the walk follows.
      view.setUint32(
        i,
        i % 8 === 0 ? ((random() % RAM_BYTES) & ~0xfff) | (random() & 0x87) | 1 : random() & random() & random() & 1,
        true,
      );
    }
    for (let i = 0; i < 5000; i++) {
      const paging = {
        cr0: CR0_PG,
        cr3: BigInt(random() % (2 * RAM_BYTES)),
        cr4: BigInt(random()) & (PSE | PAE | LA57),
        efer: BigInt(random()) & (LMA | NXE),
      };
      const linear = (BigInt(random()) << 32n) | BigInt(random());
      expect(
        walk(paging, i % 2 === 0 ? linear : BigInt.asUintN(64, BigInt.asIntN(48, linear))).steps.length,
      ).toBeLessThanOrEqual(5);
    }
  });
});
