/**
 * Which pages the guest wrote: KVM's dirty log (KVM API 4.8, 4.117, 7.17) or its dirty rings (8.29) behind one interface.
 * Both tell of every slot that logs (`Slots.setLogDirty`), and of writes by the guest and by KVM for it. What this
 * process writes KVM does not see: `GuestMemory` takes that down where a slot has `hostWrites`, and both add it.
 */
import type { Vm } from '../kvm/vm.js';
import type { Slot, Slots } from './slots.js';

const PAGE = 4096;
const WORD_BITS = 32;

export interface DirtyTracker {
  /**
   * Takes what was written since the last time, and watches for more: guest-physical addresses of pages of 4 KiB, in
   * order of slot and address, each once. With rings no vCPU may be in KVM_RUN: what a CPU took down by itself
   * (VT-x's page-modification log) comes with its exit.
   */
  collect(): number[];
  /** Makes room where the rings are full, and keeps what they held for `collect`. */
  drain(): void;
}

/** What pages of which slots were written: a bit a page, made as slots come. */
class Bitmaps {
  readonly #bySlot = new Map<number, Uint32Array>();

  /** All 0 at first; of a whole number of u64, as KVM wants it. */
  of({ slot, size }: Slot): Uint32Array {
    const words = hostWritesBytes(size) / 4;
    const known = this.#bySlot.get(slot);
    if (known?.length === words) return known;
    const made = new Uint32Array(words);
    this.#bySlot.set(slot, made);
    return made;
  }
}

function addressesIn({ start, hostWrites }: Slot, bitmap: Uint32Array, found: number[]): void {
  const own = hostWrites && new Int32Array(hostWrites);
  for (let i = 0; i < bitmap.length; i++) {
    let word = (bitmap[i] ?? 0) | (own === undefined ? 0 : Atomics.exchange(own, i, 0));
    for (; word !== 0; word &= word - 1) {
      const bit = WORD_BITS - 1 - Math.clz32(word & -word);
      found.push(start + (i * WORD_BITS + bit) * PAGE);
    }
  }
}

/** Bytes of shared memory for `RamPiece.hostWrites`. */
export const hostWritesBytes = (size: number): number => 8 * Math.ceil(size / PAGE / 64);

const logging = (slots: Slots): Slot[] => slots.list.filter(({ logDirty }) => logDirty);

/** With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: pages are protected again by KVM_CLEAR_DIRTY_LOG, those that were taken alone. */
export class DirtyLog implements DirtyTracker {
  readonly #bitmaps = new Bitmaps();

  constructor(
    private readonly vm: Pick<Vm, 'getDirtyLog' | 'clearDirtyLog'>,
    private readonly slots: Slots,
  ) {}

  collect(): number[] {
    const found: number[] = [];
    for (const slot of logging(this.slots)) {
      const bitmap = this.#bitmaps.of(slot);
      const bytes = new Uint8Array(bitmap.buffer);
      this.vm.getDirtyLog(slot.slot, bytes);
      if (bitmap.some((word) => word !== 0)) this.vm.clearDirtyLog(slot.slot, 0, slot.size / PAGE, bytes);
      addressesIn(slot, bitmap, found);
    }
    return found;
  }

  drain(): void {}
}

// struct kvm_dirty_gfn: flags, slot (u32 each), offset in pages (u64). In words:
const ENTRY_WORDS = 4;
const ENTRY_SLOT = 1;
const ENTRY_OFFSET = 2;
const KVM_DIRTY_GFN_F_DIRTY = 1;
const KVM_DIRTY_GFN_F_RESET = 2;
/** Above it in `slot` is the address space: that of SMM is not used here. */
const SLOT_MASK = 0xffff;

/** A ring for each vCPU, mapped. A full one is an exit of its vCPU, after which `drain` is due. */
export class DirtyRings implements DirtyTracker {
  readonly #bitmaps = new Bitmaps();
  readonly #rings: readonly Int32Array[];
  readonly #next: number[];

  /** @param rings by `Vcpu.mapDirtyRing` */
  constructor(
    private readonly vm: Pick<Vm, 'resetDirtyRings'>,
    private readonly slots: Slots,
    rings: readonly Uint8Array[],
  ) {
    this.#rings = rings.map((bytes) => new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    this.#next = rings.map(() => 0);
  }

  collect(): number[] {
    this.drain();
    const found: number[] = [];
    for (const slot of logging(this.slots)) {
      const bitmap = this.#bitmaps.of(slot);
      addressesIn(slot, bitmap, found);
      bitmap.fill(0);
    }
    return found;
  }

  drain(): void {
    const bySlot = new Map(logging(this.slots).map((slot) => [slot.slot, this.#bitmaps.of(slot)]));
    let taken = 0;
    for (const [i, ring] of this.#rings.entries()) taken += this.#drainOne(i, ring, bySlot);
    if (taken > 0) this.vm.resetDirtyRings();
  }

  #drainOne(index: number, ring: Int32Array, bySlot: ReadonlyMap<number, Uint32Array>): number {
    const entries = ring.length / ENTRY_WORDS;
    const first = this.#next[index] ?? 0;
    let next = first;
    for (; next - first < entries; next++) {
      const at = (next % entries) * ENTRY_WORDS;
      if ((Atomics.load(ring, at) & KVM_DIRTY_GFN_F_DIRTY) === 0) break;
      const bitmap = bySlot.get((ring[at + ENTRY_SLOT] ?? 0) & SLOT_MASK);
      const page = (ring[at + ENTRY_OFFSET] ?? 0) >>> 0; // a slot has fewer than 2^31 pages
      // A slot may have gone, or shrunk, since.
      const word = bitmap?.[page >>> 5];
      if (bitmap !== undefined && word !== undefined) bitmap[page >>> 5] = word | (1 << (page & 31));
      Atomics.store(ring, at, KVM_DIRTY_GFN_F_RESET);
    }
    this.#next[index] = next % entries;
    return next - first;
  }
}
