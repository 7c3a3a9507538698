/**
 * A walk of a guest's page tables, as its CPU does it (SDM volume 3, chapter 4), for people who ask why an address
 * does not translate. It reads guest memory and nothing else, changes no accessed or dirty bit, and takes at most five
 * steps. What the tables say is hostile input: every address is checked before it is read.
 */

import { CR0_PG, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA, EFER_NXE } from '../kvm/x86.js';

/** What the walk depends on: control registers and EFER (SDM volume 3, 2.5 and 2.2.1). */
export interface PagingState {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** RAM, as the walk needs it. */
export interface WalkMemory {
  contains(address: number, length: number): boolean;
  read(address: number, to: Uint8Array): void;
}

/** How addresses are translated (SDM volume 3, 4.1.1). */
export type PagingMode = 'off' | '32-bit' | 'PAE' | '4-level' | '5-level';

export type TableEntryName = 'PML5E' | 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';

/** One entry that the walk read. */
export interface WalkStep {
  readonly entry: TableEntryName;
  /** Guest-physical address of the entry. */
  readonly address: bigint;
  /** Which entry of its table. */
  readonly index: number;
  /** Undefined where the table is not in RAM. */
  readonly value: bigint | undefined;
  /** The bits that are set, by the manual's names: P, R/W, U/S, PWT, PCD, A, D, PS, G, XD. */
  readonly flags: readonly string[];
}

/** How a walk ended. */
export type WalkResult =
  | {
      readonly outcome: 'mapped';
      readonly physicalAddress: bigint;
      /** Bytes of the page: 4096, 2 MiB, 4 MiB or 1 GiB; 0 without paging. */
      readonly pageSize: number;
      readonly inRam: boolean;
      /** What all levels together allow; `user`: also to ring 3. */
      readonly writable: boolean;
      readonly user: boolean;
      readonly executable: boolean;
    }
  /** Bits 63 to 48 (or 57) of the address are not all as the bit below them. */
  | { readonly outcome: 'not-canonical' }
  /** The last step's entry has P clear. */
  | { readonly outcome: 'not-present' }
  /** The last step's entry has a bit set that must be clear. */
  | { readonly outcome: 'reserved-bit' }
  /** The last step's entry would be where no RAM is. */
  | { readonly outcome: 'table-outside-ram' };

export interface PageWalk {
  readonly linearAddress: bigint;
  readonly mode: PagingMode;
  readonly steps: readonly WalkStep[];
  readonly result: WalkResult;
}

// Bits of an entry (SDM volume 3, tables 4-4 to 4-20)
const P = 1n << 0n;
const RW = 1n << 1n;
const US = 1n << 2n;
const PS = 1n << 7n;
const XD = 1n << 63n;
/** Bits 51 to 12. A CPU may have fewer physical address bits; which of these it then reserves is not known here. */
const ADDRESS = 0xf_ffff_ffff_f000n;
/** Bits 62 to 52, which a PAE entry reserves (tables 4-8 to 4-11). */
const PAE_RESERVED = 0x7ff0_0000_0000_0000n;
/** A PAE PDPTE also reserves bits 1, 2, 5 to 8, and 63 (table 4-8). */
const PAE_PDPTE_RESERVED = PAE_RESERVED | 0x1e6n | XD;

const FLAG_NAMES: readonly (readonly [bit: bigint, name: string])[] = [
  [P, 'P'],
  [RW, 'R/W'],
  [US, 'U/S'],
  [1n << 3n, 'PWT'],
  [1n << 4n, 'PCD'],
  [1n << 5n, 'A'],
];
const XD_FLAG: readonly [bigint, string] = [XD, 'XD'];
/** Of an entry that maps a page. */
const PAGE_FLAGS: readonly (readonly [bigint, string])[] = [
  [1n << 6n, 'D'],
  [1n << 8n, 'G'],
];

interface Level {
  readonly entry: TableEntryName;
  /** Lowest bit of the linear address that picks the entry; also log2 of what the entry maps. */
  readonly shift: number;
  readonly indexBits: number;
  /** Whether PS makes it map a page: PS elsewhere is reserved ('reserved') or not looked at ('ignored'). */
  readonly ps: 'page' | 'reserved' | 'ignored';
  /** Bits that must be clear, beside those below a large page's address. */
  readonly reserved: bigint;
  /** Whether R/W, U/S and XD of the entry count (not in a PAE PDPTE). */
  readonly grants: boolean;
}

interface Paging {
  readonly mode: PagingMode;
  readonly entryBytes: 4 | 8;
  /** The first table's address in CR3. */
  readonly base: bigint;
  readonly levels: readonly Level[];
  /** Bits of a linear address. */
  readonly linearBits: number;
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
function pagingOf({ cr0, cr3, cr4, efer }: PagingState): Paging | undefined {
  if ((cr0 & CR0_PG) === 0n) return undefined;
  const isLong = (efer & EFER_LMA) !== 0n;
  const xdReserved = (efer & EFER_NXE) === 0n ? XD : 0n;
  const strict = (levels: readonly Level[]) => levels.map((l) => ({ ...l, reserved: l.reserved | xdReserved }));
  const base = cr3 & ADDRESS;
  if (isLong && (cr4 & CR4_LA57) !== 0n) {
    const levels = strict([level('PML5E', 48, 'reserved'), ...LONG_LEVELS]);
    return { mode: '5-level', entryBytes: 8, base, levels, linearBits: 57 };
  }
  if (isLong) return { mode: '4-level', entryBytes: 8, base, levels: strict(LONG_LEVELS), linearBits: 48 };
  if ((cr4 & CR4_PAE) !== 0n) {
    return { mode: 'PAE', entryBytes: 8, base: cr3 & 0xffff_ffe0n, levels: strict(PAE_LEVELS), linearBits: 32 };
  }
  const pde = level('PDE', 22, (cr4 & CR4_PSE) === 0n ? 'ignored' : 'page', { indexBits: 10 });
  const levels = [pde, level('PTE', 12, 'ignored', { indexBits: 10 })];
  return { mode: '32-bit', entryBytes: 4, base: cr3 & 0xffff_f000n, levels, linearBits: 32 };
}

/**
 * Translates a linear address by the page tables in memory. It looks at the tables only: whether this access to the
 * page is allowed is for who asks (`writable`, `user`, `executable`). Never throws.
 * @param linear of any 64 bits; outside of long mode its low 32 count
 */
export function walkPageTables(memory: WalkMemory, state: PagingState, linear: bigint): PageWalk {
  const paging = pagingOf(state);
  const isLong = (state.efer & EFER_LMA) !== 0n;
  const linearAddress = BigInt.asUintN(isLong ? 64 : 32, linear);
  if (paging === undefined) return { linearAddress, mode: 'off', steps: [], result: unpaged(memory, linearAddress) };
  const { mode, linearBits } = paging;
  if (isLong && BigInt.asUintN(64, BigInt.asIntN(linearBits, linearAddress)) !== linearAddress) {
    return { linearAddress, mode, steps: [], result: { outcome: 'not-canonical' } };
  }
  const steps: WalkStep[] = [];
  const result = descend(memory, paging, linearAddress, steps);
  return { linearAddress, mode, steps, result };
}

function descend(memory: WalkMemory, paging: Paging, linear: bigint, steps: WalkStep[]): WalkResult {
  const rights = { writable: true, user: true, executable: true };
  let table = paging.base;
  for (const at of paging.levels) {
    const index = Number((linear >> BigInt(at.shift)) & ((1n << BigInt(at.indexBits)) - 1n));
    const address = table + BigInt(index * paging.entryBytes);
    const value = readEntry(memory, address, paging.entryBytes);
    const isPage = value !== undefined && mapsPage(at, value);
    steps.push({ entry: at.entry, address, index, value, flags: flagsOf(value ?? 0n, at, isPage) });
    if (value === undefined) return { outcome: 'table-outside-ram' };
    if ((value & P) === 0n) return { outcome: 'not-present' };
    if ((value & reservedBits(at, isPage, paging)) !== 0n) return { outcome: 'reserved-bit' };
    if (at.grants) {
      rights.writable &&= (value & RW) !== 0n;
      rights.user &&= (value & US) !== 0n;
      rights.executable &&= (value & XD) === 0n;
    }
    if (isPage) return mapped(memory, pageBase(at, value, paging), at.shift, linear, rights);
    table = value & ADDRESS;
  }
  return { outcome: 'not-present' }; // not reached: the last level maps pages
}

const mapsPage = ({ shift, ps }: Level, value: bigint): boolean =>
  shift === 12 || (ps === 'page' && (value & PS) !== 0n);

function reservedBits({ shift, ps, reserved }: Level, isPage: boolean, { entryBytes }: Paging): bigint {
  if (ps === 'reserved') return reserved | PS;
  if (!isPage || shift === 12) return reserved;
  // Of a large page's address, what is below the page: but for bit 12, its PAT bit. Of 4 MiB pages only bit 21:
  // bits 20 to 13 are bits 39 to 32 of the address (PSE-36, table 4-4).
  if (entryBytes === 4) return 1n << 21n;
  return reserved | (((1n << BigInt(shift)) - 1n) & ~0x1fffn);
}

function pageBase({ shift }: Level, value: bigint, { entryBytes }: Paging): bigint {
  if (entryBytes === 4 && shift === 22) return (value & 0xffc0_0000n) | (((value >> 13n) & 0xffn) << 32n);
  return value & ADDRESS & ~((1n << BigInt(shift)) - 1n);
}

interface Rights {
  writable: boolean;
  user: boolean;
  executable: boolean;
}

function mapped(memory: WalkMemory, base: bigint, shift: number, linear: bigint, rights: Rights): WalkResult {
  const physicalAddress = base | (linear & ((1n << BigInt(shift)) - 1n));
  const inRam = memory.contains(Number(physicalAddress), 1);
  return { outcome: 'mapped', physicalAddress, pageSize: 2 ** shift, inRam, ...rights };
}

function unpaged(memory: WalkMemory, address: bigint): WalkResult {
  const inRam = memory.contains(Number(address), 1);
  return {
    outcome: 'mapped',
    physicalAddress: address,
    pageSize: 0,
    inRam,
    writable: true,
    user: true,
    executable: true,
  };
}

/** Tables are below 2^52: a Number is exact. */
function readEntry(memory: WalkMemory, address: bigint, size: 4 | 8): bigint | undefined {
  const at = Number(address);
  if (!memory.contains(at, size)) return undefined;
  const bytes = new Uint8Array(8);
  memory.read(at, bytes.subarray(0, size));
  return new DataView(bytes.buffer).getBigUint64(0, true);
}

function flagsOf(value: bigint, { shift, ps, grants }: Level, isPage: boolean): string[] {
  const names = [...FLAG_NAMES, ...(isPage ? PAGE_FLAGS : []), XD_FLAG].filter(
    ([, name]) => grants || !RIGHTS.has(name),
  );
  if (shift !== 12 && ps !== 'ignored') names.splice(-1, 0, [PS, 'PS']);
  return names.filter(([bit]) => (value & bit) !== 0n).map(([, name]) => name);
}

const RIGHTS: ReadonlySet<string> = new Set(['R/W', 'U/S', 'A', 'XD']);
