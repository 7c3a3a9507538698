import type { Launch } from './engine.js';

/** More than a suite prints: what prints so much is out of order. */
const MOST_BYTES = 16 << 20;
const NS_PER_MS = 1e6;

/** Takes what an engine's serial port sends, with the time at which it comes. */
export class Arrivals {
  /** The guest has said that it is through. */
  ended = false;
  #text = '';
  readonly #ends: number[] = [];
  readonly #timesNs: number[] = [];
  readonly #startMs = performance.now();

  /** Returns false where it is too much. */
  take(bytes: Buffer): boolean {
    const from = Math.max(0, this.#text.length - END.length);
    this.#text += bytes.toString('latin1');
    this.#ends.push(this.#text.length);
    this.#timesNs.push((performance.now() - this.#startMs) * NS_PER_MS);
    this.ended ||= END_LINE.test(this.#text.slice(from));
    return this.#text.length <= MOST_BYTES;
  }

  launch(failure: string | undefined): Launch {
    return { text: this.#text, ends: this.#ends, timesNs: this.#timesNs, failure };
  }
}

const END = '\nend\r\n';
const END_LINE = /\nend\r?\n/;
