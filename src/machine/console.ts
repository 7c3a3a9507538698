import { Readable, Writable } from 'node:stream';
import { ByteRing, ringBuffer } from '../memory/ring.js';

/** Guest output that waits for its reader: beyond this the guest waits. */
const OUTPUT_RING_BYTES = 0x10000;
/** Input that the guest has not read: beyond this the writer waits. */
const INPUT_RING_BYTES = 0x1000;
/**
 * After a silence output is passed on at once. What comes then is collected, one wake-up for many bytes, for a part of
 * the time that it has been coming: a prompt comes at once; a flood, whose every wake-up would cost more than the exit
 * that brought the byte where both threads share a processor, comes in large pieces.
 */
const COLLECT_PART = 1 / 4;
/**
 * That no more waits is no silence yet: where both threads share a processor the guest sends only as much between two
 * looks, some 3 ms apart there, as it was given time for, and would be given no more. Less than the 10 ms for which a
 * workload of the bench warms up: its first and last word are to be passed on at once.
 */
const SILENCE_MS = 8;
const COLLECT_LEAST_MS = 1;
const COLLECT_MOST_MS = 100;

/**
 * The main thread's end of the serial console. Bytes cross to the vCPU threads through bounded rings in shared
 * memory, so a slow reader slows the guest and nothing is lost.
 */
export class Console {
  readonly outputRing = new ByteRing(ringBuffer(OUTPUT_RING_BYTES));
  readonly inputRing = new ByteRing(ringBuffer(INPUT_RING_BYTES));
  /** What the guest sends. It must be read (or `resume()`d), as a child process's output must. */
  readonly output: Readable;
  /** What the guest receives. Bytes wait here until the guest reads them. */
  readonly input: Writable;

  readonly #onInput: () => void;
  readonly #onChunk: (chunk: Uint8Array) => void;
  #pending: { bytes: Uint8Array; done: () => void } | undefined;
  #reading = false;
  #isCollecting = false;
  /** Since when output has been coming without a silence, and when some was last taken: `performance.now`'s milliseconds. */
  #comingSinceMs = Number.NEGATIVE_INFINITY;
  #cameLastMs = Number.NEGATIVE_INFINITY;
  #finished = false;

  /**
   * @param onInput called when bytes were put into the input ring
   * @param onChunk sees all output, whether or not anybody reads the stream
   */
  constructor(onInput: () => void, onChunk: (chunk: Uint8Array) => void) {
    this.#onInput = onInput;
    this.#onChunk = onChunk;
    this.output = new Readable({
      highWaterMark: OUTPUT_RING_BYTES,
      read: () => {
        this.#reading = true;
        if (!this.#isCollecting) this.#drain();
      },
    });
    this.input = new Writable({
      write: (bytes: Uint8Array, _encoding, done) => {
        this.#pending = { bytes, done: () => done() };
        this.inputHasRoom();
      },
    });
    this.outputRing.askForWord();
  }

  /** The vCPU thread sends word: there is output, or no more room for it. */
  outputHasCome(): void {
    if (this.outputRing.length === this.outputRing.capacity) this.#drain();
    else this.#collect();
  }

  /** The vCPU thread sends word: it took input. Also the way in for new input. */
  inputHasRoom(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (this.#finished) return this.#inputDone(pending.done);
    const count = this.inputRing.pushAll(pending.bytes);
    if (count > 0) this.#onInput();
    if (count === pending.bytes.length) return this.#inputDone(pending.done);
    pending.bytes = pending.bytes.subarray(count);
    this.inputRing.askForWord();
    // What the guest took between the two is not told.
    if (this.inputRing.length <= this.inputRing.capacity / 2) this.inputHasRoom();
  }

  /** No vCPU runs any more: passes on what is left, then ends the output. */
  finish(): void {
    if (this.#finished) return;
    this.flush();
    this.#finished = true;
    this.output.push(null);
    this.inputHasRoom();
  }

  /** Passes on all output that waits, whether the reader is ready or not. */
  flush(): void {
    this.#take();
  }

  #inputDone(done: () => void): void {
    this.#pending = undefined;
    done();
  }

  #collect(): void {
    if (this.#finished || this.#isCollecting) return;
    this.#isCollecting = true;
    const collected = (): void => {
      this.#isCollecting = false;
      this.#drain();
    };
    const now = performance.now();
    if (now - this.#cameLastMs > SILENCE_MS) {
      this.#comingSinceMs = now;
      setImmediate(collected);
      return;
    }
    const wantedMs = (now - this.#comingSinceMs) * COLLECT_PART;
    setTimeout(collected, Math.min(Math.max(wantedMs, COLLECT_LEAST_MS), COLLECT_MOST_MS));
  }

  /** Passes on what has come, as far as it is wanted. Where something has, more may: that is looked for without word. */
  #drain(): void {
    if (this.#finished || !this.#reading) return;
    if (this.#take()) return this.#collect();
    this.outputRing.askForWord();
    // What came between the two is not told.
    if (this.outputRing.length > 0) this.#collect();
  }

  /** Passes on one chunk; returns false where there was none. */
  #take(): boolean {
    const chunk = this.outputRing.takeAll();
    if (chunk.length === 0) return false;
    this.#cameLastMs = performance.now();
    this.#onChunk(chunk);
    this.#reading = this.output.push(chunk);
    return true;
  }
}
