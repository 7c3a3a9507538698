import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { HostKind } from '../../src/host/kind.js';
import { ROOT } from './host-support.js';

const BIN = path.join(ROOT, 'dist/cli/bin.js');

export const FLAVOUR = { svm: 'kvm_amd', vtx: 'kvm_intel' } as const satisfies Record<HostKind, string>;
export const VENDOR = { svm: 'AuthenticAMD', vtx: 'GenuineIntel' } as const satisfies Record<HostKind, string>;

/** What `--report` writes. */
export interface Report {
  readonly host: string;
  readonly flavour: string;
  readonly end: { readonly reason: string; readonly status: number; readonly by?: string };
  readonly exits: { readonly total: number; readonly byReason: Readonly<Record<string, number>> };
  readonly kvm: Readonly<Record<string, number>>;
}

export const readReport = (file: string): Report => JSON.parse(readFileSync(file, 'utf8')) as Report;

export interface Outcome {
  readonly status: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `vmlaunch run …` as a user starts it. Its input is empty unless a test pipes some into it. */
export class Run {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #output: Readable;
  readonly #outputEnded: Promise<unknown>;

  constructor(argv: readonly string[], input: 'ignore' | 'pipe' = 'ignore') {
    this.process = spawn(process.execPath, [BIN, 'run', ...argv], { stdio: [input, 'pipe', 'pipe'] });
    const { stdout } = this.process;
    if (stdout === null) throw new Error('no standard output');
    this.#output = stdout;
    this.#outputEnded = once(stdout, 'end');
    stdout.setEncoding('latin1').on('data', (text: string) => {
      this.stdout += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** Resolves when the guest has written `text` so many times; rejects when the command ended without. */
  async hasSaid(text: string, times = 1): Promise<void> {
    let goesOn = true;
    void this.#outputEnded.then(() => {
      goesOn = false;
    });
    while (this.stdout.split(text).length <= times) {
      if (!goesOn) throw new Error(`it ended without "${text}": ${this.stdout}${this.stderr}`);
      await Promise.race([once(this.#output, 'data'), this.#outputEnded]);
    }
  }

  async ended(): Promise<Outcome> {
    const [status, signal] = await once(this.process, 'close');
    return { status: status ?? signal, stdout: this.stdout, stderr: this.stderr };
  }
}

export const run = (argv: readonly string[]): Promise<Outcome> => new Run(argv).ended();
