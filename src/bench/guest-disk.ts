import { VmError } from '../errors.js';

/** A workload, and how often it is to run. */
export interface Asked {
  readonly name: string;
  /** 1 to 2^32 - 1. */
  readonly count: number;
}

/** Places in build/guest-images/bench.img, as guest-images/bench/disk.S has them. */
const COMMAND_LINE_START = 512;
const COMMAND_LINE_BYTES = 3072;
const SIGNATURE_AT = 510;

/** The guest's command line. `bits` 32: its 32-bit build, where the disk is booted; a build started by itself is what it is. */
export function benchCommandLine(asked: readonly Asked[], { bits }: { readonly bits?: 32 | undefined } = {}): string {
  const words = asked.map(({ name, count }) => `${name}=${count}`);
  return [...(bits === undefined ? [] : [`bits=${bits}`]), ...words].join(' ');
}

/**
 * The benchmark's floppy disk with a command line in it: the same bytes start on every engine.
 * @param image bench.img as it was built; it is left as it is
 * @throws VmError IMAGE_INVALID (not that image), OPTION_INVALID (the text is too long, or not of printable ASCII)
 */
export function benchDisk(image: Uint8Array, commandLine: string): Uint8Array {
  const end = COMMAND_LINE_START + COMMAND_LINE_BYTES;
  if (image.length < end || image[SIGNATURE_AT] !== 0x55 || image[SIGNATURE_AT + 1] !== 0xaa) {
    throw new VmError('IMAGE_INVALID', "this is not the benchmark's floppy disk");
  }
  if (!/^[ -~]*$/.test(commandLine) || commandLine.length >= COMMAND_LINE_BYTES) {
    throw new VmError(
      'OPTION_INVALID',
      `the benchmark's command line is not ${COMMAND_LINE_BYTES - 1} letters or fewer`,
    );
  }
  const disk = image.slice();
  disk.fill(0, COMMAND_LINE_START, end);
  disk.set(Buffer.from(commandLine, 'latin1'), COMMAND_LINE_START);
  return disk;
}
