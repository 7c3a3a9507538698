import { native } from '../kvm/native.js';
import { Bus } from './bus.js';

/** The places on the way of a port access through the devices. */
export const HOPS = ['busEntered', 'consoleEntered', 'consoleLeft', 'busLeft'] as const;
export type HopName = (typeof HOPS)[number];

/** A vCPU's thread was there. */
export interface Hop {
  readonly name: HopName;
  /** Ticks of the host's TSC. */
  readonly tsc: number;
}

/** Those of a short run: a place costs 16 bytes. Further ones are counted only. */
const MOST_HOPS = 0x4000;

/**
 * When a vCPU's thread went through its devices, in memory that it shares with the reader. It costs a time stamp at
 * every place, so it is there only where it was asked for.
 */
export class Hops {
  /** How many there were; then name and time of each. */
  readonly #cells: Float64Array;

  static makeBuffer(): SharedArrayBuffer {
    return new SharedArrayBuffer((1 + 2 * MOST_HOPS) * 8);
  }

  constructor(readonly buffer: SharedArrayBuffer) {
    this.#cells = new Float64Array(buffer);
  }

  mark(name: HopName): void {
    const cells = this.#cells;
    const count = cells[0] ?? 0;
    cells[0] = count + 1;
    if (count >= MOST_HOPS) return;
    cells[1 + 2 * count] = HOPS.indexOf(name);
    cells[2 + 2 * count] = native.rdtsc();
  }

  /** All of them, oldest first, once the thread has ended. */
  read(): Hop[] {
    const count = Math.min(this.#cells[0] ?? 0, MOST_HOPS);
    return Array.from({ length: count }, (_, index) => ({
      name: HOPS[this.#cells[1 + 2 * index] ?? 0] ?? 'busEntered',
      tsc: this.#cells[2 + 2 * index] ?? 0,
    }));
  }
}

/** Another bus, with the time of each access. */
export class TimedBus extends Bus {
  constructor(
    private readonly inner: Bus,
    private readonly hops: Hops,
  ) {
    super(inner.name, { unclaimed: () => {} });
  }

  override read(address: number, size: number): number {
    this.hops.mark('busEntered');
    const value = this.inner.read(address, size);
    this.hops.mark('busLeft');
    return value;
  }

  override write(address: number, value: number, size: number): void {
    this.hops.mark('busEntered');
    this.inner.write(address, value, size);
    this.hops.mark('busLeft');
  }
}
