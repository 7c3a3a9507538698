import { native } from '../kvm/native.js';
import { sharedBuffer } from '../kvm/shared-buffer.js';
import { GIB, MIB, ramRanges } from './map.js';

/** EPT and NPT map 2 MiB at once only where guest-physical and host-virtual address agree modulo 2 MiB. */
const LARGE_PAGE = 2 * MIB;
/** A WebAssembly memory ends at 4 GiB; up to 2 MiB of it go into the alignment. */
const MAX_PIECE = 4 * GIB - LARGE_PAGE;
const MADV_DONTNEED = 4;

/** One piece of guest RAM: a part of a shared buffer, and where the guest sees it. Clonable to another thread. */
export interface RamPiece {
  /** Guest-physical address of its first byte. */
  readonly start: number;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  readonly buffer: SharedArrayBuffer;
  /** Where in the buffer the piece begins. */
  readonly offset: number;
}

/**
 * Makes `size` bytes of guest RAM, committed only as they are touched. The memory belongs to V8: it goes with
 * the last reference, and `releaseRam` gives its pages back at once.
 * @param size bytes, a multiple of 4096
 */
export function makeRam(size: number): readonly RamPiece[] {
  const pieces: RamPiece[] = [];
  for (const range of ramRanges(size)) {
    for (let done = 0; done < range.size; done += MAX_PIECE) {
      pieces.push(makePiece(range.start + done, Math.min(MAX_PIECE, range.size - done)));
    }
  }
  return pieces;
}

function makePiece(start: number, size: number): RamPiece {
  const buffer = sharedBuffer(size + LARGE_PAGE);
  const address = native.addressOf(new Uint8Array(buffer, 0, 1));
  const offset = (((start - address) % LARGE_PAGE) + LARGE_PAGE) % LARGE_PAGE;
  return { start, size, buffer, offset };
}

/** Gives the pages back to the host; what was in them is zero afterwards. No guest may run on them. */
export function releaseRam(pieces: readonly RamPiece[]): void {
  for (const { buffer, offset, size } of pieces) native.madvise(new Uint8Array(buffer, offset, size), MADV_DONTNEED);
}
