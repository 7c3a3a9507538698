import type { Clock, Timed, Timer } from '../devices/device.js';
import type { Placed } from './board.js';

const MAX_TIMERS = 16;
const CELLS = 2;
const DUE = 0;
const TOLD = 1;
/** The host's clock may be set: a long wait is looked at again so often. */
const LONGEST_WAIT_MS = 1000;
const NEVER = Number.POSITIVE_INFINITY;

/** Shared memory for the timers of a machine: none is set. */
export function timerCells(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(MAX_TIMERS * CELLS * Float64Array.BYTES_PER_ELEMENT);
  new Float64Array(buffer).fill(NEVER);
  return buffer;
}

/**
 * A device's timer in shared memory, set by any thread that holds the device's lock. The main thread is told only when
 * it would otherwise wake too late.
 */
class SharedTimer implements Timer {
  constructor(
    readonly cells: Float64Array,
    private readonly wake: () => void,
  ) {}

  set(wallMs: number): void {
    this.cells[DUE] = wallMs;
    if (wallMs >= (this.cells[TOLD] ?? NEVER)) return;
    this.cells[TOLD] = wallMs;
    this.wake();
  }

  get due(): number {
    return this.cells[DUE] ?? NEVER;
  }

  /** The main thread will look when it is due, as it is set now. */
  accept(): void {
    this.cells[TOLD] = this.due;
  }
}

/** The timers of a machine's devices: every thread makes the same ones in the same order; the main thread runs them. */
export class Timers {
  readonly #buffer: SharedArrayBuffer;
  readonly #wake: () => void;
  readonly #driven: { readonly timer: SharedTimer; readonly placed: Placed<Timed> }[] = [];
  #waiting: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param wake has the main thread call `run`, later */
  constructor(buffer: SharedArrayBuffer, wake: () => void) {
    this.#buffer = buffer;
    this.#wake = wake;
  }

  /** Places a device that has a timer. */
  place<D extends Timed>(place: (timer: Timer) => Placed<D>): Placed<D> {
    const at = this.#driven.length * CELLS * Float64Array.BYTES_PER_ELEMENT;
    const timer = new SharedTimer(new Float64Array(this.#buffer, at, CELLS), this.#wake);
    const placed = place(timer);
    this.#driven.push({ timer, placed });
    return placed;
  }

  /** On the main thread: calls the devices whose time has come, and waits for the next. */
  run(clock: Clock): void {
    clearTimeout(this.#waiting);
    if (this.#stopped) return;
    let next = NEVER;
    for (const { timer, placed } of this.#driven) {
      placed.lock.hold(() => {
        if (timer.due <= clock.wallMs()) placed.device.expire();
        timer.accept();
        next = Math.min(next, timer.due);
      });
    }
    if (next === NEVER) return;
    const wait = Math.min(Math.max(next - clock.wallMs(), 0), LONGEST_WAIT_MS);
    this.#waiting = setTimeout(() => this.run(clock), Math.ceil(wait));
    this.#waiting.unref();
  }

  /** On the main thread: no device is called any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#waiting);
  }
}
