import { putBiosData } from './bios-data.js';
import type { Layout } from './layout.js';
import { flatGdt, IDENTITY_TABLES_BYTES, identityPageTables } from './paging.js';
import { PAGE_BYTES } from './place.js';
import type { Entry } from './plan.js';

/**
 * Puts what every kernel finds that a boot loader starts: the BIOS data area, and what the boot CPU needs in flat
 * protected or long mode. Gives that part of the entry. To be called when the image has been put.
 */
export function flatEntry(layout: Layout, mode: 'protected' | 'long'): Pick<Entry, 'mode' | 'gdt' | 'cr3'> {
  putBiosData(layout);
  const { segment, gdt } = flatGdt(0, mode);
  const base = layout.putLow('GDT', segment.bytes);
  if (mode === 'protected') return { mode, gdt: { ...gdt, base } };
  const tables = new Uint8Array(IDENTITY_TABLES_BYTES);
  const cr3 = layout.putLow('page tables', tables, { alignment: PAGE_BYTES });
  tables.set(identityPageTables(cr3).bytes);
  return { mode, gdt: { ...gdt, base }, cr3 };
}
