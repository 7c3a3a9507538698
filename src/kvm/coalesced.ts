import { KVM_COALESCED_MMIO_PAGE_OFFSET } from './abi/constants.js';
import { kvmCoalescedMmio, kvmCoalescedMmioRing } from './abi/run.js';

const PAGE_SIZE = 4096;
const FIRST = kvmCoalescedMmioRing.fields.first.offset / 4;
const LAST = kvmCoalescedMmioRing.fields.last.offset / 4;
const ENTRIES = kvmCoalescedMmioRing.size / 4;
const ENTRY = kvmCoalescedMmio.fields;
const ENTRY_WORDS = kvmCoalescedMmio.size / 4;
const ADDRESS = ENTRY.physAddr.offset / 4;
const LENGTH = ENTRY.len.offset / 4;
const IS_PIO = ENTRY.pio.offset / 4;
const DATA = ENTRY.data.offset / 4;
/** Entries that fit behind the ring's header (KVM_COALESCED_MMIO_MAX): one less than this may wait. */
export const KVM_COALESCED_MMIO_MAX = Math.floor((PAGE_SIZE - kvmCoalescedMmioRing.size) / kvmCoalescedMmio.size);

/** From `Vcpu.makeRun`'s function in place of undefined: KVM_RUN made an exit, and writes wait in the ring. */
export const WRITES_WAIT = 1;

/** Writes in a row in the ring, of one width to one place, that KVM kept back. The ring makes one, and uses it again. */
export interface CoalescedWrites {
  /** A port, or a guest-physical address (below 2^52). */
  address: number;
  isPio: boolean;
  /** 1, 2, 4 or 8 bytes. */
  length: number;
  count: number;
  /** The first `count` are what was written, oldest first; of 8 bytes the low half. */
  readonly values: Uint32Array;
}

/**
 * The ring of coalesced writes (KVM API 4.116). A VM has one, which every vCPU's mapping shows: where there are
 * several vCPUs, whoever drains holds a lock.
 */
export class CoalescedRing {
  readonly bytes: Uint8Array;
  readonly #words: Uint32Array;
  readonly #writes: CoalescedWrites = {
    address: 0,
    isPio: false,
    length: 0,
    count: 0,
    values: new Uint32Array(KVM_COALESCED_MMIO_MAX),
  };

  /** @param run a vCPU's mapping (`vcpu.page.bytes`) */
  constructor(run: Uint8Array) {
    const start = run.byteOffset + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;
    this.bytes = new Uint8Array(run.buffer, start, PAGE_SIZE);
    this.#words = new Uint32Array(run.buffer, start, PAGE_SIZE / 4);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#words, FIRST) === Atomics.load(this.#words, LAST);
  }

  /** Changes with each write that comes or is taken. */
  get position(): number {
    return Atomics.load(this.#words, FIRST) * KVM_COALESCED_MMIO_MAX + Atomics.load(this.#words, LAST);
  }

  /**
   * Hands over every write that waits, oldest first, also those that come meanwhile. What was handed over stands in the
   * ring until `carryOut` returns: while it is not empty, not all has been done.
   */
  drain(carryOut: (writes: CoalescedWrites) => void): void {
    const words = this.#words;
    // Plain loads: nobody else takes, and what KVM wrote in this thread's own KVM_RUN is there.
    let first = words[FIRST] ?? 0;
    for (let last = words[LAST] ?? 0; first !== last; last = words[LAST] ?? 0) {
      first = this.#take(first, last);
      carryOut(this.#writes);
      // KVM may overwrite the entries from here on. Linux 6.1 computes the room modulo 2^32: from `first` 0 and more than
      // 85 entries on it takes a full ring for one with room. So `first` becomes 0 only where no more wait.
      if (first !== 0 || words[LAST] === 0) Atomics.store(words, FIRST, first);
    }
  }

  /** Reads the writes in a row that begin at entry `first`; returns the entry after them. */
  #take(first: number, last: number): number {
    const words = this.#words;
    const writes = this.#writes;
    const { values } = writes;
    let at = ENTRIES + first * ENTRY_WORDS;
    const low = words[at + ADDRESS] ?? 0;
    const high = words[at + ADDRESS + 1] ?? 0;
    const length = words[at + LENGTH] ?? 0;
    const isPio = words[at + IS_PIO] ?? 0;
    const mask = length < 4 ? (1 << (8 * length)) - 1 : -1;
    // To the end of the page at most: what goes on at its start is taken next.
    const end = ENTRIES + (last > first ? last : KVM_COALESCED_MMIO_MAX) * ENTRY_WORDS;
    let count = 0;
    do {
      values[count++] = (words[at + DATA] ?? 0) & mask;
      at += ENTRY_WORDS;
    } while (
      at < end &&
      words[at + ADDRESS] === low &&
      words[at + LENGTH] === length &&
      words[at + IS_PIO] === isPio &&
      words[at + ADDRESS + 1] === high
    );
    const entry = (first + count) % KVM_COALESCED_MMIO_MAX;
    writes.address = high * 0x100000000 + low;
    writes.isPio = isPio !== 0;
    writes.length = length;
    writes.count = count;
    return entry;
  }
}
