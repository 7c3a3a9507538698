/** The memory map as tables for guests: every boot protocol has e820's, with entries of its own length. */
import type { E820Entry } from '../memory/map.js';

/** An entry: start and size (64 bits each), type (32 bits) (Linux, arch/x86/include/uapi/asm/bootparam.h). */
export const E820_ENTRY_BYTES = 20;

/** Writes the entries into `view` from `at` on, each `entryBytes` (20 or more) after the last. */
export function fillMemoryMap(view: DataView, at: number, map: readonly E820Entry[], entryBytes: number): void {
  for (const [i, { start, size, type }] of map.entries()) {
    setU64(view, at + i * entryBytes, start);
    setU64(view, at + i * entryBytes + 8, size);
    view.setUint32(at + i * entryBytes + 16, type, true);
  }
}

/** The entries as a table of their own; what they have beyond 20 bytes is zero. */
export function memoryMapTable(map: readonly E820Entry[], entryBytes: number): Uint8Array {
  const table = new Uint8Array(map.length * entryBytes);
  fillMemoryMap(new DataView(table.buffer), 0, map, entryBytes);
  return table;
}

/** `value` below 2^53. */
export function setU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}
