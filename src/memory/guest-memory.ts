import { VmError } from '../errors.js';
import { native } from '../kvm/native.js';
import type { RamPiece } from './ram.js';

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly readOnly: boolean;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** A bit for each page that was written from this side. */
  readonly written: Int32Array | undefined;
}

const NO_PIECE: Piece = {
  start: 0,
  end: 0,
  readOnly: true,
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  written: undefined,
};
/** Shorter copies cost less as a loop than as a call of the addon. */
const LOOP_BYTES = 64;
const PAGE_SHIFT = 12;
const TWO_32 = 2 ** 32;

/**
 * The only way to guest bytes, for loaders and devices. Guest addresses and lengths are hostile input: each is checked
 * against the memory slots before use, and nothing is read or written where any part of an access is outside. An access
 * may cross from one slot to the next, never outside, and never reaches a device's registers. What is read-only for the
 * guest is so here. All but `slice` make no object (V8 may box a number of 2^31 or more); every refusal is a VmError
 * GUEST_ADDRESS_INVALID.
 */
export class GuestMemory {
  #pieces: readonly Piece[] = [];
  /** Where the last access was. */
  #last: Piece = NO_PIECE;

  constructor(pieces: readonly RamPiece[]) {
    this.replace(pieces);
  }

  /** From now on the slots are these. */
  replace(pieces: readonly RamPiece[]): void {
    this.#pieces = pieces.map(({ start, size, buffer, offset, readOnly = false, hostWrites }) => ({
      start,
      end: start + size,
      readOnly,
      bytes: new Uint8Array(buffer, offset, size),
      view: new DataView(buffer, offset, size),
      written: hostWrites && new Int32Array(hostWrites),
    }));
    this.#last = NO_PIECE;
  }

  /** Whether all of [address, address + length) is RAM, which may be written. */
  contains(address: number, length: number): boolean {
    return this.#holds(address, length, true);
  }

  /** Whether all of it is there to be read: RAM or ROM. */
  isReadable(address: number, length: number): boolean {
    return this.#holds(address, length, false);
  }

  /** Copies `bytes` into guest memory. */
  write(address: number, bytes: Uint8Array): void {
    this.writePart(address, bytes, 0, bytes.length);
  }

  /** Copies `length` bytes of `bytes`, from `offset` on, into guest memory. */
  writePart(address: number, bytes: Uint8Array, offset: number, length: number): void {
    this.#check(address, length, true);
    checkPart(bytes, offset, length);
    for (let done = 0; done < length; ) {
      const piece = this.#piece(address + done);
      const at = address + done - piece.start;
      const count = Math.min(length - done, piece.end - piece.start - at);
      copy(piece.bytes, at, bytes, offset + done, count);
      mark(piece, at, count);
      done += count;
    }
  }

  /** Copies guest memory into `to`. */
  read(address: number, to: Uint8Array): void {
    this.readPart(address, to, 0, to.length);
  }

  /** Copies `length` bytes of guest memory into `to`, from `offset` on. */
  readPart(address: number, to: Uint8Array, offset: number, length: number): void {
    this.#check(address, length, false);
    checkPart(to, offset, length);
    for (let done = 0; done < length; ) {
      const piece = this.#piece(address + done);
      const at = address + done - piece.start;
      const count = Math.min(length - done, piece.end - piece.start - at);
      copy(to, offset + done, piece.bytes, at, count);
      done += count;
    }
  }

  /** Copies within guest memory. Where the two overlap, what was there before the copy is copied. */
  copy(to: number, from: number, length: number): void {
    this.#check(from, length, false);
    this.#check(to, length, true);
    const backwards = to > from;
    for (let left = length; left > 0; ) {
      const done = backwards ? left : length - left;
      left -= backwards
        ? this.#copyEndingAt(to + done, from + done, left)
        : this.#copyFrom(to + done, from + done, left);
    }
  }

  /** Sets every byte of [address, address + length) to `value`. */
  fill(address: number, length: number, value: number): void {
    this.#check(address, length, true);
    for (let done = 0; done < length; ) {
      const piece = this.#piece(address + done);
      const at = address + done - piece.start;
      const count = Math.min(length - done, piece.end - piece.start - at);
      piece.bytes.fill(value, at, at + count);
      mark(piece, at, count);
      done += count;
    }
  }

  readU8(address: number): number {
    const piece = this.#whole(address, 1, false);
    return piece === undefined ? this.#readAcross(address, 1) : piece.view.getUint8(address - piece.start);
  }

  /** 16 bits, little-endian, at any alignment. */
  readU16(address: number): number {
    const piece = this.#whole(address, 2, false);
    return piece === undefined ? this.#readAcross(address, 2) : piece.view.getUint16(address - piece.start, true);
  }

  /** 32 bits, likewise. */
  readU32(address: number): number {
    const piece = this.#whole(address, 4, false);
    return piece === undefined ? this.#readAcross(address, 4) : piece.view.getUint32(address - piece.start, true);
  }

  /** 64 bits, likewise: exact below 2^53. As an address or a length, any more is refused wherever it is used. */
  readU64(address: number): number {
    this.#check(address, 8, false);
    return this.readU32(address + 4) * TWO_32 + this.readU32(address);
  }

  writeU8(address: number, value: number): void {
    const piece = this.#whole(address, 1, true);
    if (piece === undefined) return this.#writeAcross(address, value, 1);
    piece.view.setUint8(address - piece.start, value);
    mark(piece, address - piece.start, 1);
  }

  writeU16(address: number, value: number): void {
    const piece = this.#whole(address, 2, true);
    if (piece === undefined) return this.#writeAcross(address, value, 2);
    piece.view.setUint16(address - piece.start, value, true);
    mark(piece, address - piece.start, 2);
  }

  writeU32(address: number, value: number): void {
    const piece = this.#whole(address, 4, true);
    if (piece === undefined) return this.#writeAcross(address, value, 4);
    piece.view.setUint32(address - piece.start, value, true);
    mark(piece, address - piece.start, 4);
  }

  /** @param value a whole number from 0 to 2^53 - 1 */
  writeU64(address: number, value: number): void {
    this.#check(address, 8, true);
    this.writeU32(address, value >>> 0);
    this.writeU32(address + 4, Math.floor(value / TWO_32));
  }

  /**
   * The bytes themselves, to look at, where they lie within one slot; else undefined. Good until the slots change.
   * A write to it is not told to whoever asked for host writes.
   */
  slice(address: number, length: number): Uint8Array | undefined {
    this.#check(address, length, false);
    if (length === 0) return new Uint8Array(0);
    const piece = this.#piece(address);
    if (address + length > piece.end) return undefined;
    return piece.bytes.subarray(address - piece.start, address - piece.start + length);
  }

  /** Copies as much as both ends have in one piece each, and returns how much. */
  #copyFrom(to: number, from: number, most: number): number {
    const source = this.#piece(from);
    const target = this.#piece(to);
    const count = Math.min(most, source.end - from, target.end - to);
    return copyOnce(target, to - target.start, source, from - source.start, count);
  }

  /** The same, of what ends there. */
  #copyEndingAt(toEnd: number, fromEnd: number, most: number): number {
    const source = this.#piece(fromEnd - 1);
    const target = this.#piece(toEnd - 1);
    const count = Math.min(most, fromEnd - source.start, toEnd - target.start);
    return copyOnce(target, toEnd - count - target.start, source, fromEnd - count - source.start, count);
  }

  #readAcross(address: number, size: number): number {
    this.#check(address, size, false);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) {
      const piece = this.#piece(address + i);
      value = (value << 8) | piece.view.getUint8(address + i - piece.start);
    }
    return value >>> 0;
  }

  #writeAcross(address: number, value: number, size: number): void {
    this.#check(address, size, true);
    for (let i = 0; i < size; i++) this.writeU8(address + i, (value >>> (8 * i)) & 0xff);
  }

  /** The piece that holds all of an access, where one does. */
  #whole(address: number, size: number, toWrite: boolean): Piece | undefined {
    const { start, end } = this.#last;
    const piece = address >= start && address < end ? this.#last : this.#find(address);
    if (piece === undefined || address + size > piece.end || (toWrite && piece.readOnly)) return undefined;
    return Number.isInteger(address) ? piece : undefined;
  }

  #holds(address: number, length: number, toWrite: boolean): boolean {
    if (!(Number.isSafeInteger(address) && Number.isSafeInteger(length) && address >= 0 && length >= 0)) return false;
    for (let at = address, end = address + length; at < end; ) {
      const piece = this.#find(at);
      if (piece === undefined || (toWrite && piece.readOnly)) return false;
      at = piece.end;
    }
    return true;
  }

  #check(address: number, length: number, toWrite: boolean): void {
    if (this.#holds(address, length, toWrite)) return;
    throw new VmError(
      'GUEST_ADDRESS_INVALID',
      `guest-physical range 0x${address.toString(16)} + 0x${length.toString(16)} is not all ${toWrite ? 'RAM' : 'RAM or ROM'}`,
    );
  }

  #find(address: number): Piece | undefined {
    const pieces = this.#pieces;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i];
      if (piece !== undefined && address >= piece.start && address < piece.end) {
        this.#last = piece;
        return piece;
      }
    }
    return undefined;
  }

  #piece(address: number): Piece {
    const piece = this.#find(address);
    if (piece === undefined) throw new VmError('GUEST_ADDRESS_INVALID', `0x${address.toString(16)} is not RAM`);
    return piece;
  }
}

function copyOnce(target: Piece, to: number, source: Piece, from: number, count: number): number {
  native.copy(target.bytes, to, source.bytes, from, count);
  mark(target, to, count);
  return count;
}

function copy(to: Uint8Array, toOffset: number, from: Uint8Array, fromOffset: number, length: number): void {
  if (length > LOOP_BYTES) native.copy(to, toOffset, from, fromOffset, length);
  else for (let i = 0; i < length; i++) to[toOffset + i] = from[fromOffset + i] ?? 0;
}

function checkPart(bytes: Uint8Array, offset: number, length: number): void {
  if (offset >= 0 && offset + length <= bytes.length) return;
  throw new VmError('BUG', `${offset} + ${length} is not within a buffer of ${bytes.length} bytes`);
}

/** Takes down that pages were written, where that is asked for. */
function mark({ written }: Piece, at: number, count: number): void {
  if (written === undefined || count === 0) return;
  const last = Math.floor((at + count - 1) / 2 ** PAGE_SHIFT);
  for (let page = Math.floor(at / 2 ** PAGE_SHIFT); page <= last; page++) {
    Atomics.or(written, page >>> 5, 1 << (page & 31));
  }
}
