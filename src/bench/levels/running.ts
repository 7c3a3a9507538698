import type { Readable, Writable } from 'node:stream';

/** The program of the levels, running somewhere. */
export interface Running {
  readonly input: Writable;
  readonly output: Readable;
  /** Resolves to how it ended, in words: "ended with status 1". Never rejects. */
  readonly ended: Promise<string>;
  /** Ends it whatever it does, with all that it started; resolves when nothing is left of it. */
  stop(): Promise<void>;
}
