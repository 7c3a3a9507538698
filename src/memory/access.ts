/**
 * Whether an access to a linear address is allowed, what its page fault says where not, and which accessed and dirty
 * bits it sets where so (SDM volume 3, 4.6 to 4.8). Protection keys and shadow stacks are left out.
 */
import { CR0_WP, CR4_PAE, CR4_SMAP, CR4_SMEP, EFER_NXE, RFLAGS_AC } from '../kvm/x86.js';
import { ACCESSED, DIRTY, type PagingState, type TableEntryName } from './paging.js';
import type { PageWalk, WalkResult } from './walk.js';

export interface Access {
  readonly kind: 'read' | 'write' | 'fetch';
  /** Whether it is of ring 3. */
  readonly user: boolean;
}

/** `rflags` with AC set lets ring 0 read and write pages of ring 3 under SMAP. */
export type AccessState = Pick<PagingState, 'cr0' | 'cr4' | 'efer'> & { readonly rflags?: bigint };

/** Why an access makes a page fault. */
export type FaultReason =
  | 'not-present'
  | 'reserved-bit'
  | 'supervisor-page'
  /** Of ring 3; of ring 0 because of CR0.WP. */
  | 'read-only'
  | 'execute-disable'
  /** Ring 0 runs no code of ring 3's pages: CR4.SMEP. */
  | 'smep'
  /** Ring 0 touches no data of ring 3's pages: CR4.SMAP. */
  | 'smap';

/** An entry in which the CPU sets bits. */
export interface FlagUpdate {
  readonly entry: TableEntryName;
  /** Guest-physical address of the entry. */
  readonly address: bigint;
  /** Bits that are clear and that it sets. */
  readonly sets: bigint;
}

export type AccessResult =
  | { readonly outcome: 'allowed'; readonly updates: readonly FlagUpdate[] }
  | { readonly outcome: 'page-fault'; readonly reason: FaultReason; readonly errorCode: number }
  /** Not canonical: a general-protection exception, or a stack fault of a push. */
  | { readonly outcome: 'general-protection' }
  /** A table is where no RAM is: what the CPU reads there is for whoever answers. */
  | { readonly outcome: 'unknown' };

// The error code of a page fault (SDM volume 3, 4.7)
export const PF_PROTECTION = 1 << 0;
export const PF_WRITE = 1 << 1;
export const PF_USER = 1 << 2;
export const PF_RESERVED = 1 << 3;
export const PF_FETCH = 1 << 4;

/** What becomes of an access by the tables that `walk` has read in this state. */
export function accessBy({ steps, result }: PageWalk, state: AccessState, access: Access): AccessResult {
  if (result.outcome === 'not-canonical') return { outcome: 'general-protection' };
  if (result.outcome === 'table-outside-ram') return { outcome: 'unknown' };
  const reason = faultReason(result, state, access);
  if (reason !== undefined) return { outcome: 'page-fault', reason, errorCode: errorCodeOf(reason, state, access) };
  const updates: FlagUpdate[] = [];
  for (const [i, { entry, address, value = 0n, hasAccessed }] of steps.entries()) {
    const wanted = i === steps.length - 1 && access.kind === 'write' ? ACCESSED | DIRTY : ACCESSED;
    const sets = hasAccessed ? wanted & ~value : 0n;
    if (sets !== 0n) updates.push({ entry, address, sets });
  }
  return { outcome: 'allowed', updates };
}

type Tabled = Extract<WalkResult, { outcome: 'mapped' | 'not-present' | 'reserved-bit' }>;

function faultReason(result: Tabled, state: AccessState, { kind, user }: Access): FaultReason | undefined {
  if (result.outcome !== 'mapped') return result.outcome;
  if (result.pageSize === 0) return undefined;
  const has = (register: bigint, bit: bigint): boolean => (register & bit) !== 0n;
  if (user && !result.user) return 'supervisor-page';
  if (kind === 'fetch') {
    if (!user && result.user && has(state.cr4, CR4_SMEP)) return 'smep';
    return result.executable ? undefined : 'execute-disable';
  }
  if (!user && result.user && has(state.cr4, CR4_SMAP) && !has(state.rflags ?? 0n, RFLAGS_AC)) return 'smap';
  if (kind === 'write' && !result.writable && (user || has(state.cr0, CR0_WP))) return 'read-only';
  return undefined;
}

function errorCodeOf(reason: FaultReason, { cr4, efer }: AccessState, { kind, user }: Access): number {
  const tellsFetches = (cr4 & CR4_SMEP) !== 0n || ((cr4 & CR4_PAE) !== 0n && (efer & EFER_NXE) !== 0n);
  return (
    (reason === 'not-present' ? 0 : PF_PROTECTION) |
    (kind === 'write' ? PF_WRITE : 0) |
    (user ? PF_USER : 0) |
    (reason === 'reserved-bit' ? PF_RESERVED : 0) |
    (kind === 'fetch' && tellsFetches ? PF_FETCH : 0)
  );
}
