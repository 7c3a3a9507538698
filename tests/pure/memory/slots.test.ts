import { describe, expect, it } from 'vitest';
import type { MemoryRegion } from '../../../src/kvm/vm.js';
import { KVM_TSS_BASE, LOCAL_APIC_BASE, MIB } from '../../../src/memory/map.js';
import { KVM_PRIVATE_RANGES, type SlotRequest, Slots } from '../../../src/memory/slots.js';

const PAGE = 4096;
const LOG = 1;
const READONLY = 2;
/** KVM's, as it would answer. */
interface Asked extends Omit<MemoryRegion, 'view'> {
  readonly memorySize: number;
}

function makeSlots({ slots = 8, refuses = () => false }: { slots?: number; refuses?: (asked: Asked) => boolean } = {}) {
  const asked: Asked[] = [];
  const vm = {
    setUserMemoryRegion: ({ view, memorySize = view?.length ?? 0, ...region }: MemoryRegion) => {
      const one = { ...region, memorySize };
      if (refuses(one)) throw new Error('refused by KVM');
      asked.push(one);
    },
  };
  return { table: new Slots(vm, { slots, addressBits: 40, reserved: KVM_PRIVATE_RANGES }), asked };
}

const request = (start: number, size = PAGE, more: Partial<SlotRequest> = {}): SlotRequest => ({
  start,
  size,
  buffer: new SharedArrayBuffer(Math.max(size, 0)),
  offset: 0,
  what: 'extra',
  ...more,
});

const places = (table: Slots) => table.list.map(({ slot, start, size }) => [slot, start, size]);

describe('the slots of a VM', () => {
  it('are listed by address, with what they are', () => {
    const { table, asked } = makeSlots();
    table.add(request(4 * MIB, PAGE, { what: 'rom', readOnly: true }));
    table.add(request(0, 2 * MIB, { what: 'ram', logDirty: true }));
    expect(table.list.map(({ slot, what, readOnly, logDirty }) => ({ slot, what, readOnly, logDirty }))).toEqual([
      { slot: 1, what: 'ram', readOnly: false, logDirty: true },
      { slot: 0, what: 'rom', readOnly: true, logDirty: false },
    ]);
    expect(asked.map(({ flags }) => flags)).toEqual([READONLY, LOG]);
  });

  it('take the lowest number that is free', () => {
    const { table } = makeSlots();
    for (const start of [0, PAGE, 2 * PAGE]) table.add(request(start));
    table.delete(1);
    expect(table.add(request(8 * PAGE)).slot).toBe(1);
  });

  it('move and change their log by one call, and are replaced by two', () => {
    const { table, asked } = makeSlots();
    table.add(request(0));
    asked.length = 0;
    table.move(0, MIB);
    table.setLogDirty(0, true);
    table.replace(0, { readOnly: true });
    expect(asked).toEqual([
      { slot: 0, flags: 0, guestPhysAddr: MIB, memorySize: PAGE },
      { slot: 0, flags: LOG, guestPhysAddr: MIB, memorySize: PAGE },
      { slot: 0, guestPhysAddr: MIB, memorySize: 0 },
      { slot: 0, flags: LOG | READONLY, guestPhysAddr: MIB, memorySize: PAGE },
    ]);
  });

  it('may move by less than their size, over themselves', () => {
    const { table } = makeSlots();
    table.add(request(0, 4 * PAGE));
    expect(table.move(0, PAGE).start).toBe(PAGE);
  });

  it('are as they were where KVM refuses', () => {
    const { table, asked } = makeSlots({ refuses: ({ flags }) => flags === READONLY });
    table.add(request(0));
    expect(() => table.replace(0, { readOnly: true })).toThrow('refused by KVM');
    expect(asked.map(({ memorySize }) => memorySize)).toEqual([PAGE, 0, PAGE]);
    expect(places(table)).toEqual([[0, 0, PAGE]]);
    expect(() => table.add(request(MIB, PAGE, { readOnly: true }))).toThrow('refused by KVM');
    expect(places(table)).toEqual([[0, 0, PAGE]]);
  });
});

describe('refused before KVM is asked', () => {
  const cases: readonly [string, SlotRequest, RegExp][] = [
    ['an unaligned address', request(PAGE / 2), /0x800 \+ 0x1000: address and size are not both multiples of 4096/],
    ['an unaligned size', request(MIB, PAGE + 1), /multiples of 4096/],
    ['no size', request(MIB, 0), /the size is 0/],
    ['a negative size', request(MIB, -PAGE), /multiples of 4096/],
    ['an address that is no number', request(Number.NaN), /multiples of 4096/],
    ['an address beyond 2^53', request(2 ** 54), /multiples of 4096/],
    ['an end beyond the address space', request(2 ** 40 - PAGE, 2 * PAGE), /ends beyond the guest-physical/],
    ['memory that is too short', request(MIB, 2 * PAGE, { buffer: new SharedArrayBuffer(PAGE) }), /too short/],
    [
      'memory at no page',
      request(MIB, PAGE, { buffer: new SharedArrayBuffer(2 * PAGE), offset: 8 }),
      /not page-aligned/,
    ],
    ['an overlap with a slot', request(PAGE, 2 * PAGE), /it overlaps slot 0, 0x0 \+ 0x2000/],
    ["an overlap with KVM's own", request(KVM_TSS_BASE + PAGE), /overlaps KVM's TSS, 0xfeffd000/],
    ['an overlap with the local APIC', request(LOCAL_APIC_BASE - PAGE, 2 * PAGE), /overlaps the local APIC/],
  ];

  it.each(cases)('%s', (_, wanted, message) => {
    const { table, asked } = makeSlots();
    table.add(request(0, 2 * PAGE));
    expect(() => table.add(wanted)).toThrow(expect.objectContaining({ code: 'SLOT_INVALID' }));
    expect(() => table.add(wanted)).toThrow(message);
    expect(asked.length).toBe(1);
  });

  it('more slots than KVM has', () => {
    const { table, asked } = makeSlots({ slots: 2 });
    table.add(request(0));
    table.add(request(PAGE));
    expect(() => table.add(request(2 * PAGE))).toThrow('at most 2 memory slots, and all are in use');
    expect(asked.length).toBe(2);
  });

  it('a move onto another slot, and any change of one that is not there', () => {
    const { table, asked } = makeSlots();
    table.add(request(0));
    table.add(request(MIB));
    expect(() => table.move(0, MIB)).toThrow('overlaps slot 1');
    for (const change of [() => table.move(5, 0), () => table.delete(5), () => table.replace(5, {})]) {
      expect(change).toThrow('there is no memory slot 5');
    }
    expect(asked.length).toBe(2);
  });
});
