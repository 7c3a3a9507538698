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

interface Claim extends BusRange {
  readonly end: number;
  readonly registers: Registers;
}

/** Counts what reached no device. */
export interface UnclaimedCounter {
  /** Called once for each byte of an access that no device claims. */
  unclaimed(address: number): void;
}

const ALL_ONES = 0xff;

/**
 * Ports or MMIO addresses, and the devices behind them. One rule for every access, as on the real buses:
 * an access that lies within one device's range and is no wider than its registers goes to it whole. Any other
 * is carried out as two halves, the lower address first, down to single bytes; a byte that no device claims reads
 * all ones, and a write to it is dropped; both are counted.
 */
export class Bus {
  readonly #claims: Claim[] = [];
  readonly #counter: UnclaimedCounter;
  #last: Claim | undefined;

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
    return this.#find(address)?.name;
  }

  /** @param size 1, 2 or 4 bytes */
  read(address: number, size: number): number {
    const claim = this.#find(address);
    if (claim !== undefined && size <= claim.width && address + size <= claim.end) {
      return claim.registers.read(address - claim.start, size) >>> 0;
    }
    if (size === 1) {
      // A byte that is claimed has been read above: the narrowest registers take a byte.
      this.#counter.unclaimed(address);
      return ALL_ONES;
    }
    const half = size >> 1;
    const low = this.read(address, half);
    return (low | (this.read(address + half, half) << (half * 8))) >>> 0;
  }

  /** @param size 1, 2 or 4 bytes */
  write(address: number, value: number, size: number): void {
    const claim = this.#find(address);
    if (claim !== undefined && size <= claim.width && address + size <= claim.end) {
      claim.registers.write(address - claim.start, value, size);
      return;
    }
    if (size === 1) {
      this.#counter.unclaimed(address);
      return;
    }
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

  #find(address: number): Claim | undefined {
    const last = this.#last;
    if (last !== undefined && address >= last.start && address < last.end) return last;
    let low = 0;
    let high = this.#claims.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const claim = this.#claims[middle];
      if (claim === undefined || address < claim.start) high = middle - 1;
      else if (address >= claim.end) low = middle + 1;
      else {
        this.#last = claim;
        return claim;
      }
    }
    return undefined;
  }

  #text({ name, start, size }: BusRange): string {
    return `${name} at ${this.name} 0x${start.toString(16)}-0x${(start + size - 1).toString(16)}`;
  }
}

function stepOf(left: number): number {
  if (left >= 4) return 4;
  return left >= 2 ? 2 : 1;
}
