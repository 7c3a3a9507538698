import type { Readable } from 'node:stream';
import { type Frames, INPUT_WINDOW } from './frames.js';

/**
 * Brings a command its input, never more than the runner has room for: so what a command does not read stays here,
 * and a signal always gets through.
 */
export class InputFeed {
  readonly #frames: Frames;
  #room = INPUT_WINDOW;
  #pump: () => void = () => {};
  #release: () => void = () => {};

  constructor(frames: Frames, input: Readable | Uint8Array) {
    this.#frames = frames;
    if (input instanceof Uint8Array) this.#feedBytes(input);
    else this.#feedStream(input);
  }

  /** The command took so many bytes more. */
  taken(count: number): void {
    this.#room += count;
    this.#pump();
  }

  /** The command has ended: what is left of a stream stays in it. */
  stop(): void {
    this.#pump = () => {};
    this.#release();
  }

  #feedBytes(bytes: Uint8Array): void {
    let done = 0;
    this.#pump = () => {
      while (this.#room > 0 && done < bytes.length) {
        const part = bytes.subarray(done, done + this.#room);
        done += part.length;
        this.#send(part);
      }
      // The end needs room too: the runner waits for it, or for a full window, never for what may come or not.
      if (done === bytes.length && this.#room > 0) this.#end();
    };
    this.#pump();
  }

  #feedStream(stream: Readable): void {
    const end = (): void => this.#end();
    this.#pump = () => {
      while (this.#room > 0) {
        // A read of nothing starts the next one, and tells a stream at its end to say so.
        const chunk = stream.read(Math.min(this.#room, stream.readableLength)) as Buffer | string | null;
        if (chunk === null) return;
        this.#send(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      }
    };
    const pump = (): void => this.#pump();
    this.#release = () => {
      stream.off('readable', pump).off('end', end).off('error', end).off('close', end);
    };
    if (stream.readableEnded || stream.destroyed) {
      this.#end();
      return;
    }
    stream.on('readable', pump).once('end', end).once('error', end).once('close', end);
    this.#pump();
  }

  #send(bytes: Uint8Array): void {
    this.#room -= bytes.length;
    this.#frames.send('I', bytes);
  }

  #end(): void {
    this.stop();
    this.#frames.send('i');
  }
}
