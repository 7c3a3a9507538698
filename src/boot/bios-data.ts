/**
 * The BIOS data area of a PC (0x400 to 0x4ff): what kernels that boot loaders start still look up there, such as
 * where conventional memory ends. Source: IBM Personal System/2 and Personal Computer BIOS Interface Technical
 * Reference, "ROM BIOS data area". Left out: all that only the BIOS itself uses.
 */
import { LOW_RAM_END } from '../memory/map.js';
import { viewOf } from './elf-file.js';
import type { Layout } from './layout.js';

const BIOS_DATA_ADDRESS = 0x400;
const BIOS_DATA_BYTES = 0x100;
/** Offsets from 0x400. */
const BDA = {
  serialPort1: 0x00,
  extendedDataAreaSegment: 0x0e,
  memorySizeKib: 0x13,
} as const;
export const COM1_PORT = 0x3f8;

/** Puts it, unless the image itself lies there. */
export function putBiosData(layout: Layout): void {
  if (!layout.isFree(BIOS_DATA_ADDRESS, BIOS_DATA_BYTES)) return;
  const bytes = new Uint8Array(BIOS_DATA_BYTES);
  const view = viewOf(bytes);
  view.setUint16(BDA.serialPort1, COM1_PORT, true);
  view.setUint16(BDA.extendedDataAreaSegment, LOW_RAM_END >> 4, true);
  view.setUint16(BDA.memorySizeKib, LOW_RAM_END / 1024, true);
  layout.fix({ address: BIOS_DATA_ADDRESS, bytes, what: 'BIOS data area' });
}
