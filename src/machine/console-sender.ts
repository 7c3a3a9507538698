import type { ByteRing } from '../memory/ring.js';

/** How long a full ring is waited for before the stop is looked for again. */
const STOP_CHECK_MS = 20;

/** A vCPU thread's end of the serial console's output. */
export class ConsoleSender {
  /**
   * @param sendWord wakes the main thread: `Console.outputHasCome`
   * @param isStopped whether the machine is to stop, so that nobody reads any more
   */
  constructor(
    private readonly ring: ByteRing,
    private readonly sendWord: () => void,
    private readonly isStopped: () => boolean,
  ) {}

  /** Waits while the reader is slow, so that no byte is lost, but not beyond a stop. */
  write(byte: number): void {
    if (!this.ring.push(byte) && !this.#pushWhenThereIsRoom(byte)) return;
    if (this.ring.wordWanted) this.sendWord();
  }

  #pushWhenThereIsRoom(byte: number): boolean {
    this.sendWord();
    do {
      if (this.isStopped()) return false;
      this.ring.waitForRoom(STOP_CHECK_MS);
    } while (!this.ring.push(byte));
    return true;
  }
}
