import { describe, expect, it } from 'vitest';
import { checkPlan } from '../../../src/boot/check-plan.js';
import { Layout } from '../../../src/boot/layout.js';
import type { BootPlan } from '../../../src/boot/plan.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { random, thrownBy } from './bzimage.js';

const bytes = (length: number) => new Uint8Array(length);

describe('a layout', () => {
  it('puts things at the lowest place with room, beside what is there', () => {
    const layout = new Layout(4 * MIB);
    layout.fix({ address: 0x1010, bytes: bytes(16), what: 'a' });
    expect(layout.putLow('b', bytes(16))).toBe(0x1000);
    expect(layout.putLow('c', bytes(16))).toBe(0x1020);
    expect(layout.putLow('d', bytes(4096), { alignment: 4096 })).toBe(0x2000);
    expect(layout.putLow('e', bytes(0x9fc00 - 0x3000 + 1))).toBe(MIB);
    expect(layout.putLow('f', bytes(16), { from: 0x3001 })).toBe(0x3010);
  });

  it('puts things at the highest place with room', () => {
    const layout = new Layout(4 * MIB);
    layout.fix({ address: 3 * MIB, bytes: bytes(16), memoryBytes: 0x1000, what: 'a' });
    expect(layout.putHigh('b', bytes(1))).toBe(4 * MIB - 4096);
    expect(layout.putHigh('c', bytes(MIB - 0x1fff))).toBe(3 * MIB - MIB + 0x1000);
    expect(layout.putHigh('d', bytes(4096), { below: 3 * MIB + 0x2fff })).toBe(3 * MIB + 0x1000);
    expect(new Layout(8 * GIB).putHigh('e', bytes(1))).toBe(3 * GIB - 4096);
  });

  it('says what has no room, and how much there is', () => {
    const layout = new Layout(2 * MIB);
    layout.fix({ address: MIB, bytes: bytes(0x80000), what: 'kernel' });
    const error = thrownBy(() => layout.putHigh('initrd', bytes(0x80001), { code: 'INITRD_TOO_LARGE' }));
    expect(error).toMatchObject({
      code: 'INITRD_TOO_LARGE',
      message: 'the initrd has 0x80001 bytes, and beside the kernel there is room for 0x80000 bytes'.replace(
        /0x\w+/g,
        (hex) => String(Number(hex)),
      ),
    });
  });

  it('never puts two things in one place, nor anything outside RAM', () => {
    const next = random(17);
    for (let round = 0; round < 300; round++) {
      const ramBytes = 2 * MIB + next(100) * 4096;
      const layout = new Layout(ramBytes);
      for (let i = 0; i < 20; i++) {
        const size = 1 + next(next(2) === 0 ? 0x40000 : 64);
        const error = thrownBy(() => {
          if (next(3) === 0) layout.fix({ address: next(3 * MIB), bytes: bytes(size), what: 'fixed' });
          else if (next(2) === 0) layout.putLow('low', bytes(size), { alignment: 1 << next(14), from: next(2 * MIB) });
          else layout.putHigh('high', bytes(size), { alignment: 1 << next(14), below: next(3 * MIB) });
        });
        if (error !== undefined && !(error instanceof VmError)) throw error;
      }
      const areas = layout.segments.map((one) => [one.address, one.address + one.bytes.length] as const);
      areas.sort(([a], [b]) => a - b);
      for (const [i, [start, end]] of areas.entries()) {
        expect(end).toBeLessThanOrEqual(ramBytes);
        expect(start < MIB && end > 0x9fc00).toBe(false);
        expect(start).toBeGreaterThanOrEqual(areas[i - 1]?.[1] ?? 0);
      }
    }
  });
});

describe('the check of a plan', () => {
  const gdt = { address: 0x1000, bytes: bytes(32), what: 'GDT' };
  const kernel = { address: MIB, bytes: bytes(64), memoryBytes: 0x1000, what: 'kernel' };
  const good: BootPlan = {
    form: 'elf',
    isLinux: false,
    segments: [kernel, gdt],
    entry: { mode: 'protected', rip: MIB, gdt: { base: 0x1000, limit: 31, code: 16, data: 24 } },
    description: '',
  };
  const { entry } = good;
  const at = (address: number, length = 16) => ({ address, bytes: bytes(length), what: 'thing' });

  it('lets a sound one pass', () => expect(() => checkPlan(good, 2 * MIB)).not.toThrow());

  it.each<[string, Partial<BootPlan>, RegExp]>([
    ['an overlap', { segments: [kernel, gdt, at(MIB + 0xfff)] }, /kernel .* overlaps thing \(0x100fff/],
    ['what lies beyond RAM', { segments: [kernel, gdt, at(2 * MIB - 15)] }, /thing .* is not all usable RAM/],
    ['what lies below 0', { segments: [kernel, gdt, at(-1)] }, /not all usable/],
    ['what lies nowhere', { segments: [kernel, gdt, at(Number.NaN)] }, /not all usable/],
    ['what lies between bytes', { segments: [kernel, gdt, at(0.5)] }, /not all usable/],
    ['what lies beyond 2^53', { segments: [kernel, gdt, at(2 ** 60)] }, /not all usable/],
    ['what has no size', { segments: [kernel, gdt, at(0x2000, 0)] }, /not all usable/],
    ['what lies over the BIOS area', { segments: [kernel, gdt, at(0xe0000)] }, /not all usable/],
    ['an entry outside', { entry: { ...entry, rip: MIB + 0x1000 } }, /entry 0x101000 is in no segment/],
    ['a register that is none', { entry: { ...entry, registers: { rsi: -1 } } }, /rsi cannot be -1/],
    ['a real mode above 1 MiB', { entry: { mode: 'real', rip: MIB } }, /real mode does not reach/],
    ['no descriptor table', { entry: { mode: 'protected', rip: MIB } }, /descriptor table/],
    ['no page tables', { entry: { ...entry, mode: 'long' } }, /page tables/],
    ['page tables between pages', { entry: { ...entry, mode: 'long', cr3: MIB + 8 } }, /page tables/],
  ])('finds %s', (_, change, message) => {
    const error = thrownBy(() => checkPlan({ ...good, ...change }, 2 * MIB));
    expect(error).toMatchObject({ code: 'BUG', message: expect.stringMatching(message) });
  });
});
