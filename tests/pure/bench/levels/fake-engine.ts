import { PassThrough, Writable } from 'node:stream';
import type { LevelEngine } from '../../../../src/bench/levels/measure.js';
import { checksumOf, type PartName } from '../../../../src/bench/levels/parts.js';
import type { Running } from '../../../../src/bench/levels/running.js';

/** Time that passes only where something takes it. */
export class FakeTime {
  ns = 0;
  readonly now = (): number => this.ns;
}

export interface FakeOptions {
  /** Of an iteration, by part. */
  readonly ns?: Readonly<Record<PartName, number>>;
  readonly startNs?: number;
  /** What it prints in place of its first line. */
  readonly greeting?: string;
  /** What it prints in place of a result. */
  readonly instead?: (part: string, asked: number) => string | 'end' | 'silence' | undefined;
  readonly missing?: string;
  /** A second of the host's clock in seconds of its own. */
  readonly clock?: number;
}

const NS: Readonly<Record<PartName, number>> = { cpu: 4, calls: 100, files: 1000 };

/** An engine that answers as the program does, and takes the time that it is told. */
export class FakeEngine implements LevelEngine {
  starts = 0;
  /** Of those that were started, how many were not stopped. */
  running = 0;
  readonly asked: string[] = [];

  constructor(
    readonly name: string,
    private readonly time: FakeTime,
    private readonly options: FakeOptions = {},
  ) {}

  async probe(): Promise<{ version: string } | { missing: string }> {
    const { missing } = this.options;
    return missing === undefined ? { version: '1.0' } : { missing };
  }

  async start(): Promise<Running> {
    const { startNs = 1e6, greeting = 'levels 1\r\n' } = this.options;
    this.starts++;
    this.running++;
    const output = new PassThrough();
    let end = (_how: string): void => {};
    const ended = new Promise<string>((resolve) => {
      end = resolve;
    });
    this.time.ns += startNs;
    output.write(greeting);
    const input = new Writable({
      write: (bytes: Buffer, _encoding, done) => {
        this.#answer(bytes.toString(), output, end);
        done();
      },
    });
    const stop = async (): Promise<void> => {
      this.running--;
      end('was stopped');
    };
    return { input, output, ended, stop };
  }

  #answer(request: string, output: PassThrough, end: (how: string) => void): void {
    const { ns = NS, instead, clock = 1 } = this.options;
    const [, part = '', digits = ''] = /^(cpu|calls|files) (\d+)\n$/.exec(request) ?? [];
    const count = Number(digits);
    this.asked.push(`${part} ${count}`);
    const other = instead?.(part, this.asked.length);
    if (other === 'silence') return;
    output.write(`begin ${part} ${count}\r\n`);
    setImmediate(() => {
      if (other === 'end') return end('ended with status 139');
      const took = ns[part as PartName] * count;
      this.time.ns += took;
      const own = [took, this.time.ns].map((ns) => Math.round(ns * clock)).join(' ');
      output.write(other ?? `${part} ${count} ${checksumOf(part as PartName, count)} ${own}\r\n`);
    });
  }
}
