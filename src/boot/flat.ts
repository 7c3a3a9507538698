/**
 * Flat images: bytes without a header, copied to one address and entered at their first byte.
 *
 *   mode       loaded at   CPU                                              stack pointer
 *   real       0x7c00      as a PC's BIOS leaves it                         0x7c00 (see `realStack`)
 *   protected  0x100000    flat 32-bit segments from a GDT, no paging       0x90000
 *   long       0x100000    64-bit code, first 4 GiB identity-mapped         0x90000
 *
 * Protected and long mode have the GDT at 0x90000 and the page tables from 0x91000 to 0x96fff; 64 KiB below 0x90000
 * are left for the stack. Nothing goes between 0x9fc00 and 1 MiB: video memory, ROMs and ACPI tables are there.
 */
import { VmError } from '../errors.js';
import { LOW_RAM_END, MIB } from '../memory/map.js';
import { flatGdt, identityPageTables } from './paging.js';
import { hex, lowRamEnd, sizeText } from './place.js';
import type { BootPlan, EntryMode, Segment } from './plan.js';

const BOOT_SECTOR_ADDRESS = 0x7c00;
const STACK_TOP = 0x90000;
const STACK_BYTES = 0x10000;
const GDT_ADDRESS = 0x90000;
const PAGE_TABLES_ADDRESS = 0x91000;
const TABLES_END = 0x97000;

export interface FlatOptions {
  /** The CPU's mode at the first instruction; protected by default. */
  readonly mode?: EntryMode | undefined;
  /** Guest-physical address of the image's first byte, where it is entered too. Real mode: below 1 MiB. */
  readonly loadAddress?: number | undefined;
  /** RAM of the machine, in bytes. */
  readonly ramBytes: number;
}

/**
 * Plans the boot of a flat image. The plan's segment refers to `image`.
 * @throws VmError IMAGE_EMPTY, IMAGE_TOO_LARGE (no RAM there for so many bytes), OPTION_INVALID (no RAM at the address)
 */
export function planFlat(image: Uint8Array, options: FlatOptions): BootPlan {
  if (image.length === 0) throw new VmError('IMAGE_EMPTY', 'the image is empty', { hint: 'Check how it was built.' });
  const mode = options.mode ?? 'protected';
  const load = options.loadAddress ?? (mode === 'real' ? BOOT_SECTOR_ADDRESS : MIB);
  checkPlace(load, image.length, mode, lowRamEnd(options.ramBytes));
  const kernel: Segment = { address: load, bytes: image, what: 'image' };
  const description = `a flat image of ${sizeText(image.length)} at ${hex(load)}, entered in ${mode} mode`;
  if (mode === 'real') {
    const registers = { rsp: realStack(load, load + image.length) };
    return { form: 'flat', isLinux: false, segments: [kernel], entry: { mode, rip: load, registers }, description };
  }
  const { segment, gdt } = flatGdt(GDT_ADDRESS, mode);
  const entry = { mode, rip: load, registers: { rsp: STACK_TOP }, gdt };
  if (mode === 'protected') return { form: 'flat', isLinux: false, segments: [segment, kernel], entry, description };
  const segments = [segment, identityPageTables(PAGE_TABLES_ADDRESS), kernel];
  return { form: 'flat', isLinux: false, segments, entry: { ...entry, cr3: PAGE_TABLES_ADDRESS }, description };
}

/** The pieces of RAM that an image may lie in. */
function places(mode: EntryMode, ramEnd: number): readonly { start: number; end: number }[] {
  if (mode === 'real') return [{ start: 0, end: Math.min(LOW_RAM_END, ramEnd) }];
  return [
    { start: 0, end: STACK_TOP - STACK_BYTES },
    { start: MIB, end: ramEnd },
  ];
}

function checkPlace(load: number, length: number, mode: EntryMode, ramEnd: number): void {
  if (mode !== 'real' && ramEnd < TABLES_END) {
    throw new VmError('MEMORY_INVALID', `${mode} mode needs RAM up to ${hex(TABLES_END)}; it ends at ${hex(ramEnd)}`, {
      hint: 'Give the machine 1 MiB of memory or more.',
    });
  }
  const pieces = places(mode, ramEnd);
  const piece = pieces.find(({ start, end }) => load >= start && load < end);
  if (!Number.isInteger(load) || !piece) {
    const allowed = pieces
      .filter(({ start, end }) => start < end)
      .map(({ start, end }) => `${hex(start)}–${hex(end - 1)}`);
    throw new VmError('OPTION_INVALID', `no image can be loaded at ${hex(load)} in ${mode} mode`, {
      hint: `The load address may be in ${allowed.join(' or ')}.`,
    });
  }
  if (load + length <= piece.end) return;
  throw new VmError(
    'IMAGE_TOO_LARGE',
    `the image has ${sizeText(length)}, and at ${hex(load)} there is room for ${sizeText(piece.end - load)}`,
    { hint: 'Give the machine more memory, another load address or another mode.' },
  );
}

/** Below the boot sector, as BIOSes have it; where the image itself is there, the top of the first 64 KiB. */
function realStack(start: number, end: number): number {
  const covered = start < BOOT_SECTOR_ADDRESS && end > BOOT_SECTOR_ADDRESS - 0x1000;
  return covered ? 0xfff0 : BOOT_SECTOR_ADDRESS;
}
