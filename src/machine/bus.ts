import type { Registers } from '../devices/device.js';
import { VmError } from '../errors.js';

/** A device's range on a bus. */
export interface BusRange {
  readonly name: string;
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** The widest access that the device's registers take at once: 1, 2 or 4 bytes. */
  readonly width: 1 | 2 | 4;
}

const ALL_ONES = 0xffff_ffff;

/** A range with the device behind it. */
export interface Claim extends BusRange {
  readonly end: number;
  readonly registers: Registers;
}

/** Claims no address. */
const NO_CLAIM: Claim = {
  name: 'nothing',
  start: 0,
  size: 0,
  end: 0,
  width: 1,
  registers: { read: () => ALL_ONES, write: () => {} },
};

/** Counts what reached no device. */
export interface UnclaimedCounter {
  /** Called for bytes of an access, 1, 2 or 4, that no device claims; for each byte once. */
  unclaimed(address: number, size: number): void;
}

/**
 * Ports or MMIO addresses, and the devices behind them. One rule for every access, as on the real buses:
 * an access that lies within one device's range and is no wider than its registers goes to it whole. Any other
 * is carried out as two halves, the lower address first, down to single bytes; a byte that no device claims reads
 * all ones, and a write to it is dropped; both are counted.
 */
export class Bus {
  readonly #claims: Claim[] = [];
  readonly #counter: UnclaimedCounter;
  /**
   * The claim of the last access, where the vCPU's loop looks before it calls `write`. Not `#last`, which costs twice as
   * much as long as V8 has not optimized.
   */
  last: Claim = NO_CLAIM;

  /** @param name "port" or "MMIO address", for messages */
  constructor(
    readonly name: string,
    counter: UnclaimedCounter,
  ) {
    this.#counter = counter;
  }

  /** @throws VmError BUS_OVERLAP, naming both, where the range overlaps one that is there */
  add(range: BusRange, registers: Registers): void {
    const claim = { ...range, end: range.start + range.size, registers };
    const other = this.#claims.find((c) => range.start < c.end && c.start < claim.end);
    if (other !== undefined) {
      throw new VmError('BUS_OVERLAP', `${this.#text(claim)} overlaps ${this.#text(other)}`);
    }
    this.#claims.push(claim);
    this.#claims.sort((a, b) => a.start - b.start);
  }

  /** All ranges, in order of address. */
  get ranges(): readonly BusRange[] {
    return this.#claims;
  }

  /** The device that claims the address, by name. */
  deviceAt(address: number): string | undefined {
    const claim = this.#claimFrom(address);
    return claim !== undefined && claim.start <= address ? claim.name : undefined;
  }

  /** @param size 1, 2 or 4 bytes */
  read(address: number, size: number): number {
    const { last } = this;
    const offset = address - last.start;
    if (offset >= 0 && offset + size <= last.size && size <= last.width) return last.registers.read(offset, size) >>> 0;
    const claim = this.#claimFrom(address);
    return this.#remember(claim, address, size) ? this.read(address, size) : this.#readInParts(claim, address, size);
  }

  /** @param size 1, 2 or 4 bytes */
  write(address: number, value: number, size: number): void {
    const { last } = this;
    const offset = address - last.start;
    if (offset >= 0 && offset + size <= last.size && size <= last.width) {
      last.registers.write(offset, value, size);
      return;
    }
    const claim = this.#claimFrom(address);
    if (this.#remember(claim, address, size)) this.write(address, value, size);
    else this.#writeInParts(claim, address, value, size);
  }

  /** @param claim what `#claimFrom` found */
  #readInParts(claim: Claim | undefined, address: number, size: number): number {
    if (!reaches(claim, address, size)) {
      this.#counter.unclaimed(address, size);
      return ALL_ONES >>> (32 - size * 8);
    }
    const half = size >> 1;
    const low = this.read(address, half);
    return (low | (this.read(address + half, half) << (half * 8))) >>> 0;
  }

  #writeInParts(claim: Claim | undefined, address: number, value: number, size: number): void {
    if (!reaches(claim, address, size)) return this.#counter.unclaimed(address, size);
    const half = size >> 1;
    const bits = half * 8;
    this.write(address, value & ((1 << bits) - 1), half);
    this.write(address + half, value >>> bits, half);
  }

  /** Reads `length` bytes (any count) at `address` into `data` at `at`, in the largest steps of 4, 2 and 1. */
  readBytes(address: number, data: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const size = stepOf(length - done);
      let value = this.read(address + done, size);
      for (let i = 0; i < size; i++, value >>>= 8) data[at + done + i] = value & 0xff;
      done += size;
    }
  }

  /** Writes likewise. */
  writeBytes(address: number, data: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const size = stepOf(length - done);
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = (value << 8) | (data[at + done + i] ?? 0);
      this.write(address + done, value >>> 0, size);
      done += size;
    }
  }

  /** The first claim that ends after the address: the one around it, or the next above. */
  #claimFrom(address: number): Claim | undefined {
    let low = 0;
    let high = this.#claims.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (address < (this.#claims[middle]?.end ?? 0)) high = middle;
      else low = middle + 1;
    }
    return this.#claims[low];
  }

  /** Makes the claim the last one, if it takes such an access whole; returns whether it does. */
  #remember(claim: Claim | undefined, address: number, size: number): boolean {
    if (claim === undefined || address < claim.start || size > claim.width || address + size > claim.end) return false;
    this.last = claim;
    return true;
  }

  #text({ name, start, size }: BusRange): string {
    return `${name} at ${this.name} 0x${start.toString(16)}-0x${(start + size - 1).toString(16)}`;
  }
}

/** Whether a claim that ends after the address, if there is one, has a byte of the access. */
const reaches = (claim: Claim | undefined, address: number, size: number): boolean =>
  claim !== undefined && claim.start < address + size;

function stepOf(left: number): number {
  if (left >= 4) return 4;
  return left >= 2 ? 2 : 1;
}
