import fs from 'node:fs';

const PAGE = 4096;
const ENTRY_BYTES = 8;
// An entry of pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst)
const FRAME = (1n << 55n) - 1n;
const SWAPPED = 1n << 62n;
const PRESENT = 1n << 63n;

/**
 * What is behind a virtual address of this process: the host-physical address, 'untouched' where the host has given no
 * page yet, 'swapped', or 'hidden' where this process may not know (that wants CAP_SYS_ADMIN).
 */
export type HostPhysical = bigint | 'untouched' | 'swapped' | 'hidden';

/** Reads this process's pagemap. To be closed. */
export class HostPages {
  readonly #fd: number | undefined;

  constructor(file = '/proc/self/pagemap') {
    this.#fd = fs.existsSync(file) ? fs.openSync(file, 'r') : undefined;
  }

  physicalOf(virtual: number): HostPhysical {
    if (this.#fd === undefined) return 'hidden';
    const bytes = new Uint8Array(ENTRY_BYTES);
    const position = Math.floor(virtual / PAGE) * ENTRY_BYTES;
    if (fs.readSync(this.#fd, bytes, 0, ENTRY_BYTES, position) < ENTRY_BYTES) return 'hidden';
    const entry = new DataView(bytes.buffer).getBigUint64(0, true);
    if ((entry & SWAPPED) !== 0n) return 'swapped';
    if ((entry & PRESENT) === 0n) return 'untouched';
    const frame = entry & FRAME;
    return frame === 0n ? 'hidden' : frame * BigInt(PAGE) + BigInt(virtual % PAGE);
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
