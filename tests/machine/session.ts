import { StringDecoder } from 'node:string_decoder';
import { type Deferred, deferred } from '../../src/host/deferred.js';
import type { CaseEnd, CaseEvent, CaseInfo } from './case.js';

/** Starts the runner with these names, somewhere. Resolves with its exit status, or a text that says how it ended. */
export type StartRunner = (
  names: readonly string[],
  onOutput: (chunk: Uint8Array) => void,
  onErrorOutput: (chunk: Uint8Array) => void,
) => Promise<number | string>;

/** Beside a case's own time-out, for a host so broken that it cannot even tell of one. Wall-clock milliseconds. */
const SILENCE_MS = 120_000;

/**
 * Runs cases through runners, one after another: where a case takes its runner down, by hanging or crashing, that case
 * fails and the next runner gets what is left. Every case gets a result.
 */
export class Session {
  readonly #results = new Map<string, Deferred<CaseEnd>>();
  readonly #left: CaseInfo[];
  readonly #start: StartRunner;
  readonly #giveUp: () => Promise<void>;
  #running: string | undefined;
  #errorOutput = '';
  #silence: NodeJS.Timeout | undefined;

  /** `giveUp` ends the host itself: called when nothing comes from it any more. */
  constructor(cases: readonly CaseInfo[], start: StartRunner, giveUp: () => Promise<void>) {
    this.#left = [...cases];
    this.#start = start;
    this.#giveUp = giveUp;
    for (const { name } of cases) this.#results.set(name, deferred());
  }

  /** Resolves when the case has ended, well or not; never rejects. */
  result(name: string): Promise<CaseEnd> {
    const result = this.#results.get(name);
    if (!result) throw new Error(`the session has no case "${name}"`);
    return result.promise;
  }

  /** Runs all. Resolves with how the last runner ended: 0 where it ended by itself, with nothing left behind. */
  async run(): Promise<number | string> {
    let end: number | string = 0;
    while (this.#left.length > 0) {
      const before = this.#left.length;
      end = await this.#runOnce();
      if (this.#running !== undefined) this.#fail(this.#running, `it ended its runner: ${describe(end)}`);
      else if (this.#left.length === before) break;
    }
    for (const { name } of [...this.#left]) this.#fail(name, `not run: the runner ended before it: ${describe(end)}`);
    return end;
  }

  async #runOnce(): Promise<number | string> {
    const decoder = new StringDecoder('utf8');
    let partial = '';
    this.#errorOutput = '';
    this.#waitForEvent();
    const onOutput = (chunk: Uint8Array) => {
      const lines = (partial + decoder.write(Buffer.from(chunk))).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) this.#onEvent(JSON.parse(line) as CaseEvent);
    };
    const onErrorOutput = (chunk: Uint8Array) => {
      this.#errorOutput += Buffer.from(chunk).toString();
    };
    const names = this.#left.map(({ name }) => name);
    const end = await this.#start(names, onOutput, onErrorOutput).catch((error: unknown) => String(error));
    clearTimeout(this.#silence);
    return end;
  }

  #onEvent(event: CaseEvent): void {
    if (event.event === 'start') this.#running = event.name;
    else this.#end(event);
    this.#waitForEvent();
  }

  #end(end: CaseEnd): void {
    this.#running = undefined;
    const index = this.#left.findIndex(({ name }) => name === end.name);
    if (index >= 0) this.#left.splice(index, 1);
    this.#results.get(end.name)?.resolve(end);
  }

  #fail(name: string, how: string): void {
    this.#end({ event: 'end', name, ms: 0, ok: false, error: `${how}\n${this.#errorOutput}`.trim() });
  }

  #waitForEvent(): void {
    clearTimeout(this.#silence);
    const timeoutS = this.#left.find(({ name }) => name === this.#running)?.timeoutS ?? 0;
    this.#silence = setTimeout(() => void this.#giveUp(), timeoutS * 1000 + SILENCE_MS);
  }
}

/** 137: the shell's word for SIGKILL, by which the runner ends a case that hangs. */
function describe(end: number | string): string {
  if (end === 137) return 'status 137, killed: it took longer than its time-out';
  return typeof end === 'number' ? `status ${end}` : end;
}
