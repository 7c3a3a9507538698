import { messageOf } from '../../errors.js';
import { printable } from '../printable.js';
import { checksumOf, type PartName } from './parts.js';
import type { Running } from './running.js';

/** What came of asking for a part. */
export type Answer =
  | {
      readonly outcome: 'ran';
      /** All iterations, in nanoseconds by the program's own clock. */
      readonly ns: number;
      /** When they had ended: by that clock, and by the host's when the answer came. */
      readonly ownAtNs: number;
      readonly hostAtNs: number;
    }
  | { readonly outcome: 'failed'; readonly why: string };

export interface SessionOptions {
  /** Nanoseconds on a clock that only rises. */
  readonly now: () => number;
  /** What the start, or an answer, may take. */
  readonly startLimitMs: number;
  readonly answerLimitMs: number;
  readonly signal: AbortSignal;
}

const READY = 'levels 1';
const RESULT = /^(\S{1,16}) (\d{1,10}) ([0-9a-f]{8}) (\d{1,16}) (\d{1,20})$/;
/** More than it prints between two lines that are waited for. */
const MOST_BYTES = 1 << 20;

/** A program of the levels that is asked for its parts, one after another. */
export class Session {
  /** What it took until it could be asked, in nanoseconds. */
  startNs = 0;
  /** Why it cannot be asked any more. */
  failure: string | undefined;
  readonly #lines: Lines;

  private constructor(
    private readonly running: Running,
    private readonly options: SessionOptions,
  ) {
    this.#lines = new Lines(running, options);
  }

  /**
   * Starts one; where that fails `failure` says why, and nothing of it is left.
   * @throws the reason of the signal, where it is aborted
   */
  static async start(start: () => Promise<Running>, options: SessionOptions): Promise<Session | { failure: string }> {
    const begin = options.now();
    let running: Running;
    try {
      running = await start();
    } catch (error) {
      return { failure: messageOf(error) };
    }
    const session = new Session(running, options);
    try {
      const ready = await session.#lines.until((line) => line === READY, options.startLimitMs);
      session.startNs = ready.atNs - begin;
      return session;
    } catch (error) {
      await session.stop();
      options.signal.throwIfAborted();
      return { failure: messageOf(error) };
    }
  }

  /** @throws the reason of the signal, where it is aborted */
  async ask(part: PartName, count: number): Promise<Answer> {
    const right = checksumOf(part, count);
    try {
      return await this.#ask(part, count, right);
    } catch (error) {
      this.options.signal.throwIfAborted();
      // What it says from now on would be an answer to another question.
      this.failure = messageOf(error);
      return { outcome: 'failed', why: this.failure };
    }
  }

  async #ask(part: PartName, count: number, right: string): Promise<Answer> {
    const { answerLimitMs } = this.options;
    this.running.input.write(`${part} ${count}\n`);
    await this.#lines.until((line) => line === `begin ${part} ${count}`, answerLimitMs);
    const isAnswer = (line: string): boolean => line.startsWith(`${part} ${count} `) || line.startsWith(FAILED(part));
    const { text, atNs } = await this.#lines.until(isAnswer, answerLimitMs);
    if (text.startsWith(FAILED(part))) return { outcome: 'failed', why: printable(text.slice(FAILED(part).length)) };
    const [, , , checksum, ns, ownAtNs] = RESULT.exec(text) ?? [];
    if (ns === undefined) return { outcome: 'failed', why: `its answer is none: ${printable(text)}` };
    if (checksum !== right) {
      return { outcome: 'failed', why: `its checksum is ${checksum}, and that of ${count} iterations is ${right}` };
    }
    return { outcome: 'ran', ns: Number(ns), ownAtNs: Number(ownAtNs), hostAtNs: atNs };
  }

  async stop(): Promise<void> {
    await this.running.stop();
  }
}

const FAILED = (part: PartName): string => `${part} failed `;

interface Line {
  readonly text: string;
  /** When its end had come. */
  readonly atNs: number;
}

/** The lines of a program, as they come. */
class Lines {
  readonly #lines: Line[] = [];
  #rest = '';
  #bytes = 0;
  #last = '';
  #end: string | undefined;
  #wake = (): void => {};

  constructor(
    { output, ended }: Running,
    private readonly options: SessionOptions,
  ) {
    output.on('data', (bytes: Buffer) => this.#take(bytes.toString('latin1')));
    void ended.then((how) => {
      this.#end = how;
      this.#wake();
    });
  }

  /** The next line that is it; those before are dropped. @throws Error saying why it does not come */
  async until(isIt: (line: string) => boolean, limitMs: number): Promise<Line> {
    const { signal } = this.options;
    const timeout = AbortSignal.timeout(limitMs);
    const wake = (): void => this.#wake();
    for (const one of [signal, timeout]) one.addEventListener('abort', wake, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
          if (isIt(line.text)) return line;
        }
        if (this.#bytes > MOST_BYTES) throw new Error('it prints without end');
        if (this.#end !== undefined) throw new Error(`${this.#end}${this.#lastWords}`);
        if (timeout.aborted) throw new Error(`no answer for ${limitMs / 1000} s${this.#lastWords}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#bytes = 0;
      for (const one of [signal, timeout]) one.removeEventListener('abort', wake);
    }
  }

  get #lastWords(): string {
    const line = this.#rest.trim() === '' ? this.#last : this.#rest;
    return line === '' ? '' : `; its last line: ${printable(line)}`;
  }

  #take(text: string): void {
    this.#bytes += text.length;
    if (this.#bytes > MOST_BYTES) return this.#wake();
    const atNs = this.options.now();
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const text of lines.map((line) => line.replace(/\r+$/, ''))) {
      this.#lines.push({ text, atNs });
      if (text.trim() !== '') this.#last = text;
    }
    this.#wake();
  }
}
