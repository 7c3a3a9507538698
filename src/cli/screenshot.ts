import fs from 'node:fs';
import { messageOf, VmError } from '../errors.js';
import { writeFile } from '../host/write-file.js';
import type { TextScreen } from '../machine/screen.js';
import { FONT_BYTES, screenPng } from '../machine/screen-png.js';

/** The options of a screenshot. */
export interface ScreenshotOptions {
  readonly screenshot?: string;
  readonly font?: string;
}

/** The font for a screenshot: the file named, else a VGA's; undefined where none is wanted. @throws VmError */
export async function screenshotFont({ screenshot, font }: ScreenshotOptions): Promise<Uint8Array | undefined> {
  if (screenshot === undefined) return undefined;
  if (font === undefined) {
    const { vgaFont } = await import('../setup/font.js');
    return vgaFont((line) => void process.stderr.write(`vmlaunch: ${line}\n`));
  }
  const bytes = readFont(font);
  if (bytes.length === FONT_BYTES) return bytes;
  throw new VmError('OPTION_INVALID', `the font ${font} has ${bytes.length} bytes, not ${FONT_BYTES}`);
}

function readFont(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new VmError('FILE_UNREADABLE', `the font ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** @throws VmError FILE_UNREADABLE */
export function writeScreenshot(file: string, screen: TextScreen, font: Uint8Array): void {
  writeFile(file, screenPng(screen, font));
}
