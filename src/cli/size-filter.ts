import { Transform, type TransformCallback } from 'node:stream';
import type { TerminalSize } from './terminal.js';

const ESC = '\x1b';
/** `sizeReport` of key-input.ts, and what may become one. */
const REPORT = new RegExp(`${ESC}\\[8;(\\d{1,5});(\\d{1,5})t`, 'g');
const BEGINNING = new RegExp(`${ESC}\\[8(?:;\\d{0,5}){0,2}$`);

/** Takes the terminal's size, as that changes, out of what a person types. */
export class SizeFilter extends Transform {
  #held = '';

  constructor(private readonly resized: (size: TerminalSize) => void) {
    super();
  }

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, done: TransformCallback): void {
    const text = this.#held + Buffer.from(chunk).toString('latin1');
    const typed = text.replace(REPORT, (_, rows: string, columns: string) => {
      this.resized({ rows: Number(rows), columns: Number(columns) });
      return '';
    });
    this.#held = BEGINNING.exec(typed)?.[0] ?? '';
    done(null, Buffer.from(typed.slice(0, typed.length - this.#held.length), 'latin1'));
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(this.#held, 'latin1'));
  }
}
