import { describe, expect, it } from 'vitest';
import {
  ACPI_TABLES_END,
  ACPI_TABLES_START,
  E820_RAM,
  e820Map,
  GIB,
  HOLE_END,
  HOLE_START,
  IO_APIC_BASE,
  KVM_IDENTITY_MAP_BASE,
  KVM_TSS_BASE,
  LOCAL_APIC_BASE,
  MIB,
  type Range,
  ramRanges,
} from '../../../src/memory/map.js';

const SIZES = [2 * MIB, 64 * MIB, HOLE_START - 4096, HOLE_START, HOLE_START + 4096, 4 * GIB, 64 * GIB];
const end = ({ start, size }: Range) => start + size;
const total = (ranges: readonly Range[]) => ranges.reduce((sum, { size }) => sum + size, 0);

describe('RAM around the hole', () => {
  it.each(SIZES)('%i bytes are all there, none of them in the hole', (size) => {
    const ranges = ramRanges(size);
    expect(total(ranges)).toBe(size);
    for (const range of ranges) {
      expect(range.size).toBeGreaterThan(0);
      expect(end(range) <= HOLE_START || range.start >= HOLE_END).toBe(true);
    }
  });

  it('goes on at 4 GiB exactly from the first page that does not fit below the hole', () => {
    expect(ramRanges(HOLE_START)).toEqual([{ start: 0, size: HOLE_START }]);
    expect(ramRanges(HOLE_START + 4096)).toEqual([
      { start: 0, size: HOLE_START },
      { start: HOLE_END, size: 4096 },
    ]);
  });
});

describe('the e820 map', () => {
  it.each(SIZES)('of %i bytes is sorted and nothing overlaps', (size) => {
    const map = e820Map(size);
    for (const [i, entry] of map.entries()) {
      expect(entry.size).toBeGreaterThan(0);
      const next = map[i + 1];
      if (next) expect(end(entry)).toBeLessThanOrEqual(next.start);
    }
  });

  it.each(SIZES)('of %i bytes calls RAM only what is RAM', (size) => {
    const ram = ramRanges(size);
    for (const entry of e820Map(size).filter(({ type }) => type === E820_RAM)) {
      expect(ram.some((range) => range.start <= entry.start && end(entry) <= end(range))).toBe(true);
    }
  });

  it.each(SIZES)('of %i bytes gives all RAM but what lies between conventional memory and 1 MiB', (size) => {
    const usable = e820Map(size).filter(({ type }) => type === E820_RAM);
    expect(total(usable)).toBe(size - (MIB - 0x9fc00));
  });

  it('never gives away what firmware and interrupt controllers live in', () => {
    const usable = e820Map(8 * GIB).filter(({ type }) => type === E820_RAM);
    const kept: Range[] = [
      { start: ACPI_TABLES_START, size: ACPI_TABLES_END - ACPI_TABLES_START },
      { start: IO_APIC_BASE, size: 4096 },
      { start: LOCAL_APIC_BASE, size: 4096 },
      { start: KVM_IDENTITY_MAP_BASE, size: 4096 },
      { start: KVM_TSS_BASE, size: 3 * 4096 },
    ];
    for (const range of kept) {
      expect(usable.filter((entry) => entry.start < end(range) && range.start < end(entry))).toEqual([]);
    }
  });

  it('keeps the TSS pages of VT-x beside the identity map, page by page', () => {
    expect(KVM_IDENTITY_MAP_BASE + 4096).toBe(KVM_TSS_BASE);
    expect(KVM_TSS_BASE % 4096).toBe(0);
  });
});
