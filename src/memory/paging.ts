/** How x86 pages: levels of tables and bits of their entries (SDM volume 3, chapter 4). */
import { CR0_PG, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA, EFER_NXE } from '../kvm/x86.js';

/** What translation depends on: control registers and EFER (SDM volume 3, 2.5 and 2.2.1). */
export interface PagingState {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  /** Bits of a physical address, 32 to 52 (CPUID 0x80000008): an entry's address bits above are reserved. Default 52. */
  readonly physicalBits?: number;
  /** Whether it has pages of 1 GiB (CPUID 0x80000001, edx bit 26): else they are reserved. Default true. */
  readonly gigabytePages?: boolean;
  /** Whether it is AMD's, which reserves bit 8 of a PML4E and PML5E (APM volume 2, 5.3.3). Default false. */
  readonly isAmd?: boolean;
}

/** How addresses are translated (SDM volume 3, 4.1.1). */
export type PagingMode = 'off' | '32-bit' | 'PAE' | '4-level' | '5-level';

export type TableEntryName = 'PML5E' | 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';

// Bits of an entry (SDM volume 3, tables 4-4 to 4-20)
export const P = 1n << 0n;
export const RW = 1n << 1n;
export const US = 1n << 2n;
export const ACCESSED = 1n << 5n;
export const DIRTY = 1n << 6n;
export const PS = 1n << 7n;
export const XD = 1n << 63n;
/** Bits 51 to 12. */
export const ADDRESS = 0xf_ffff_ffff_f000n;
/** Bits 62 to 52, which a PAE entry reserves (tables 4-8 to 4-11). */
const PAE_RESERVED = 0x7ff0_0000_0000_0000n;
/** A PAE PDPTE also reserves bits 1, 2, 5 to 8, and 63 (table 4-8). */
const PAE_PDPTE_RESERVED = PAE_RESERVED | 0x1e6n | XD;
const MOST_PHYSICAL_BITS = 52;
const AMD_RESERVED = 1n << 8n;

export interface Level {
  readonly entry: TableEntryName;
  /** Lowest bit of the linear address that picks the entry; also log2 of what the entry maps. */
  readonly shift: number;
  readonly indexBits: number;
  /** Whether PS makes it map a page: PS elsewhere is reserved ('reserved') or not looked at ('ignored'). */
  readonly ps: 'page' | 'reserved' | 'ignored';
  /** Bits that must be clear, beside those below a large page's address. */
  readonly reserved: bigint;
  /** Whether R/W, U/S and XD of the entry count, and it has an accessed bit (not in a PAE PDPTE). */
  readonly grants: boolean;
}

export interface Paging {
  readonly mode: PagingMode;
  readonly entryBytes: 4 | 8;
  /** The first table's address in CR3. */
  readonly base: bigint;
  readonly levels: readonly Level[];
  /** Bits of a linear address. */
  readonly linearBits: number;
  readonly physicalBits: number;
}

const level = (entry: TableEntryName, shift: number, ps: Level['ps'], change: Partial<Level> = {}): Level => ({
  entry,
  shift,
  indexBits: 9,
  ps,
  reserved: 0n,
  grants: true,
  ...change,
});

const LONG_LEVELS: readonly Level[] = [
  level('PML4E', 39, 'reserved'),
  level('PDPTE', 30, 'page'),
  level('PDE', 21, 'page'),
  level('PTE', 12, 'ignored'),
];
const PAE_LEVELS: readonly Level[] = [
  level('PDPTE', 30, 'ignored', { indexBits: 2, reserved: PAE_PDPTE_RESERVED, grants: false }),
  level('PDE', 21, 'page', { reserved: PAE_RESERVED }),
  level('PTE', 12, 'ignored', { reserved: PAE_RESERVED }),
];

/** How the CPU pages in this state; undefined where it does not. */
export function pagingOf(state: PagingState): Paging | undefined {
  const { cr0, cr3, cr4, efer, physicalBits = MOST_PHYSICAL_BITS } = state;
  if ((cr0 & CR0_PG) === 0n) return undefined;
  if ((efer & EFER_LMA) !== 0n) {
    const isFive = (cr4 & CR4_LA57) !== 0n;
    const levels = longLevels(isFive, state);
    const [mode, linearBits] = isFive ? (['5-level', 57] as const) : (['4-level', 48] as const);
    return { mode, entryBytes: 8, base: cr3 & ADDRESS, levels, linearBits, physicalBits };
  }
  if ((cr4 & CR4_PAE) !== 0n) {
    const levels = strict(PAE_LEVELS, state);
    return { mode: 'PAE', entryBytes: 8, base: cr3 & 0xffff_ffe0n, levels, linearBits: 32, physicalBits };
  }
  const pde = level('PDE', 22, (cr4 & CR4_PSE) === 0n ? 'ignored' : 'page', { indexBits: 10 });
  const levels = [pde, level('PTE', 12, 'ignored', { indexBits: 10 })];
  return { mode: '32-bit', entryBytes: 4, base: cr3 & 0xffff_f000n, levels, linearBits: 32, physicalBits };
}

