/**
 * Descriptor tables and page tables that loaders lay into guest memory for a boot CPU that starts in protected or
 * long mode. Formats: Intel SDM vol. 3, 3.4.5 (segment descriptors) and 4.5 (4-level paging); AMD64 APM vol. 2 the same.
 */
import { GIB, MIB } from '../memory/map.js';
import type { Entry, Segment } from './plan.js';

/** Linux's __BOOT_CS and __BOOT_DS (asm/segment.h); other images get the same selectors. */
const CODE_SELECTOR = 0x10;
const DATA_SELECTOR = 0x18;
/** Flat, present, ring 0, accessed (VM entry wants the accessed bit). Upper half of the descriptor; base 0, limit 4 GiB. */
const CODE64_HIGH = 0x00af9b00;
const CODE32_HIGH = 0x00cf9b00;
const DATA_HIGH = 0x00cf9300;
const DESCRIPTOR_LOW = 0x0000ffff;

/** Bytes of the GDT that `flatGdt` makes. */
export const GDT_BYTES = 0x20;

/** A GDT of two null descriptors, code at 0x10 and data at 0x18, both flat over 4 GiB. */
export function flatGdt(
  base: number,
  mode: 'protected' | 'long',
): { segment: Segment; gdt: NonNullable<Entry['gdt']> } {
  const table = new DataView(new ArrayBuffer(GDT_BYTES));
  const put = (selector: number, high: number) => {
    table.setUint32(selector, DESCRIPTOR_LOW, true);
    table.setUint32(selector + 4, high, true);
  };
  put(CODE_SELECTOR, mode === 'long' ? CODE64_HIGH : CODE32_HIGH);
  put(DATA_SELECTOR, DATA_HIGH);
  return {
    segment: { address: base, bytes: new Uint8Array(table.buffer), what: 'GDT' },
    gdt: { base, limit: GDT_BYTES - 1, code: CODE_SELECTOR, data: DATA_SELECTOR },
  };
}

const PAGE = 0x1000;
const PRESENT_WRITABLE = 0x3;
const PAGE_SIZE_BIT = 0x80;
const MAPPED = 4 * GIB;
const DIRECTORIES = MAPPED / GIB;
/** Bytes of the tables that `identityPageTables` makes: PML4, PDPT and one page directory a GiB. */
export const IDENTITY_TABLES_BYTES = (2 + DIRECTORIES) * PAGE;

/** Page tables that map the first 4 GiB to themselves with 2 MiB pages. CR3 is `base`, a multiple of 4096. */
export function identityPageTables(base: number): Segment {
  const tables = new DataView(new ArrayBuffer(IDENTITY_TABLES_BYTES));
  const pdpt = PAGE;
  const directories = 2 * PAGE;
  // The upper halves of all entries are 0: everything mapped, and the tables themselves, lie below 4 GiB.
  tables.setUint32(0, (base + pdpt) | PRESENT_WRITABLE, true);
  for (let i = 0; i < DIRECTORIES; i++) {
    tables.setUint32(pdpt + i * 8, (base + directories + i * PAGE) | PRESENT_WRITABLE, true);
  }
  for (let i = 0; i < MAPPED / (2 * MIB); i++) {
    tables.setUint32(directories + i * 8, i * 2 * MIB + (PRESENT_WRITABLE | PAGE_SIZE_BIT), true);
  }
  return { address: base, bytes: new Uint8Array(tables.buffer), what: 'page tables' };
}
