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
/** Below so many bytes a loop is faster than a call. */
const SHORT = 48;

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
    done = decodeBlock(input, at + 4, blockEnd, output, done, Math.min(done + BLOCK_MAX, size));
    at = blockEnd;
  }
  if (done !== size) throw damaged(`it holds ${done} bytes in place of ${size}`);
  return output;
}

/**
 * Unpacks the block that `input` has from `from` to `end`, to `output` from `start` on and not beyond `limit`.
 * Returns where its output ends. One function without a closure or an object for each sequence, of which a kernel has
 * millions.
 */
function decodeBlock(
  input: Uint8Array,
  from: number,
  end: number,
  output: Uint8Array,
  start: number,
  limit: number,
): number {
  let to = start;
  for (;;) {
    if (from >= end) throw endsEarly();
    const token = input[from++] ?? 0;
    let literals = token >> 4;
    if (literals === LENGTH_MORE) {
      const last = lengthEnd(input, from, end);
      literals += lengthAt(input, from, last);
      from = last + 1;
    }
    if (from + literals > end) throw damaged('literals reach beyond their block');
    if (to + literals > limit) throw damaged('a block gives more than its room');
    if (literals < SHORT) for (let i = 0; i < literals; i++) output[to + i] = input[from + i] ?? 0;
    else output.set(input.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence has literals only.
    if (from === end) return to;
    if (from + 2 > end) throw endsEarly();
    const distance = (input[from] ?? 0) | ((input[from + 1] ?? 0) << 8);
    from += 2;
    if (distance === 0 || distance > to - start) {
      throw damaged(`a match refers ${distance} bytes back, after ${to - start}`);
    }
    let match = token & LENGTH_MORE;
    if (match === LENGTH_MORE) {
      const last = lengthEnd(input, from, end);
      match += lengthAt(input, from, last);
      from = last + 1;
    }
    match += MIN_MATCH;
    if (to + match > limit) throw damaged('a block gives more than its room');
    // Forwards and byte by byte: where the match overlaps what it makes, the bytes repeat.
    if (match < SHORT) for (let i = to; i < to + match; i++) output[i] = output[i - distance] ?? 0;
    else copyMatch(output, to, distance, match);
    to += match;
  }
}

/** Where a length that goes on from `at` has its last byte: the first that is not 255. */
function lengthEnd(input: Uint8Array, at: number, end: number): number {
  let last = at;
  while (last < end && input[last] === 255) last++;
  if (last >= end) throw endsEarly();
  return last;
}

const lengthAt = (input: Uint8Array, at: number, last: number): number => (last - at) * 255 + (input[last] ?? 0);

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

const endsEarly = (): VmError => damaged('a block ends within a sequence');

function damaged(fault: string): VmError {
  return new VmError('IMAGE_INVALID', `the LZ4 data is damaged: ${fault}`, { hint: 'Fetch or build the image again.' });
}
