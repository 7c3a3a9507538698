import assert from 'node:assert/strict';
import { withFlatGuest } from '../../../dist/bench/flat-guest.js';
import type { Vcpu } from '../../../dist/kvm/vcpu.js';
import { CR0_WP, CR4_SMAP, CR4_SMEP, EFER_NXE, RFLAGS_AC } from '../../../dist/kvm/x86.js';
import { pagingStateOf } from '../../../dist/machine/paging-state.js';
import { type Access, accessBy, type FlagUpdate, PF_PROTECTION } from '../../../dist/memory/access.js';
import type { GuestMemory } from '../../../dist/memory/guest-memory.js';
import { P, type PagingState, RW, US } from '../../../dist/memory/paging.js';
import { type WalkStep, walkPageTables } from '../../../dist/memory/walk.js';
import { AccessGuest } from '../access-guest.js';
import type { Case, CaseContext } from '../case.js';
import type { Flavour } from '../flavour.js';
import { featuresOf, isLong, isRefused } from '../paging-modes.js';
import { fillTables, Random, randomLinear, registersOf, TABLE_MODES, type TableMode } from '../random-tables.js';

const RAM_BYTES = 4 << 20;
const TABLES = { start: 0x200000, pages: 64 };
const DATA = { start: 0x300000, pages: 256 };
const DATA_END = BigInt(RAM_BYTES);
/** States of the control registers, and accesses in each. */
const STATES = 40;
const ACCESSES = 25;
/** G: of no account here, and QEMU's AMD lacks what AMD's manual says of it in a PML4E. */
const BIT_8 = 1n << 8n;

function tryAll(mode: TableMode, vcpu: Vcpu, memory: GuestMemory, { log, flavour, module }: CaseContext): void {
  if (isRefused(mode, vcpu, module)) return;
  const random = new Random(0x9e3779b9);
  const sregs = vcpu.getSregs();
  const registers = registersOf(mode, TABLES.start);
  const base = pagingStateOf({ ...sregs, ...registers, cr0: sregs.cr0 | registers.cr0 }, vcpu.getCpuid2());
  const bytes = new Uint8Array(RAM_BYTES);
  fillTables(bytes, {
    random,
    state: base,
    tables: TABLES,
    data: DATA,
    strays: false,
    clear: BIT_8,
    favour: P | RW | US,
  });
  memory.write(TABLES.start, bytes.subarray(TABLES.start, TABLES.start + 4096 * TABLES.pages));
  const guest = new AccessGuest(vcpu, memory, base, DATA);
  const { smep, smap } = featuresOf(vcpu);

  const seen: Record<string, number> = {};
  for (let i = 0; i < STATES; i++) {
    const flip = (bit: bigint, may = true): bigint => (may && random.chance(50) ? bit : 0n);
    const state: PagingState = {
      ...base,
      cr0: base.cr0 | flip(CR0_WP),
      cr4: base.cr4 | flip(CR4_SMEP, smep) | flip(CR4_SMAP, smap),
      efer: (base.efer & ~EFER_NXE) | flip(EFER_NXE, mode === 'PAE' || isLong(mode)),
    };
    const user = random.chance(50);
    guest.enter(sregs, state, user);
    for (let j = 0; j < ACCESSES; j++) {
      const kind = (['read', 'write', 'fetch'] as const)[random.below(3)] ?? 'read';
      const what = tryOne({ guest, memory, random, state, flavour }, { kind, user });
      seen[what] = (seen[what] ?? 0) + 1;
    }
  }
  log(`${mode}: ${JSON.stringify(seen)}`);
  const wanted = ['accessed', 'not-present', 'supervisor-page', 'read-only'];
  if (mode === 'PAE' || isLong(mode)) wanted.push('execute-disable', 'reserved-bit');
  if (smep) wanted.push('smep');
  if (smap) wanted.push('smap');
  for (const one of wanted) assert.ok(seen[one], `${mode}: no ${one}: ${JSON.stringify(seen)}`);
}

interface Trial {
  readonly guest: AccessGuest;
  readonly memory: GuestMemory;
  readonly random: Random;
  readonly state: PagingState;
  readonly flavour: Flavour;
}

/** Makes one access in the guest, and holds what comes of it against the walk's word. Returns what it was. */
function tryOne({ guest, memory, random, state, flavour }: Trial, access: Access): string {
  let linear = randomLinear(random, state) & ~1n;
  // Into the part of a large page where data is.
  if (random.chance(40)) linear = (linear & ~0x3fff_ffffn) | BigInt(DATA.start + 2 * random.below(2048 * DATA.pages));
  const rflags = random.chance(50) ? RFLAGS_AC : 0n;
  const walk = walkPageTables(memory, state, linear);
  const expected = accessBy(walk, { ...state, rflags }, access);
  const { result } = walk;
  if (expected.outcome === 'allowed' && result.outcome === 'mapped') {
    // Elsewhere are the tables and the guest itself.
    if (result.physicalAddress < BigInt(DATA.start) || result.physicalAddress >= DATA_END) return 'left out';
  }
  const at = `${access.user ? 'ring 3' : 'ring 0'} ${access.kind} 0x${linear.toString(16)}, ${JSON.stringify(walk, text)}`;
  const got = guest.try(access, linear, rflags);
  if (expected.outcome === 'page-fault') {
    const { reason } = expected;
    // QEMU's AMD clears P where a bit is reserved; a CPU sets it, since the entry was there.
    const isQemus = flavour === 'svm' && reason === 'reserved-bit';
    const errorCode = isQemus ? expected.errorCode & ~PF_PROTECTION : expected.errorCode;
    assert.deepEqual(got, { outcome: 'page-fault', errorCode, address: linear }, at);
    return reason;
  }
  assert.equal(got.outcome, expected.outcome, at);
  if (expected.outcome !== 'allowed') return expected.outcome;
  const after = walkPageTables(memory, state, linear);
  const { updates } = expected;
  const marked = ({ hasAccessed }: WalkStep): boolean => hasAccessed;
  const values = after.steps.filter(marked).map(({ value }) => value);
  const wanted = walk.steps.filter(marked).map((step) => withUpdates(step, updates));
  assert.deepEqual(values, wanted, at);
  return updates.length > 0 ? 'accessed' : 'allowed';
}

const withUpdates = ({ address, value = 0n }: WalkStep, updates: readonly FlagUpdate[]): bigint =>
  updates.reduce((bits, update) => (update.address === address ? bits | update.sets : bits), value);

const text = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value);

export const cases: readonly Case[] = [
  ...TABLE_MODES.map(
    (mode): Case => ({
      name: `page faults of a guest have the error codes that the walk foretells, and accesses set its bits: ${mode} paging`,
      // kvm_pvm runs no such guest: it has no IRET to ring 3 of its own, and no paging outside of long mode.
      flavours: ['svm', 'vtx'],
      timeoutS: 120,
      async run(context) {
        const start = isLong(mode) ? 'long' : 'protected';
        withFlatGuest(start, [0xf4], (vcpu, memory) => tryAll(mode, vcpu, memory, context));
      },
    }),
  ),
];
