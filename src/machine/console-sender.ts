import type { ByteSink } from '../devices/device.js';
import type { Lock } from '../memory/lock.js';
import type { ByteRing } from '../memory/ring.js';

/** How long a full ring is waited for before the stop is looked for again. */
const STOP_CHECK_MS = 20;

export interface SenderOptions {
  /** Wakes the main thread: `Console.outputHasCome`. */
  readonly sendWord: () => void;
  /** Whether the machine is to stop, so that nobody reads any more. */
  readonly isStopped: () => boolean;
  /** How many threads send. */
  readonly threads: number;
}

/**
 * A vCPU thread's end of the serial console's output. Its `write` waits while the reader is slow, so that no byte is
 * lost, but not beyond a stop.
 */
export function makeSender(ring: ByteRing, options: SenderOptions): ByteSink {
  const sender = new Sender(ring, options);
  return options.threads > 1 ? new OneAtATime(sender, ring.producing) : sender;
}

class Sender implements ByteSink {
  readonly #sendWord: () => void;
  readonly #isStopped: () => boolean;

  constructor(
    private readonly ring: ByteRing,
    { sendWord, isStopped }: SenderOptions,
  ) {
    this.#sendWord = sendWord;
    this.#isStopped = isStopped;
  }

  write(byte: number): void {
    if (!this.ring.push(byte) && !this.#pushWhenThereIsRoom(byte)) return;
    if (this.ring.wordWanted) this.#sendWord();
  }

  writeAll(values: Uint32Array, count: number): void {
    let done = this.ring.pushValues(values, 0, count);
    while (done < count) {
      if (!this.#pushWhenThereIsRoom(values[done++] ?? 0)) return;
      done += this.ring.pushValues(values, done, count);
    }
    if (this.ring.wordWanted) this.#sendWord();
  }

  #pushWhenThereIsRoom(byte: number): boolean {
    this.#sendWord();
    do {
      if (this.#isStopped()) return false;
      this.ring.waitForRoom(STOP_CHECK_MS);
    } while (!this.ring.push(byte));
    return true;
  }
}

/**
 * The ring has one producer. A device's own lock is not enough for that: the UART and the debug console, two devices,
 * send to the same ring. Whoever waits here for a slow reader ends with the stop, and so do those who wait for it.
 */
class OneAtATime implements ByteSink {
  constructor(
    private readonly sender: ByteSink,
    private readonly lock: Lock,
  ) {}

  write(byte: number): void {
    this.lock.acquire();
    try {
      this.sender.write(byte);
    } finally {
      this.lock.release();
    }
  }

  writeAll(values: Uint32Array, count: number): void {
    this.lock.acquire();
    try {
      this.sender.writeAll(values, count);
    } finally {
      this.lock.release();
    }
  }
}
