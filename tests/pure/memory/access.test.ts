import { describe, expect, it } from 'vitest';
import { type Access, type AccessState, accessBy } from '../../../src/memory/access.js';
import type { PageWalk, WalkResult, WalkStep } from '../../../src/memory/walk.js';

const WP = 1n << 16n;
const PAE = 1n << 5n;
const SMEP = 1n << 20n;
const SMAP = 1n << 21n;
const NXE = 1n << 11n;
const AC = 1n << 18n;

const PLAIN: AccessState = { cr0: 0n, cr4: PAE, efer: 0n };
const step = (value: bigint, hasAccessed = true): WalkStep => ({
  entry: 'PTE',
  address: 0x1000n + value,
  index: 0,
  value,
  flags: [],
  hasAccessed,
});
const walkTo = (result: WalkResult, steps: readonly WalkStep[] = []): PageWalk => ({
  linearAddress: 0n,
  mode: '4-level',
  steps,
  result,
});
const page = (rights: { writable?: boolean; user?: boolean; executable?: boolean }): PageWalk =>
  walkTo({
    outcome: 'mapped',
    physicalAddress: 0n,
    pageSize: 4096,
    inRam: true,
    writable: true,
    user: true,
    executable: true,
    ...rights,
  });
const access = (text: string): Access => {
  const [who, kind] = text.split(' ');
  return { user: who === 'user', kind: kind as Access['kind'] };
};

describe('accessBy', () => {
  // The manual's rules one by one (SDM volume 3, 4.6.1); bits of the code: P W U R I.
  it.each<[string, PageWalk, Partial<AccessState>, string, number]>([
    ['supervisor-page', page({ user: false }), {}, 'user read', 0b00101],
    ['supervisor-page', page({ user: false }), {}, 'user write', 0b00111],
    ['supervisor-page', page({ user: false }), { efer: NXE }, 'user fetch', 0b10101],
    ['read-only', page({ writable: false }), {}, 'user write', 0b00111],
    ['read-only', page({ writable: false }), { cr0: WP }, 'supervisor write', 0b00011],
    ['execute-disable', page({ executable: false }), { efer: NXE }, 'user fetch', 0b10101],
    ['execute-disable', page({ executable: false }), { efer: NXE }, 'supervisor fetch', 0b10001],
    ['smep', page({}), { cr4: SMEP }, 'supervisor fetch', 0b10001],
    ['smap', page({}), { cr4: SMAP }, 'supervisor read', 0b00001],
    ['smap', page({}), { cr4: SMAP }, 'supervisor write', 0b00011],
    ['not-present', walkTo({ outcome: 'not-present' }), {}, 'supervisor read', 0],
    ['not-present', walkTo({ outcome: 'not-present' }), { efer: NXE, cr4: 0n }, 'user fetch', 0b00100],
    ['not-present', walkTo({ outcome: 'not-present' }), { efer: NXE }, 'user fetch', 0b10100],
    ['reserved-bit', walkTo({ outcome: 'reserved-bit' }), {}, 'user write', 0b01111],
  ])('faults: %s', (reason, walk, state, text, errorCode) => {
    expect(accessBy(walk, { ...PLAIN, ...state }, access(text))).toEqual({ outcome: 'page-fault', reason, errorCode });
  });

  it.each<[string, PageWalk, Partial<AccessState>]>([
    ['user read', page({ writable: false }), { cr0: WP }],
    ['supervisor write', page({ writable: false }), {}],
    ['supervisor write', page({}), { cr4: SMAP, rflags: AC }],
    ['supervisor fetch', page({}), { cr4: SMAP }],
    ['supervisor fetch', page({ user: false }), { cr4: SMEP }],
    ['user fetch', page({}), { cr4: SMEP | SMAP }],
  ])('allows: %s', (text, walk, state) => {
    expect(accessBy(walk, { ...PLAIN, ...state }, access(text))).toEqual({ outcome: 'allowed', updates: [] });
  });

  it('says which accessed and dirty bits the access sets', () => {
    const { result } = page({});
    const steps = [step(1n, false), step(1n), step(0x21n), step(0x21n)];
    const sets = (kind: string, given = steps) => {
      const got = accessBy(walkTo(result, given), PLAIN, access(kind));
      return got.outcome === 'allowed' ? got.updates.map((update) => update.sets) : undefined;
    };
    expect(sets('user read')).toEqual([0x20n]);
    expect(sets('user write')).toEqual([0x20n, 0x40n]);
    expect(sets('user write', [step(1n)])).toEqual([0x60n]);
    expect(sets('user write', [step(0x61n)])).toEqual([]);
  });

  it('knows no page fault of an address that is not canonical, or whose table is nowhere', () => {
    const of = (result: WalkResult) => accessBy(walkTo(result), PLAIN, access('user read'));
    expect(of({ outcome: 'not-canonical' })).toEqual({ outcome: 'general-protection' });
    expect(of({ outcome: 'table-outside-ram' })).toEqual({ outcome: 'unknown' });
  });

  it('allows all without paging', () => {
    const off = { ...page({ writable: false }).result, pageSize: 0 } as WalkResult;
    expect(accessBy(walkTo(off), { ...PLAIN, cr0: WP }, access('supervisor write')).outcome).toBe('allowed');
  });
});
