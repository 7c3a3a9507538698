import { Readable, Writable } from 'node:stream';
import { ByteRing, ringBuffer } from '../memory/ring.js';

/** Guest output that waits for its reader: beyond this the guest waits. */
const OUTPUT_RING_BYTES = 0x10000;
/** Input that the guest has not read: beyond this the writer waits. */
const INPUT_RING_BYTES = 0x1000;
/**
 * Output is collected before it is passed on, one wake-up for many bytes: so long after the first byte, and longer each
 * time that more has come meanwhile. A prompt comes at once; a flood, whose every wake-up would cost more than the exit
 * that brought the byte where both threads share a processor, comes in large pieces.
 */
const COLLECT_FIRST_MS = 1;
const COLLECT_MOST_MS = 64;

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
  #collecting: NodeJS.Timeout | undefined;
  #collectMs = COLLECT_FIRST_MS;
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
        if (this.#collecting === undefined) this.#drain();
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
    clearTimeout(this.#collecting);
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
    if (this.#finished || this.#collecting !== undefined) return;
    this.#collecting = setTimeout(() => {
      this.#collecting = undefined;
      this.#drain();
    }, this.#collectMs);
  }

  /** Passes on what has come, as far as it is wanted. Where something has, more may: that is looked for without word. */
  #drain(): void {
    if (this.#finished || !this.#reading) return;
    if (this.#take()) {
      this.#collectMs = Math.min(this.#collectMs * 2, COLLECT_MOST_MS);
      return this.#collect();
    }
    this.#collectMs = COLLECT_FIRST_MS;
    this.outputRing.askForWord();
    // What came between the two is not told.
    if (this.outputRing.length > 0) this.#collect();
  }

  /** Passes on one chunk; returns false where there was none. */
  #take(): boolean {
    const chunk = this.outputRing.takeAll();
    if (chunk.length === 0) return false;
    this.#onChunk(chunk);
    this.#reading = this.output.push(chunk);
    return true;
  }
}
