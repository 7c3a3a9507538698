import type { Mapping } from '../../../../src/memory/mappings.js';
import type { PageWalk } from '../../../../src/memory/walk.js';
import { SecondLevelTables } from '../../../../src/trace/memory/second-level.js';
import type { MapRow, MemoryView, WalkView } from '../../../../src/trace/memory/view.js';

const row = (start: number, end: number, change: Partial<MapRow> = {}): MapRow => ({
  start,
  end,
  e820: undefined,
  slot: undefined,
  what: undefined,
  readOnly: false,
  hostVirtual: undefined,
  device: undefined,
  ...change,
});

const RAM = { e820: 'RAM', slot: 0, what: 'ram' } as const;

/** A kernel of 16 MiB at the top, and a program of scattered pages. */
function ranges(): Mapping[] {
  const page = { pages: 1, pageSize: 4096, writable: true, user: true, executable: false, global: false };
  const program = Array.from({ length: 40 }, (_, i) => ({
    ...page,
    linear: 0x40_0000n + BigInt(i * 4096),
    physical: BigInt(0x20_0000 + ((i * 7919) % 512) * 4096),
    accessed: 1,
    dirty: i % 2,
  }));
  const kernel = { ...page, user: false, pageSize: 2 << 20, pages: 8, accessed: 8, dirty: 0, global: true };
  return [
    ...program,
    { ...kernel, linear: 0xffff_ffff_8100_0000n, physical: 0x100_0000n, executable: true, writable: false },
  ];
}

export const madeUpWalk: PageWalk = {
  linearAddress: 0xffff_ffff_8112_3456n,
  mode: '4-level',
  steps: [
    {
      entry: 'PML4E',
      address: 0x1ff8n,
      index: 511,
      value: 0x2067n,
      flags: ['P', 'R/W', 'U/S', 'A'],
      hasAccessed: true,
    },
    { entry: 'PDPTE', address: 0x2ff0n, index: 510, value: 0x3063n, flags: ['P', 'R/W', 'A'], hasAccessed: true },
    {
      entry: 'PDE',
      address: 0x3040n,
      index: 8,
      value: 0x1000_1e1n,
      flags: ['P', 'A', 'D', 'PS', 'G'],
      hasAccessed: true,
    },
  ],
  result: {
    outcome: 'mapped',
    physicalAddress: 0x112_3456n,
    pageSize: 2 << 20,
    inRam: true,
    writable: false,
    user: false,
    executable: true,
  },
};

/** @param known whether KVM's events told of the second-level entries */
export function madeUpView({ known = true, walk = madeUpWalk, name = 'rip' } = {}): MemoryView {
  const tables = new SecondLevelTables();
  for (const level of known ? [4, 3] : []) tables.take({ level, gfn: 0n, value: 0x7_0800n, space: 0 });
  for (const gfn of known ? [0n, 0x1000n] : []) tables.take({ level: 2, gfn, value: 0x1_2340_0880n, space: 0 });
  const walks: WalkView[] = [
    {
      name,
      walk,
      hostVirtual: 0x7f12_3412_3456,
      hostPhysical: 0x1_2352_3456n,
      accesses: [
        { access: { kind: 'read', user: false }, result: { outcome: 'allowed', updates: [] } },
        {
          access: { kind: 'write', user: false },
          result: { outcome: 'page-fault', reason: 'read-only', errorCode: 3 },
        },
        { access: { kind: 'fetch', user: false }, result: { outcome: 'allowed', updates: [] } },
        {
          access: { kind: 'read', user: true },
          result: { outcome: 'page-fault', reason: 'supervisor-page', errorCode: 5 },
        },
      ],
      second: [...walk.steps.map(({ address }) => address), 0x112_3456n].map((address) => tables.walk(address)),
    },
  ];
  return {
    moment: 'stopped at exits:3',
    ramBytes: 64 << 20,
    map: [
      row(0, 0x9fc00, { ...RAM, hostVirtual: 0x7f12_3300_0000 }),
      row(0x100000, 64 << 20, { ...RAM, hostVirtual: 0x7f12_3310_0000 }),
      row(64 << 20, 0xfec0_0000),
      row(0xfec0_0000, 0xfec0_1000, { e820: 'reserved', device: 'I/O APIC (KVM)' }),
    ],
    vcpus: [
      {
        id: 0,
        mode: '64-bit mode, ring 0',
        paging: { cr0: 0x8000_0001n, cr3: 0x1000n, cr4: 0x20n, efer: 0xd00n },
        wasReset: false,
        mappings: { ranges: ranges(), tables: 6, reserved: 0, outsideRam: 0, whole: true },
        walks,
      },
    ],
    second: {
      kind: 'EPT',
      counters: { pf_taken: 12, pf_fixed: 12, pages_2m: 2, pages_4k: 0, pages_1g: 0 },
      eventsMissing: undefined,
      faults: [{ guestPhysical: 0x1000n, kind: 'write', table: true, errorCode: 0x83n, rip: 0x10_0000n }],
      faultCount: 12,
      faultsByKind: { write: 12 },
      eventsLost: 0,
      pages: {},
    },
  };
}
