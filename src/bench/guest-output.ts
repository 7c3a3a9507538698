/**
 * What the benchmark's guest has printed, read back (guest-images/bench/run.c has the lines). An engine may print anything
 * before, between and after them, or stop anywhere: each workload that was asked for gets a result or a reason.
 */
import type { Asked } from './guest-image.js';
import { printable } from './printable.js';
import { serialBytes, workloadNamed } from './workloads.js';

export type WorkloadResult =
  | {
      readonly outcome: 'ran';
      /** Of the guest's time stamp counter, for all iterations. */
      readonly ticks: number;
      /** The workload began when the byte before `beginAt` had come, and had ended before the byte at `endAt` came. */
      readonly beginAt: number;
      readonly endAt: number;
    }
  /** The guest said that it cannot run it there, and why. */
  | { readonly outcome: 'unsupported'; readonly why: string }
  /** It did not run as it must. */
  | { readonly outcome: 'failed'; readonly why: string };

export interface BenchOutput {
  /** What ran the workloads: the processor's vendor, or `native`. */
  readonly where?: string;
  readonly bits?: 32 | 64;
  /** Places in the text: behind the first byte of the image's first instructions, at the guest's first line, behind its last. */
  readonly bootAt?: number;
  readonly startAt?: number;
  readonly endAt?: number;
  /** In the order in which they were asked for. */
  readonly results: readonly WorkloadResult[];
}

interface Line {
  readonly text: string;
  /** Of its first byte, and behind its end. */
  readonly at: number;
  readonly next: number;
}

const HEADER = /^bench (\d{1,9}) (\S{1,32}) bits=(32|64)$/;
const VERSION = '1';
const BEGIN = /^begin (\S{1,64}) (\d{1,10})$/;
const RESULT = /^(\S{1,64}) (\d{1,10}) ([0-9a-f]{8}) (\d{1,20})$/;
const REFUSAL = /^(\S{1,64}) unsupported (.+)$/;

/**
 * @param text all that came, a character for each byte (latin1); places in it count these
 * @param asked what was on the guest's command line, in that order
 */
export function parseBenchOutput(text: string, asked: readonly Asked[]): BenchOutput {
  const lines = linesOf(text);
  const start = lines.findIndex((line) => HEADER.test(line.text));
  const boot = lines.slice(0, start < 0 ? undefined : start).findLast((line) => line.text === 'boot');
  // The byte before it, an end of line, is theirs too.
  const bootAt = boot === undefined ? {} : { bootAt: boot.at };
  const header = lines[start];
  const [, version, where, bits] = HEADER.exec(header?.text ?? '') ?? [];
  if (header === undefined || where === undefined || version !== VERSION) {
    const why = header === undefined ? neverStarted(lines) : `the guest's lines are of version ${version}`;
    return { ...bootAt, results: asked.map(() => ({ outcome: 'failed', why })) };
  }
  const reader = new ResultReader(text, asked);
  const end = lines.slice(start + 1).find((line) => reader.take(line));
  return {
    where,
    bits: bits === '32' ? 32 : 64,
    ...bootAt,
    startAt: header.at,
    ...(end?.text === 'end' && { endAt: end.next }),
    results: reader.finish(end),
  };
}

function linesOf(text: string): readonly Line[] {
  const lines: Line[] = [];
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const next = newline < 0 ? text.length : newline + 1;
    // A line that is not yet whole would give half a number.
    if (newline >= 0) lines.push({ text: text.slice(at, newline).replace(/\r$/, ''), at, next });
    else lines.push({ text: `${text.slice(at)}…`, at, next });
    at = next;
  }
  return lines;
}

/** Takes lines one by one; each that begins a workload must be that of one asked for, at or behind the last one. */
class ResultReader {
  readonly #results: WorkloadResult[] = [];
  #begun: { readonly asked: Asked; readonly beginAt: number } | undefined;
  /** What stood where the result of the workload that has begun should stand. */
  #rubbish = '';

