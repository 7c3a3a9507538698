import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Arrivals } from './arrivals.js';
import type { Engine, Launch, Start } from './engine.js';

/** A program to start; its standard output is the guest's serial port. */
export interface Program {
  readonly command: readonly [string, ...string[]];
  readonly environment?: NodeJS.ProcessEnv;
  /** An empty file to which it writes what the serial port sends, in place of standard output. */
  readonly outputFile?: string;
}

export interface ProgramEngineOptions {
  readonly name: string;
  readonly probe: Engine['probe'];
  readonly beyond?: ReadonlyMap<string, string>;
  /** @param directory of this launch, for files; it is removed afterwards */
  readonly program: (start: Start, directory: string) => Program;
  /** As the engine's. */
  readonly refusalOf: (start: Start) => string | undefined;
}

/** What a guest that is through may take to have its engine end. */
const GRACE_MS = 500;
const MOST_ERROR_BYTES = 4096;

/** An engine that is a program of its own: an emulator, another monitor, or the workloads without any. */
export class ProgramEngine implements Engine {
  readonly name: string;
  readonly probe: Engine['probe'];
  readonly beyond: ReadonlyMap<string, string>;
  readonly refusalOf: ProgramEngineOptions['refusalOf'];
  readonly #program: ProgramEngineOptions['program'];

  constructor({ name, probe, beyond = new Map(), program, refusalOf }: ProgramEngineOptions) {
    this.name = name;
    this.probe = probe;
    this.beyond = beyond;
    this.refusalOf = refusalOf;
    this.#program = program;
  }

  async launch(start: Start, signal: AbortSignal): Promise<Launch> {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-'));
    try {
      return await run(this.#program(start, directory), signal);
    } finally {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
}

function run(program: Program, signal: AbortSignal): Promise<Launch> {
  const {
    command: [file, ...args],
    environment,
    outputFile,
  } = program;
  const arrivals = new Arrivals();
  // A group of its own: what it starts ends with it.
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...environment },
  });
  const kill = (): void => killGroup(child);
  let grace: NodeJS.Timeout | undefined;
  let complaint = '';
  signal.addEventListener('abort', kill, { once: true });
  process.once('exit', kill);
  if (signal.aborted) kill();
  const take = (bytes: Buffer): void => {
    if (!arrivals.take(bytes)) kill();
    if (arrivals.ended) grace ??= setTimeout(kill, GRACE_MS);
  };
  const output = outputFile === undefined ? undefined : new GrowingFile(outputFile, take);
  if (output === undefined) child.stdout.on('data', take);
  else child.stdout.resume();
  child.stderr.on('data', (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(0, MOST_ERROR_BYTES);
  });
  return new Promise((resolve) => {
    let failed: string | undefined;
    child.once('error', (error) => {
      failed = `did not start: ${error.message}`;
    });
    child.once('close', (status, killedBy) => {
      clearTimeout(grace);
      signal.removeEventListener('abort', kill);
      process.off('exit', kill);
      output?.close();
      const how = failed ?? (killedBy === null ? `ended with status ${status}` : `was ended by ${killedBy}`);
      resolve(arrivals.launch(arrivals.ended ? undefined : `${how}${lastLine(complaint)}`));
    });
  });
}

/** Gives what is appended to a file, as soon as it is there. */
class GrowingFile {
  readonly #fd: number;
  readonly #watcher: fs.FSWatcher;
  readonly #buffer = Buffer.alloc(65536);

  constructor(
    file: string,
    private readonly take: (bytes: Buffer) => void,
  ) {
    this.#fd = fs.openSync(file, 'r');
    this.#watcher = fs.watch(file, () => this.#read());
  }

  /** Gives the rest first. */
  close(): void {
    this.#watcher.close();
    this.#read();
    fs.closeSync(this.#fd);
  }

  #read(): void {
    for (;;) {
      const count = fs.readSync(this.#fd, this.#buffer);
      if (count === 0) return;
      this.take(Buffer.from(this.#buffer.subarray(0, count)));
    }
  }
}

export function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** What it complained of last, for a message of one line. */
export function lastLine(complaint: string): string {
  const line = complaint
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/[^ -~]+/g, '?');
  return line === undefined || line === '' ? '' : ` (${line})`;
}
