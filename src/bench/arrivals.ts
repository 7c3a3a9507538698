import type { Launch } from './engine.js';

/** More than a suite prints: what prints so much is out of order. */
const MOST_BYTES = 4 << 20;
const NS_PER_MS = 1e6;

/** Takes what an engine's serial port sends, with the time at which it comes. */
export class Arrivals {
  /** The guest has said that it is through. */
  ended = false;
  readonly #pieces: string[] = [];
  #length = 0;
  /** What came last: as much as may belong to an end that is not yet whole. */
  #tail = '';
  readonly #ends: number[] = [];
  readonly #timesNs: number[] = [];
  readonly #startMs = performance.now();

  /** Returns false where it is too much. */
  take(bytes: Buffer): boolean {
    this.#timesNs.push((performance.now() - this.#startMs) * NS_PER_MS);
    const piece = bytes.toString('latin1');
    this.#pieces.push(piece);
    this.#length += piece.length;
    this.#ends.push(this.#length);
    const last = this.#tail + piece;
    this.ended ||= END_LINE.test(last);
    this.#tail = last.slice(-END.length);
    return this.#length <= MOST_BYTES;
  }

  launch(failure: string | undefined): Launch {
    return { text: this.#pieces.join(''), ends: this.#ends, timesNs: this.#timesNs, failure };
  }
}

const END = '\nend\r\n';
const END_LINE = /\nend\r?\n/;
