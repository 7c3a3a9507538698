import { describe, expect, it } from 'vitest';
import { makeDecoder } from '../../../../src/kvm/trace-events.js';
import { parseFormat } from '../../../../src/kvm/trace-format.js';
import { faultOf, SecondLevelTables } from '../../../../src/trace/memory/second-level.js';
import { formatText, record } from '../../kvm/trace-pages.js';

const PRESENT = 1n << 11n;
const LARGE = 1n << 7n;
const entry = (level: number, gfn: bigint, value: bigint, space = 0) => ({ level, gfn, value, space });

/** Four levels over the first 2 MiB, then a page of 2 MiB. */
function tables(): SecondLevelTables {
  const all = new SecondLevelTables();
  all.take(entry(4, 0n, 0x10000n | PRESENT));
  all.take(entry(3, 0n, 0x20000n | PRESENT));
  all.take(entry(2, 0n, 0x30000n | PRESENT));
  all.take(entry(1, 5n, 0x55000n | PRESENT));
  all.take(entry(2, 512n, 0x40_0000n | PRESENT | LARGE));
  return all;
}

describe('SecondLevelTables', () => {
  it('walks by the entries that events told of, and knows where each is but for the first', () => {
    expect(tables().walk(0x5123n)).toEqual({
      guestPhysical: 0x5123n,
      entries: [
        { level: 4, index: 0, value: 0x10800n, address: undefined },
        { level: 3, index: 0, value: 0x20800n, address: 0x10000n },
        { level: 2, index: 0, value: 0x30800n, address: 0x20000n },
        { level: 1, index: 5, value: 0x55800n, address: 0x30028n },
      ],
      isKnown: true,
      hostPhysical: 0x55123n,
      pageSize: 4096,
    });
  });

  it('ends at a large page', () => {
    const { entries, hostPhysical, pageSize } = tables().walk(0x2a_bcden);
    expect([entries.length, hostPhysical, pageSize]).toEqual([3, 0x4a_bcden, 2 << 20]);
  });

  it('is a model of four levels where an entry is not known', () => {
    const { entries, isKnown, hostPhysical } = tables().walk(0x6000n);
    expect([entries.length, isKnown, hostPhysical]).toEqual([4, false, undefined]);
    expect(entries.at(-1)).toMatchObject({ level: 1, index: 6, value: undefined });
    // An entry without those above it.
    const some = new SecondLevelTables();
    some.take(entry(1, 5n, 0x55000n | PRESENT));
    expect(some.walk(0x5000n).isKnown).toBe(false);
  });

  it('forgets what KVM has taken away, and leaves out the tables of SMM', () => {
    const all = tables();
    expect(Object.fromEntries(all.pages)).toEqual({ 4096: 1, [2 << 20]: 1 });
    all.take(entry(1, 5n, 0x5a0n)); // removed (Linux, spte.h, REMOVED_SPTE)
    all.take(entry(1, 6n, 0x66000n | PRESENT, 1));
    expect(Object.fromEntries(all.pages)).toEqual({ [2 << 20]: 1 });
  });

  it('has a fifth level where KVM has one', () => {
    const all = tables();
    all.take(entry(5, 0n, 0x90000n | PRESENT));
    const { entries, isKnown } = all.walk(0x5000n);
    expect([entries.map(({ level }) => level), isKnown]).toEqual([[5, 4, 3, 2, 1], true]);
  });
});

describe('faultOf', () => {
  const event = (errorCode: bigint) =>
    ({ name: 'kvm_page_fault', tid: 1, tsc: 0, address: 0x1000n, errorCode, rip: 0x2000n }) as const;
  // Seen on svm and vtx: the boot's first instruction, a guest's first writes.
  it.each([
    ['kvm_amd', 0x1_0000_0014n, 'fetch', false],
    ['kvm_amd', 0x1_0000_0006n, 'write', false],
    ['kvm_amd', 0x2_0000_0006n, 'write', true],
    ['kvm_intel', 0x184n, 'fetch', false],
    ['kvm_intel', 0x182n, 'write', false],
    ['kvm_intel', 0x181n, 'read', false],
    ['kvm_intel', 0x83n, 'write', true],
  ] as const)('%s 0x%s: %s', (flavour, code, kind, table) => {
    expect(faultOf(event(code), flavour)).toMatchObject({ kind, table, guestPhysical: 0x1000n, rip: 0x2000n });
  });
});

describe('the event of an entry', () => {
  it('is decoded by the kernel’s format file', () => {
    // As Linux 6.1 has it.
    const format = formatText({
      name: 'kvm_tdp_mmu_spte_changed',
      id: 9,
      fields: ['u64 gfn 8 8 0', 'u64 old_spte 16 8 0', 'u64 new_spte 24 8 0', 'u8 level 32 1 0', 'u8 as_id 33 1 0'],
      print: '""',
    });
    const bytes = record(format, { common_pid: 7, gfn: 0x105, old_spte: 0, new_spte: 0x12345907, level: 2, as_id: 1 });
    const { decode } = makeDecoder('kvm_tdp_mmu_spte_changed', parseFormat(format));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    expect(decode(view, 0, 55)).toEqual({
      name: 'kvm_tdp_mmu_spte_changed',
      tid: 7,
      tsc: 55,
      gfn: 0x105n,
      level: 2,
      value: 0x12345907n,
      space: 1,
    });
  });
});