  constructor(
    private readonly text: string,
    private readonly asked: readonly Asked[],
  ) {}

  /** Returns whether it was the last one. */
  take(line: Line): boolean {
    if (line.text === 'end' || HEADER.test(line.text)) return true;
    const [, begun, count] = BEGIN.exec(line.text) ?? [];
    const [, refused, why = ''] = REFUSAL.exec(line.text) ?? [];
    if (begun !== undefined) this.#begin(line, (one) => one.name === begun && one.count === Number(count));
    else if (refused !== undefined) this.#refuse(refused, why);
    else if (this.#begun !== undefined) this.#result(line, this.#begun);
    return false;
  }

  /** @param end the line that was the last */
  finish(end: Line | undefined): readonly WorkloadResult[] {
    this.#giveUp();
    const why =
      end === undefined
        ? 'the guest did not come to it'
        : end.text === 'end'
          ? 'the guest passed over it'
          : 'the guest started again before it';
    while (this.#results.length < this.asked.length) this.#fail(why);
    return this.#results;
  }

  #fail(why: string): void {
    this.#results.push({ outcome: 'failed', why });
  }

  /** The workload that has begun will have no result. */
  #giveUp(): void {
    if (this.#begun === undefined) return;
    this.#begun = undefined;
    this.#fail(this.#rubbish === '' ? 'it began, and did not end' : `its result is no result: ${this.#rubbish}`);
  }

  /** Those between the last one and this have no line. Returns what was asked for; undefined where it is none of it. */
  #find(isIt: (one: Asked) => boolean): Asked | undefined {
    const at = this.asked.findIndex((one, index) => index >= this.#results.length && isIt(one));
    while (this.#results.length < at) this.#fail('the guest passed over it');
    return this.asked[at];
  }

  #begin(line: Line, isIt: (one: Asked) => boolean): void {
    this.#giveUp();
    const asked = this.#find(isIt);
    if (asked === undefined) return;
    this.#begun = { asked, beginAt: line.next };
    this.#rubbish = '';
  }

  #refuse(name: string, why: string): void {
    if (this.#begun !== undefined && this.#begun.asked.name !== name) this.#giveUp();
    this.#begun = undefined;
    if (this.#find((one) => one.name === name) !== undefined) {
      this.#results.push({ outcome: 'unsupported', why: printable(why) });
    }
  }

  #result(line: Line, { asked, beginAt }: { asked: Asked; beginAt: number }): void {
    const [, name, count, checksum = '', ticks] = RESULT.exec(line.text) ?? [];
    if (name !== asked.name || Number(count) !== asked.count) {
      this.#rubbish ||= printable(line.text);
      return;
    }
    this.#begun = undefined;
    const why = this.#whyWrong(asked, checksum, Number(ticks), this.text.slice(beginAt, line.at));
    if (why !== undefined) this.#fail(why);
    else this.#results.push({ outcome: 'ran', ticks: Number(ticks), beginAt, endAt: line.at });
  }

  #whyWrong({ name, count }: Asked, checksum: string, ticks: number, between: string): string | undefined {
    const workload = workloadNamed(name);
    if (workload === undefined) return 'there is no such workload';
    const right = workload.checksum(count).toString(16).padStart(8, '0');
    if (checksum !== right) return `its checksum is ${checksum}, and that of ${count} iterations is ${right}`;
    if (!Number.isSafeInteger(ticks)) return 'its time stamp counter went back';
    if (workload.kind === 'serial' && between !== serialBytes(count))
      return 'its bytes did not all arrive as they were sent';
    return undefined;
  }
}

function neverStarted(lines: readonly Line[]): string {
  const last = lines.findLast((line) => line.text.trim() !== '');
  return last === undefined
    ? 'the guest printed nothing'
    : `the guest did not start; the last line: ${printable(last.text)}`;
}
