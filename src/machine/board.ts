import type { Registers } from '../devices/device.js';
import { Lock } from '../memory/lock.js';
import type { Fields, Laid, Struct } from '../memory/struct.js';
import type { Bus, BusRange } from './bus.js';

/** Shared memory for the state of all devices of a machine. */
const STATE_BYTES = 0x10000;
const MAX_DEVICES = 64;

/** Shared memory that every thread of a machine lays its devices over. */
export function boardBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer(MAX_DEVICES * 4 + STATE_BYTES);
}

export interface Placed<D> {
  readonly device: D;
  /** Held around each access from a bus; anybody else who calls the device acquires it first. */
  readonly lock: Lock;
}

/**
 * Places devices: state in shared memory, registers on a bus, a lock around them. Every thread runs the same
 * placements in the same order, and so gets devices over the same state.
 */
export class Board {
  readonly #locks: Int32Array;
  #devices = 0;
  #used = MAX_DEVICES * 4;

  /** @param locking whether bus accesses hold the device's lock: wherever two threads may touch a device */
  constructor(
    private readonly buffer: SharedArrayBuffer,
    private readonly locking: (name: string) => boolean,
  ) {
    this.#locks = new Int32Array(buffer, 0, MAX_DEVICES);
  }

  place<F extends Fields, D>(
    name: string,
    layout: Struct<F>,
    make: (state: Laid<F>) => D,
    ...ranges: readonly Placement<D>[]
  ): Placed<D> {
    const state = layout.over(this.buffer, this.#used);
    this.#used += layout.size;
    const lock = new Lock(this.#locks, this.#devices++);
    const device = make(state);
    for (const { bus, start, size, width, registers } of ranges) {
      const plain = registers(device);
      bus.add({ name, start, size, width }, this.locking(name) ? new LockedRegisters(plain, lock) : plain);
    }
    return { device, lock };
  }
}

/** Where registers of a device are. */
export interface Placement<D> extends Omit<BusRange, 'name'> {
  readonly bus: Bus;
  readonly registers: (device: D) => Registers;
}

class LockedRegisters implements Registers {
  constructor(
    private readonly registers: Registers,
    private readonly lock: Lock,
  ) {}

  read(offset: number, size: number): number {
    this.lock.acquire();
    try {
      return this.registers.read(offset, size);
    } finally {
      this.lock.release();
    }
  }

  write(offset: number, value: number, size: number): void {
    this.lock.acquire();
    try {
      this.registers.write(offset, value, size);
    } finally {
      this.lock.release();
    }
  }
}
