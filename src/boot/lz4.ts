/**
 * LZ4 legacy frames, the form in which Linux packs its kernel ("lz4 -l"). A frame is a magic number and blocks, each
 * a 32-bit length and compressed data that unpacks to at most 8 MiB and refers to nothing outside itself.
 * Sources: lz4's doc/lz4_Frame_format.md ("Legacy frame") and doc/lz4_Block_format.md. Every byte is hostile input.
 */
import { VmError } from '../errors.js';
import { MIB } from '../memory/map.js';

const LEGACY_MAGIC = 0x184c2102;
const BLOCK_MAX = 8 * MIB;
const MIN_MATCH = 4;
/** A length of 15 in a token goes on in the bytes that follow. */
const LENGTH_MORE = 15;
/** One compressed byte stands for at most 255: no honest input grows more. */
const MOST_GROWTH = 255;

/** Whether `bytes` begin with a legacy frame's magic number. */
export function isLz4Legacy(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && u32(bytes, 0) === LEGACY_MAGIC;
}

/**
 * Unpacks one legacy frame that fills `input` and gives exactly `size` bytes.
 * @throws VmError IMAGE_INVALID for input that is damaged, truncated or of another size
 */
export function decodeLz4Legacy(input: Uint8Array, size: number): Uint8Array {
  if (!isLz4Legacy(input)) throw damaged('it does not begin with the magic number of a legacy frame');
  // Before the allocation: a size from an image is hostile.
  if (size > input.length * MOST_GROWTH) throw damaged(`${input.length} bytes cannot hold ${size}`);
  const output = new Uint8Array(size);
  let at = 4;
  let done = 0;
  while (at < input.length) {
    if (at + 4 > input.length) throw damaged(`a block's length is cut off at byte ${at}`);
    const blockEnd = at + 4 + u32(input, at);
    if (blockEnd > input.length) {
      throw damaged(`the block at byte ${at} ends at ${blockEnd}, and there are ${input.length} bytes`);
    }
    const limit = Math.min(done + BLOCK_MAX, size);
    done = decodeBlock(input.subarray(at + 4, blockEnd), output.subarray(done, limit)) + done;
    at = blockEnd;
  }
  if (done !== size) throw damaged(`it holds ${done} bytes in place of ${size}`);
  return output;
}

/** Unpacks one block to the start of `output`. Returns how many bytes it gave. */
function decodeBlock(input: Uint8Array, output: Uint8Array): number {
  let from = 0;
  let to = 0;
  /** The next input byte of the block. */
  const next = (): number => {
    const byte = input[from++];
    if (byte === undefined) throw damaged('a block ends within a sequence');
    return byte;
  };
  const length = (nibble: number): number => {
    if (nibble < LENGTH_MORE) return nibble;
    let total = nibble;
    let byte: number;
    do {
      byte = next();
      total += byte;
    } while (byte === 255);
    return total;
  };
  for (;;) {
    const token = next();
    const literals = length(token >> 4);
    if (from + literals > input.length) throw damaged('literals reach beyond their block');
    if (to + literals > output.length) throw damaged('a block gives more than its room');
    output.set(input.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence has literals only.
    if (from === input.length) return to;
    const distance = next() | (next() << 8);
    if (distance === 0 || distance > to) throw damaged(`a match refers ${distance} bytes back, after ${to}`);
    const match = length(token & 15) + MIN_MATCH;
    if (to + match > output.length) throw damaged('a block gives more than its room');
    copyMatch(output, to, distance, match);
    to += match;
  }
}

/** Copies `length` bytes from `distance` before `to`; where both overlap, the bytes repeat. */
function copyMatch(output: Uint8Array, to: number, distance: number, length: number): void {
  const from = to - distance;
  // Each round copies all that is there so far, a whole number of distances.
  for (let done = 0; done < length; ) {
    const part = Math.min(distance + done, length - done);
    output.copyWithin(to + done, from, from + part);
    done += part;
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}

function damaged(fault: string): VmError {
  return new VmError('IMAGE_INVALID', `the LZ4 data is damaged: ${fault}`, { hint: 'Fetch or build the image again.' });
}
