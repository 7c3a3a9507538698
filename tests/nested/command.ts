import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { vi } from 'vitest';
import type { HostKind } from '../../src/host/kind.js';
import { emulators, ROOT, Scratch } from './host-support.js';

const ESCAPE = '\x1b';
const BIN = path.join(ROOT, 'dist/bundle/vmlaunch.cjs');

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

interface RunOptions {
  /** Empty, unless a test pipes some into it. */
  readonly stdin?: 'ignore' | 'pipe';
  /** A descriptor takes the place of the pipe that is read. */
  readonly stdout?: 'pipe' | number;
  /** Gives it a terminal of so many rows and columns, `24x80`: its standard error is then standard output. */
  readonly terminal?: string;
  /** How long the reader of its output sleeps after each piece. */
  readonly delayMs?: number;
  /** `run` by default. */
  readonly command?: 'run' | 'exits' | 'memory' | 'bench';
}

/** `vmlaunch run …`, or another command, as a user starts it, with a directory for temporary files of its own. */
export class Run implements Disposable {
  readonly process: ChildProcess;
  readonly scratch = new Scratch();
  stdout = '';
  stderr = '';
  readonly #outputEnded: Promise<unknown>;

  constructor(
    argv: readonly string[],
    { stdin = 'ignore', stdout = 'pipe', terminal, delayMs = 0, command = 'run' }: RunOptions = {},
  ) {
    const words = [process.execPath, BIN, command, ...argv];
    const [program = '', ...rest] = terminal === undefined ? words : onTerminal(words, terminal);
    this.process = spawn(program, rest, {
      env: this.scratch.env,
      stdio: [stdin, stdout, 'pipe'],
    });
    const output = this.process.stdout;
    this.#outputEnded = output === null ? Promise.resolve() : once(output, 'end');
    output?.setEncoding('latin1').on('data', (text: string) => {
      this.stdout += text;
      if (delayMs === 0) return;
      output.pause();
      setTimeout(() => output.resume(), delayMs);
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** Resolves when the guest has written `text` so many times; rejects when the command ended without. */
  hasSaid(text: string, times = 1): Promise<void> {
    return this.#hasOutput(`"${text}"`, () => this.stdout.split(text).length > times);
  }

  /** Likewise, on its screen: whatever cursor movements are between the letters. */
  hasShown(text: string | RegExp): Promise<void> {
    const there = (screen: string) => (typeof text === 'string' ? screen.includes(text) : text.test(screen));
    return this.#hasOutput(`"${text}"`, () => there(screenText(this.stdout)));
  }

  async #hasOutput(what: string, there: () => boolean): Promise<void> {
    let goesOn = true;
    void this.#outputEnded.then(() => {
      goesOn = false;
    });
    while (!there()) {
      if (!goesOn || this.process.stdout === null) {
        throw new Error(`it ended without ${what}: ${this.stdout}${this.stderr}`);
      }
      await Promise.race([once(this.process.stdout, 'data'), this.#outputEnded]);
    }
  }

  /** Resolves to the emulator's process when it runs. */
  async emulator(): Promise<number> {
    return vi.waitFor(() => {
      const [pid] = emulators(this.process.pid);
      if (pid === undefined) throw new Error('no emulator runs');
      return pid;
    }, 60_000);
  }

  async ended(): Promise<Outcome> {
    const [status, signal] = await once(this.process, 'close');
    return { status: status ?? signal, stdout: this.stdout, stderr: this.stderr };
  }

  [Symbol.dispose](): void {
    this.process.kill('SIGKILL');
    this.scratch[Symbol.dispose]();
  }
}

/** The same command behind a terminal that script(1) makes. */
function onTerminal(words: readonly string[], size: string): string[] {
  const [rows, columns] = size.split('x');
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return ['script', '-qec', `stty rows ${rows} cols ${columns} && exec ${quoted}`, '/dev/null'];
}

/** What a BIOS writes to its serial console, without the control sequences (ECMA-48) that depend on its timer. */
export const screenText = (output: string): string => output.replaceAll(CONTROL_SEQUENCE, '');
const CONTROL_SEQUENCE = new RegExp(`${ESCAPE}(?:c|\\[[0-9;?]*[A-Za-z])`, 'g');

export async function run(argv: readonly string[]): Promise<Outcome> {
  using command = new Run(argv);
  return await command.ended();
}
