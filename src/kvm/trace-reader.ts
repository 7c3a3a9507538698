import { VmError } from '../errors.js';
import { eachRecord, type PageLayout } from './ring-page.js';
import type { Decoder, KvmEvent } from './trace-events.js';

/** Reads a page of one processor's buffer from the start of `page`. Returns how many bytes; 0: there is nothing. */
export type ReadPage = (page: Uint8Array) => number;

export interface TraceReaderOptions {
  /** One for each processor. */
  readonly processors: readonly ReadPage[];
  readonly layout: PageLayout;
  readonly decoders: readonly Decoder[];
  /** The time-stamp counter. */
  readonly now: () => number;
}

/** Puts the events of all processors' buffers into one order. */
export class TraceReader {
  readonly #options: TraceReaderOptions;
  readonly #decoders = new Map<number, Decoder>();
  readonly #idOffset: number;
  readonly #bytes: Uint8Array;
  readonly #page: DataView;
  /** Read, and not given out yet. */
  #events: KvmEvent[] = [];

  constructor(options: TraceReaderOptions) {
    this.#options = options;
    for (const decoder of options.decoders) this.#decoders.set(decoder.id, decoder);
    this.#idOffset = options.decoders[0]?.idOffset ?? 0;
    this.#bytes = new Uint8Array(options.layout.size);
    this.#page = new DataView(this.#bytes.buffer);
  }

  /**
   * All events since the last drain and before this one began, in order of their time. What comes while it reads is
   * kept for the next: a processor that has been read may by then have older ones.
   * @throws VmError BUG where the kernel gives something that is no page
   */
  drain(): KvmEvent[] {
    const begin = this.#options.now();
    for (const readPage of this.#options.processors) this.#read(readPage, begin);
    const events = this.#events.sort((a, b) => a.tsc - b.tsc);
    let count = events.length;
    while (count > 0 && (events[count - 1]?.tsc ?? 0) > begin) count--;
    this.#events = events.splice(count);
    return events;
  }

  /** Reads until there is no record, or what it gives is newer than `begin`: a writer may be faster than this. */
  #read(readPage: ReadPage, begin: number): void {
    let last: number;
    do {
      const length = readPage(this.#bytes);
      if (length === 0) return;
      last = Number.POSITIVE_INFINITY;
      eachRecord(this.#page, length, this.#options.layout, (at, end, tsc) => {
        last = tsc;
        this.#take(at, end, tsc);
      });
    } while (last <= begin);
  }

  #take(at: number, end: number, tsc: number): void {
    const kindAt = at + this.#idOffset;
    if (kindAt + 2 > end) throw new VmError('BUG', 'a record of the kernel’s trace has no kind');
    const decoder = this.#decoders.get(this.#page.getUint16(kindAt, true));
    if (decoder === undefined) return; // somebody else has switched it on
    if (at + decoder.size > end) throw new VmError('BUG', 'a record of the kernel’s trace is too short for its kind');
    this.#events.push(decoder.decode(this.#page, at, tsc));
  }
}
