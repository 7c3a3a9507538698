import fs from 'node:fs';
import path from 'node:path';
import { VmError } from '../errors.js';

/** A workload, and how often it is to run. */
export interface Asked {
  readonly name: string;
  /** 1 to 2^32 - 1. */
  readonly count: number;
  /** Iterations before it is measured; half as many as are measured where that is absent. 1 to 2^32 - 1. */
  readonly warmUp?: number | undefined;
}

/** Places in build/guest-images/bench.img, as guest-images/bench/image.S has them. */
const IMAGE_BYTES = 0x10000;
const MULTIBOOT_MAGIC_AT = 4;
const MULTIBOOT_MAGIC = 0x1badb002;
const COMMAND_LINE_START = 512;
const COMMAND_LINE_BYTES = 3072;

/** The guest's command line. `bits` 32: its 32-bit build, on a processor that has 64-bit mode too. */
export function benchCommandLine(asked: readonly Asked[], { bits }: { readonly bits?: 32 | undefined } = {}): string {
  const words = asked.map(({ name, count, warmUp }) => `${name}=${count}${warmUp === undefined ? '' : `/${warmUp}`}`);
  return [...(bits === undefined ? [] : [`bits=${bits}`]), ...words].join(' ');
}

/**
 * The benchmark's image with a command line in it, for an engine that has no other way to hand it over.
 * @param image bench.img as it was built; it is left as it is
 * @throws VmError IMAGE_INVALID (not that image), OPTION_INVALID (the text is too long, or not of printable ASCII)
 */
export function withCommandLine(image: Uint8Array, commandLine: string): Uint8Array {
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  if (image.length !== IMAGE_BYTES || view.getUint32(MULTIBOOT_MAGIC_AT, true) !== MULTIBOOT_MAGIC) {
    throw new VmError('IMAGE_INVALID', "this is not the benchmark's image");
  }
  if (!/^[ -~]*$/.test(commandLine) || commandLine.length >= COMMAND_LINE_BYTES) {
    throw new VmError(
      'OPTION_INVALID',
      `the benchmark's command line is not ${COMMAND_LINE_BYTES - 1} letters or fewer`,
    );
  }
  const copy = Uint8Array.from(image);
  copy.fill(0, COMMAND_LINE_START, COMMAND_LINE_START + COMMAND_LINE_BYTES);
  copy.set(Buffer.from(commandLine, 'latin1'), COMMAND_LINE_START);
  return copy;
}

/** A file of the image with a command line in it, for who starts it in place of a BIOS. @returns its path in `directory` */
export function writeRom(image: string, commandLine: string, directory: string): string {
  const file = path.join(directory, 'bench.rom');
  fs.writeFileSync(file, withCommandLine(fs.readFileSync(image), commandLine));
  return file;
}
