import { VmError } from '../errors.js';
import type { GuestMemory } from './guest-memory.js';

/**
 * Parts of guest memory in a row, as a descriptor chain names them, read and written as if they were one. Made once with
 * its capacity; afterwards it allocates nothing. What a guest says of a part is checked when the part is used.
 */
export class ScatterList {
  readonly #addresses: Float64Array;
  readonly #lengths: Float64Array;
  #count = 0;
  #length = 0;

  /** @param capacity parts */
  constructor(
    private readonly memory: GuestMemory,
    capacity: number,
  ) {
    this.#addresses = new Float64Array(capacity);
    this.#lengths = new Float64Array(capacity);
  }

  /** Bytes of all parts. */
  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#count = 0;
    this.#length = 0;
  }

  /** Appends a part. Returns false, and takes nothing, where the list is full or the length is none. */
  add(address: number, length: number): boolean {
    if (this.#count === this.#addresses.length || !Number.isSafeInteger(length) || length < 0) return false;
    this.#addresses[this.#count] = address;
    this.#lengths[this.#count] = length;
    this.#count++;
    this.#length += length;
    return true;
  }

  /** Whether all parts are RAM: whether `write` could write them all. */
  get isRam(): boolean {
    for (let i = 0; i < this.#count; i++) {
      if (!this.memory.contains(this.#addresses[i] ?? 0, this.#lengths[i] ?? 0)) return false;
    }
    return true;
  }

  /**
   * Copies guest memory, from the list's byte `from` on, into `to`. Returns how many bytes: fewer than `to` has at the
   * list's end. @throws VmError GUEST_ADDRESS_INVALID at the first part that is not memory
   */
  read(from: number, to: Uint8Array): number {
    return this.#each(from, to, false);
  }

  /** Copies `bytes` into guest memory, likewise. */
  write(from: number, bytes: Uint8Array): number {
    return this.#each(from, bytes, true);
  }

  #each(from: number, bytes: Uint8Array, isWrite: boolean): number {
    if (!Number.isSafeInteger(from) || from < 0) throw new VmError('BUG', `${from} is no place in a list`);
    let skip = from;
    let done = 0;
    for (let i = 0; i < this.#count && done < bytes.length; i++) {
      const length = this.#lengths[i] ?? 0;
      const count = Math.min(length - skip, bytes.length - done);
      if (count > 0) {
        const address = (this.#addresses[i] ?? 0) + skip;
        if (isWrite) this.memory.writePart(address, bytes, done, count);
        else this.memory.readPart(address, bytes, done, count);
        done += count;
      }
      skip = Math.max(0, skip - length);
    }
    return done;
  }
}
