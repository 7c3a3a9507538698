/**
 * A walk of a guest's page tables, as its CPU does it (SDM volume 3, chapter 4), for people who ask why an address
 * does not translate. It reads guest memory and nothing else, changes no accessed or dirty bit, and takes at most five
 * steps. What the tables say is hostile input: every address is checked before it is read.
 */

import {
  ADDRESS,
  ALL_RIGHTS,
  canonical,
  entryFlags,
  mapsPage,
  P,
  type Paging,
  type PagingMode,
  type PagingState,
  pageBase,
  pagingOf,
  type Rights,
  reservedBits,
  rightsBelow,
  type TableEntryName,
} from './paging.js';

/** RAM, as the walk needs it. */
export interface WalkMemory {
  contains(address: number, length: number): boolean;
  read(address: number, to: Uint8Array): void;
}

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
  /** Whether the CPU marks it as accessed where it uses it. */
  readonly hasAccessed: boolean;
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

/**
 * Translates a linear address by the page tables in memory. It looks at the tables only: whether this access to the
 * page is allowed is for who asks (`writable`, `user`, `executable`), or for `accessBy`. Never throws.
 * @param linear of any 64 bits; outside of long mode its low 32 count
 */
export function walkPageTables(memory: WalkMemory, state: PagingState, linear: bigint): PageWalk {
  const paging = pagingOf(state);
  if (paging === undefined) {
    const linearAddress = BigInt.asUintN(32, linear);
    return { linearAddress, mode: 'off', steps: [], result: unpaged(memory, linearAddress) };
  }
  const { mode, linearBits } = paging;
  const linearAddress = BigInt.asUintN(linearBits === 32 ? 32 : 64, linear);
  if (canonical(paging, linearAddress) !== linearAddress) {
    return { linearAddress, mode, steps: [], result: { outcome: 'not-canonical' } };
  }
  const steps: WalkStep[] = [];
  const result = descend(memory, paging, linearAddress, steps);
  return { linearAddress, mode, steps, result };
}

function descend(memory: WalkMemory, paging: Paging, linear: bigint, steps: WalkStep[]): WalkResult {
  let rights = ALL_RIGHTS;
  let table = paging.base;
  for (const at of paging.levels) {
    const index = Number((linear >> BigInt(at.shift)) & ((1n << BigInt(at.indexBits)) - 1n));
    const address = table + BigInt(index * paging.entryBytes);
    const value = readEntry(memory, address, paging.entryBytes);
    const isPage = value !== undefined && mapsPage(at, value);
    steps.push({
      entry: at.entry,
      address,
      index,
      value,
      flags: entryFlags(value ?? 0n, at, isPage),
      hasAccessed: at.grants,
    });
    if (value === undefined) return { outcome: 'table-outside-ram' };
    if ((value & P) === 0n) return { outcome: 'not-present' };
    if ((value & reservedBits(at, isPage, paging)) !== 0n) return { outcome: 'reserved-bit' };
    rights = rightsBelow(rights, at, value);
    if (isPage) return mapped(memory, pageBase(at, value, paging), at.shift, linear, rights);
    table = value & ADDRESS;
  }
  return { outcome: 'not-present' }; // not reached: the last level maps pages
}

function mapped(memory: WalkMemory, base: bigint, shift: number, linear: bigint, rights: Rights): WalkResult {
  const physicalAddress = base | (linear & ((1n << BigInt(shift)) - 1n));
  const inRam = memory.contains(Number(physicalAddress), 1);
  return { outcome: 'mapped', physicalAddress, pageSize: 2 ** shift, inRam, ...rights };
}

function unpaged(memory: WalkMemory, address: bigint): WalkResult {
  const inRam = memory.contains(Number(address), 1);
  return { outcome: 'mapped', physicalAddress: address, pageSize: 0, inRam, ...ALL_RIGHTS };
}

/** Tables are below 2^52: a Number is exact. */
function readEntry(memory: WalkMemory, address: bigint, size: 4 | 8): bigint | undefined {
  const at = Number(address);
  if (!memory.contains(at, size)) return undefined;
  const bytes = new Uint8Array(8);
  memory.read(at, bytes.subarray(0, size));
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
