import assert from 'node:assert/strict';
import { withFlatGuest } from '../../../dist/bench/flat-guest.js';
import type { Vcpu } from '../../../dist/kvm/vcpu.js';
import { pagingStateOf } from '../../../dist/machine/paging-state.js';
import { accessBy } from '../../../dist/memory/access.js';
import type { GuestMemory } from '../../../dist/memory/guest-memory.js';
import { walkPageTables } from '../../../dist/memory/walk.js';
import type { Case, CaseContext } from '../case.js';
import { isLong, isRefused } from '../paging-modes.js';
import { fillTables, Random, randomLinear, registersOf, TABLE_MODES, type TableMode } from '../random-tables.js';

const RAM_BYTES = 4 << 20;
const TABLES = { start: 0x200000, pages: 64 };
const ALL_RAM = { start: 0, pages: RAM_BYTES / 4096 };
const ADDRESSES = 2500;

function translateAll(mode: TableMode, vcpu: Vcpu, memory: GuestMemory, { log, module }: CaseContext): void {
  if (isRefused(mode, vcpu, module)) return;
  const random = new Random(0x2545f491);
  const sregs = vcpu.getSregs();
  const registers = registersOf(mode, TABLES.start);
  const paged = { ...sregs, ...registers, cr0: sregs.cr0 | registers.cr0 };
  const state = pagingStateOf(paged, vcpu.getCpuid2());
  const bytes = new Uint8Array(RAM_BYTES);
  fillTables(bytes, { random, state, tables: TABLES, data: ALL_RAM, strays: true });
  memory.write(TABLES.start, bytes.subarray(TABLES.start, TABLES.start + 4096 * TABLES.pages));
  vcpu.setSregs(paged);
  if (module === 'kvm_pvm' && !isLong(mode)) {
    // It takes these modes' addresses for physical ones.
    assert.equal(vcpu.translate(0x1234567n).physicalAddress, 0x1234567n);
    return;
  }

  const seen: Record<string, number> = {};
  for (let i = 0; i < ADDRESSES; i++) {
    const linear = randomLinear(random, state);
    const walk = walkPageTables(memory, state, linear);
    const read = accessBy(walk, state, { kind: 'read', user: false });
    const { valid, physicalAddress } = vcpu.translate(linear);
    const { result } = walk;
    const what = result.outcome === 'mapped' ? `${result.pageSize}` : `${result.outcome} ${walk.steps.at(-1)?.entry}`;
    seen[what] = (seen[what] ?? 0) + 1;
    const at = `${mode}, 0x${linear.toString(16)}: ${what}`;
    const own = result.outcome === 'mapped' ? result.physicalAddress : undefined;
    assert.equal(own, valid === 0 ? undefined : physicalAddress, at);
    // KVM has marked the entries as accessed, as the CPU would have.
    const after = walkPageTables(memory, state, linear);
    const marked = after.steps.filter(({ value }, step) => value !== walk.steps[step]?.value);
    const expected = read.outcome === 'allowed' ? read.updates.map(({ address }) => address) : [];
    assert.deepEqual([...new Set(marked.map(({ address }) => address))], [...new Set(expected)], at);
  }
  log(`${mode}: ${JSON.stringify(seen)}`);
  const outcomes = new Set(Object.keys(seen).map((what) => what.split(' ')[0]));
  for (const one of ['4096', 'not-present', 'table-outside-ram']) assert.ok(outcomes.has(one), `${mode}: no ${one}`);
  if (mode !== '32-bit without PSE') assert.ok(outcomes.has('reserved-bit'), `${mode}: no reserved-bit`);
}

export const cases: readonly Case[] = TABLE_MODES.map((mode) => ({
  name: `the walk of ${ADDRESSES} addresses by random tables agrees with KVM_TRANSLATE: ${mode} paging`,
  timeoutS: 60,
  async run(context) {
    const start = isLong(mode) ? 'long' : 'protected';
    withFlatGuest(start, [0xf4], (vcpu, memory) => translateAll(mode, vcpu, memory, context));
  },
}));
