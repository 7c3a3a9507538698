import fs from 'node:fs';
import { messageOf, VmError } from '../errors.js';
import type { Progress } from './command.js';
import { ensurePackages } from './packages.js';

/** Of SeaBIOS, whose font is in the public domain (vgasrc/vgafonts.c). */
const VGA_BIOS = '/usr/share/seabios/vgabios-stdvga.bin';
const CELL_HEIGHT = 16;
const FONT_BYTES = 256 * CELL_HEIGHT;
/** How a font of 16 scan lines a character begins: code 0 is blank, code 1 a face. */
const BLANK = new Array<number>(CELL_HEIGHT).fill(0);
const FACE = [0, 0, 0x7e, 0x81, 0xa5, 0x81, 0x81, 0xbd, 0x99, 0x81, 0x81, 0x7e, 0, 0, 0, 0];
const BEGINNING = Uint8Array.from([...BLANK, ...FACE]);

/**
 * A VGA's font of 8 by 16 dots: 16 bytes for each of the 256 characters of code page 437, from Debian's VGA BIOS.
 * @throws VmError SETUP_FAILED
 */
export async function vgaFont(progress: Progress): Promise<Uint8Array> {
  const packages = await ensurePackages(['seabios'], progress);
  const file = packages.path(VGA_BIOS);
  const font = fontIn(readRom(file));
  if (font !== undefined) return font;
  throw noFont(`there is no font in ${file}`);
}

/** The font in a VGA BIOS, found by how it begins: a ROM does not say where its font is. */
export function fontIn(rom: Uint8Array): Uint8Array | undefined {
  const at = Buffer.from(rom.buffer, rom.byteOffset, rom.length).indexOf(BEGINNING);
  return at < 0 || at + FONT_BYTES > rom.length ? undefined : new Uint8Array(rom.subarray(at, at + FONT_BYTES));
}

function readRom(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw noFont(`${file} cannot be read: ${messageOf(error)}`);
  }
}

const noFont = (what: string): VmError =>
  new VmError('SETUP_FAILED', what, { hint: 'Give a font of your own: --font, 4096 bytes, 16 for each character.' });
