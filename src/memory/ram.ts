import { errnoName } from '../kvm/call.js';
import { native } from '../kvm/native.js';
import { sharedBuffer } from '../kvm/shared-buffer.js';
import type { HugePages } from './huge-pages.js';
import { GIB, MIB, ramRanges } from './map.js';

/** EPT and NPT map 2 MiB at once only where guest-physical and host-virtual address agree modulo 2 MiB. */
const LARGE_PAGE = 2 * MIB;
/** A WebAssembly memory ends at 4 GiB; up to 2 MiB of it go into the alignment. */
const MAX_PIECE = 4 * GIB - LARGE_PAGE;
const MADV_DONTNEED = 4;
const MADV_HUGEPAGE = 14;
const MADV_NOHUGEPAGE = 15;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_HUGETLB = 0x40000;

/** One piece of guest RAM: a part of a shared buffer, and where the guest sees it. Clonable to another thread. */
export interface RamPiece {
  /** Guest-physical address of its first byte. */
  readonly start: number;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  readonly buffer: SharedArrayBuffer;
  /** Where in the buffer the piece begins. */
  readonly offset: number;
  /** The guest and devices may read it, not write it. */
  readonly readOnly?: boolean;
  /** A bit for each page that a write from this side sets, where such writes are to be told (`GuestMemory`). */
  readonly hostWrites?: SharedArrayBuffer;
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

/**
 * Makes host memory for one slot, zeroed, and so that guest and host address agree modulo 2 MiB.
 * @param start guest-physical address
 * @param size bytes, a multiple of 4096, at most 4 GiB less 2 MiB
 */
export function makePiece(start: number, size: number): RamPiece {
  const buffer = sharedBuffer(size + LARGE_PAGE);
  const address = native.addressOf(new Uint8Array(buffer, 0, 1));
  const offset = (((start - address) % LARGE_PAGE) + LARGE_PAGE) % LARGE_PAGE;
  return { start, size, buffer, offset };
}

/** What was done for it. */
export interface HugePagesTaken {
  /** Why there are transparent ones where explicit ones were wanted, in a line. */
  readonly fallback: string | undefined;
  /** Gives explicit ones back to the pool. */
  release(): void;
}

/** Before the first slot is made of the pieces: what was in them is lost. */
export function takeHugePages(pieces: readonly RamPiece[], kind: HugePages): HugePagesTaken {
  if (kind !== 'explicit') {
    advise(pieces, kind === 'none' ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return { fallback: undefined, release: () => {} };
  }
  const taken: Uint8Array[] = [];
  const release = (): void => {
    for (const view of taken.splice(0)) native.unmapOver(view);
  };
  try {
    for (const { buffer, offset, size } of pieces) {
      const view = new Uint8Array(buffer, offset, size - (size % LARGE_PAGE));
      if (view.length === 0) continue;
      native.mapOver(view, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
      taken.push(view);
    }
    return { fallback: undefined, release };
  } catch (error) {
    release();
    advise(pieces, MADV_HUGEPAGE);
    const pages = pieces.reduce((sum, { size }) => sum + Math.floor(size / LARGE_PAGE), 0);
    const why = `the host's pool does not have ${pages} huge pages of 2 MiB (${errnoName(error)})`;
    return { fallback: `${why}: taking transparent ones; sysctl vm.nr_hugepages makes a pool`, release };
  }
}

function advise(pieces: readonly RamPiece[], advice: number): void {
  for (const { buffer, offset, size } of pieces) {
    try {
      native.madvise(new Uint8Array(buffer, offset, size), advice);
    } catch (error) {
      if (errnoName(error) !== 'EINVAL') throw error; // a kernel that has none
    }
  }
}

/** Gives the pages back to the host; what was in them is zero afterwards. No guest may run on them. */
export function releaseRam(pieces: readonly RamPiece[]): void {
  for (const { buffer, offset, size } of pieces) native.madvise(new Uint8Array(buffer, offset, size), MADV_DONTNEED);
}
