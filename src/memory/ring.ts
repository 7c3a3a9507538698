/**
 * A bounded byte queue in shared memory between one producing and one consuming thread. Head and tail are counts
 * modulo 2^32, read and written with Atomics: a typed array's plain access has no ordering. Where several threads
 * produce, each holds the lock `producing` meanwhile.
 */
import { Lock } from './lock.js';

const HEAD = 0;
const TAIL = 1;
const WANTED = 2;
const PRODUCING = 3;
const INDEX_BYTES = 16;

export class ByteRing {
  readonly #indices: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #mask: number;
  /** Makes one producer of several threads. */
  readonly producing: Lock;

  /** @param buffer made by `ringBuffer` */
  constructor(readonly buffer: SharedArrayBuffer) {
    this.#indices = new Int32Array(buffer, 0, INDEX_BYTES / 4);
    this.producing = new Lock(this.#indices, PRODUCING);
    this.#bytes = new Uint8Array(buffer, INDEX_BYTES);
    this.#mask = this.#bytes.length - 1;
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  /** Bytes that wait. */
  get length(): number {
    return (Atomics.load(this.#indices, HEAD) - Atomics.load(this.#indices, TAIL)) >>> 0;
  }

  /** Whether none wait. Consumer only: its own count is what it wrote last. */
  get isEmpty(): boolean {
    return Atomics.load(this.#indices, HEAD) === this.#indices[TAIL];
  }

  /** Appends a byte; returns false where the ring is full. Producer only. */
  push(byte: number): boolean {
    const head = Atomics.load(this.#indices, HEAD);
    if ((head - Atomics.load(this.#indices, TAIL)) >>> 0 === this.#bytes.length) return false;
    this.#bytes[head & this.#mask] = byte;
    Atomics.store(this.#indices, HEAD, (head + 1) | 0);
    return true;
  }

  /** Appends as many of the bytes as there is room for; returns how many. Producer only. */
  pushAll(bytes: Uint8Array): number {
    const head = Atomics.load(this.#indices, HEAD);
    const room = this.#bytes.length - ((head - Atomics.load(this.#indices, TAIL)) >>> 0);
    const count = Math.min(room, bytes.length);
    const at = head & this.#mask;
    const first = Math.min(count, this.#bytes.length - at);
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first, count), 0);
    Atomics.store(this.#indices, HEAD, (head + count) | 0);
    return count;
  }

  /** Appends those of `values` from `from` to `to` that there is room for, a byte each; returns how many. Producer only. */
  pushValues(values: Uint32Array, from: number, to: number): number {
    const indices = this.#indices;
    const bytes = this.#bytes;
    const mask = this.#mask;
    const head = indices[HEAD] ?? 0;
    const room = bytes.length - ((head - Atomics.load(indices, TAIL)) >>> 0);
    const count = Math.min(room, to - from);
    for (let i = 0; i < count; i++) bytes[(head + i) & mask] = values[from + i] ?? 0;
    Atomics.store(indices, HEAD, (head + count) | 0);
    return count;
  }

  /** The next byte, or -1 where there is none. Consumer only. */
  shift(): number {
    const tail = Atomics.load(this.#indices, TAIL);
    if (Atomics.load(this.#indices, HEAD) === tail) return -1;
    const byte = this.#bytes[tail & this.#mask] ?? -1;
    Atomics.store(this.#indices, TAIL, (tail + 1) | 0);
    return byte;
  }

  /** Takes all that waits, as a copy of its own. Consumer only. */
  takeAll(): Uint8Array {
    const tail = Atomics.load(this.#indices, TAIL);
    const count = (Atomics.load(this.#indices, HEAD) - tail) >>> 0;
    const taken = new Uint8Array(count);
    const at = tail & this.#mask;
    const first = Math.min(count, this.#bytes.length - at);
    taken.set(this.#bytes.subarray(at, at + first), 0);
    taken.set(this.#bytes.subarray(0, count - first), first);
    Atomics.store(this.#indices, TAIL, (tail + count) | 0);
    Atomics.notify(this.#indices, TAIL);
    return taken;
  }

  /**
   * Either side: asks the other to send word at its next change. Look at the ring once more after asking: what
   * changed before is not told.
   */
  askForWord(): void {
    Atomics.store(this.#indices, WANTED, 1);
  }

  /** The other side, after a change: whether word is wanted, which is then no longer so. */
  get wordWanted(): boolean {
    return Atomics.load(this.#indices, WANTED) !== 0 && Atomics.exchange(this.#indices, WANTED, 0) !== 0;
  }

  /** Producer: sleeps until something was taken or `timeoutMs` are over. Returns at once where the ring is not full. */
  waitForRoom(timeoutMs: number): void {
    const tail = Atomics.load(this.#indices, TAIL);
    if ((Atomics.load(this.#indices, HEAD) - tail) >>> 0 < this.#bytes.length) return;
    Atomics.wait(this.#indices, TAIL, tail, timeoutMs);
  }
}

/** @param capacity bytes, a power of two */
export function ringBuffer(capacity: number): SharedArrayBuffer {
  return new SharedArrayBuffer(INDEX_BYTES + capacity);
}
