import { VmError } from '../errors.js';
import type { RamPiece } from './ram.js';

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
}

/**
 * The only way to guest bytes, for loaders and devices. Guest addresses and lengths are hostile input: each is
 * checked against RAM before use. An access may cross from one piece of RAM to the next, never outside.
 */
export class GuestMemory {
  readonly #pieces: readonly Piece[];

  constructor(pieces: readonly RamPiece[]) {
    this.#pieces = pieces.map(({ start, size, buffer, offset }) => ({
      start,
      end: start + size,
      bytes: new Uint8Array(buffer, offset, size),
    }));
  }

  /** Whether all of [address, address + length) is RAM. */
  contains(address: number, length: number): boolean {
    if (!(Number.isSafeInteger(address) && Number.isSafeInteger(length) && address >= 0 && length >= 0)) return false;
    for (let at = address, end = address + length; at < end; ) {
      const piece = this.#find(at);
      if (piece === undefined) return false;
      at = piece.end;
    }
    return true;
  }

  /**
   * Copies bytes into guest memory.
   * @throws VmError GUEST_ADDRESS_INVALID where any of them would be outside RAM; nothing is written then
   */
  write(address: number, bytes: Uint8Array): void {
    this.#check(address, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      const piece = this.#piece(address + done);
      const count = Math.min(bytes.length - done, piece.end - (address + done));
      piece.bytes.set(bytes.subarray(done, done + count), address + done - piece.start);
      done += count;
    }
  }

  /**
   * Copies guest memory into `to`.
   * @throws VmError GUEST_ADDRESS_INVALID where any of it is outside RAM
   */
  read(address: number, to: Uint8Array): void {
    this.#check(address, to.length);
    for (let done = 0; done < to.length; ) {
      const piece = this.#piece(address + done);
      const from = address + done - piece.start;
      const count = Math.min(to.length - done, piece.end - (address + done));
      to.set(piece.bytes.subarray(from, from + count), done);
      done += count;
    }
  }

  #check(address: number, length: number): void {
    if (this.contains(address, length)) return;
    throw new VmError(
      'GUEST_ADDRESS_INVALID',
      `guest-physical range 0x${address.toString(16)} + 0x${length.toString(16)} is not all RAM`,
    );
  }

  #find(address: number): Piece | undefined {
    for (const piece of this.#pieces) if (address >= piece.start && address < piece.end) return piece;
    return undefined;
  }

  #piece(address: number): Piece {
    const piece = this.#find(address);
    if (piece === undefined) throw new VmError('GUEST_ADDRESS_INVALID', `0x${address.toString(16)} is not RAM`);
    return piece;
  }
}