function longLevels(isFive: boolean, state: PagingState): Level[] {
  const { gigabytePages = true, isAmd = false } = state;
  const levels = isFive ? [level('PML5E', 48, 'reserved'), ...LONG_LEVELS] : LONG_LEVELS;
  return strict(levels, state).map((at) => {
    if (at.entry === 'PDPTE' && !gigabytePages) return { ...at, ps: 'reserved' };
    return at.shift > 30 && isAmd ? { ...at, reserved: at.reserved | AMD_RESERVED } : at;
  });
}

/** With what every entry of 8 bytes reserves on this CPU. */
function strict(levels: readonly Level[], { efer, physicalBits = MOST_PHYSICAL_BITS }: PagingState): Level[] {
  const everywhere = ((efer & EFER_NXE) === 0n ? XD : 0n) | bits(physicalBits, MOST_PHYSICAL_BITS);
  return levels.map((at) => ({ ...at, reserved: at.reserved | everywhere }));
}

/** Bits `from` to `to` - 1. */
const bits = (from: number, to: number): bigint => (from >= to ? 0n : (1n << BigInt(to)) - (1n << BigInt(from)));

/** Whether an entry of this level maps a page, and leads to no further table. */
export const mapsPage = ({ shift, ps }: Level, value: bigint): boolean =>
  shift === 12 || (ps === 'page' && (value & PS) !== 0n);

/** The bits of an entry that must be clear. */
export function reservedBits({ shift, ps, reserved }: Level, isPage: boolean, paging: Paging): bigint {
  if (ps === 'reserved') return reserved | PS;
  if (!isPage || shift === 12) return reserved;
  // Of a large page's address, what is below the page: but for bit 12, its PAT bit. Of 4 MiB pages bit 21, and those
  // of bits 20 to 13, which are bits 39 to 32 of the address, that the CPU has not (PSE-36, table 4-4).
  if (paging.entryBytes === 4) return bits(Math.min(13 + paging.physicalBits - 32, 21), 22);
  return reserved | (((1n << BigInt(shift)) - 1n) & ~0x1fffn);
}

/** The address of the page that an entry maps. */
export function pageBase({ shift }: Level, value: bigint, { entryBytes }: Paging): bigint {
  if (entryBytes === 4 && shift === 22) return (value & 0xffc0_0000n) | (((value >> 13n) & 0xffn) << 32n);
  return value & ADDRESS & ~((1n << BigInt(shift)) - 1n);
}

/** A linear address as the CPU takes it: with the bits above its width as the highest of them. */
export const canonical = ({ linearBits }: Paging, linear: bigint): bigint =>
  linearBits === 32 ? BigInt.asUintN(32, linear) : BigInt.asUintN(64, BigInt.asIntN(linearBits, linear));

/** What the entries on the way to a page allow together; `user`: also to ring 3. */
export interface Rights {
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
}

export const ALL_RIGHTS: Rights = { writable: true, user: true, executable: true };

/** Those that an entry of this level leaves. */
export const rightsBelow = (above: Rights, { grants }: Level, value: bigint): Rights =>
  grants
    ? {
        writable: above.writable && (value & RW) !== 0n,
        user: above.user && (value & US) !== 0n,
        executable: above.executable && (value & XD) === 0n,
      }
    : above;

const FLAG_NAMES: readonly (readonly [bit: bigint, name: string])[] = [
  [P, 'P'],
  [RW, 'R/W'],
  [US, 'U/S'],
  [1n << 3n, 'PWT'],
  [1n << 4n, 'PCD'],
  [ACCESSED, 'A'],
];
const XD_FLAG: readonly [bigint, string] = [XD, 'XD'];
/** Of an entry that maps a page. */
const PAGE_FLAGS: readonly (readonly [bigint, string])[] = [
  [DIRTY, 'D'],
  [1n << 8n, 'G'],
];
/** What a PAE PDPTE has not. */
const RIGHTS: ReadonlySet<string> = new Set(['R/W', 'U/S', 'A', 'XD']);

/** The bits of an entry that are set, by the manual's names. */
export function entryFlags(value: bigint, { shift, ps, grants }: Level, isPage: boolean): string[] {
  const names = [...FLAG_NAMES, ...(isPage ? PAGE_FLAGS : []), XD_FLAG].filter(
    ([, name]) => grants || !RIGHTS.has(name),
  );
  if (shift !== 12 && ps !== 'ignored') names.splice(-1, 0, [PS, 'PS']);
  return names.filter(([bit]) => (value & bit) !== 0n).map(([, name]) => name);
}
