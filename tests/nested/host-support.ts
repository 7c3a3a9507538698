import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { vi } from 'vitest';
import type { Host, Job } from '../../src/host/host.js';
import type { HostKind } from '../../src/host/kind.js';

export const ROOT = new URL('../..', import.meta.url).pathname;

export interface Outcome {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Keeps all that it gets; with `delayMs`, takes its time over each piece. */
export class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  readonly #delayMs: number;

  constructor(delayMs = 0) {
    super({ highWaterMark: 1024 });
    this.#delayMs = delayMs;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.#delayMs > 0) setTimeout(done, this.#delayMs);
    else done();
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  text(): string {
    return this.bytes().toString('latin1');
  }
}

export async function run(host: Host, command: string | Job, input?: Readable | Uint8Array): Promise<Outcome> {
  const [stdout, stderr] = [new Sink(), new Sink()];
  const status = await host.run(command, { stdout, stderr, ...(input === undefined ? {} : { input }) });
  return { status, stdout: stdout.bytes(), stderr: stderr.text() };
}

/** A stream that can be written to while a command reads it. */
export function openInput(...chunks: readonly Uint8Array[]): PassThrough {
  const stream = new PassThrough();
  for (const chunk of chunks) stream.write(chunk);
  return stream;
}

/** A directory for a process's temporary files, by which all that it starts is found. */
export class Scratch implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'vmlaunch-test-'));
  readonly env = { ...process.env, TMPDIR: this.directory };

  /** Resolves when no process with this environment and no file is left. */
  async isEmpty(timeout = 60_000): Promise<void> {
    await vi.waitFor(
      () => {
        const left = [...processesWith(`TMPDIR=${this.directory}`), ...readdirSync(this.directory)];
        if (left.length > 0) throw new Error(`left over: ${left.join(', ')}`);
      },
      { timeout, interval: 20 },
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** A process that runs a command in a host of its own, built project. */
export class OtherProcess implements Disposable {
  readonly process: ChildProcess;
  readonly scratch = new Scratch();
  readonly stdout = new Sink();

  constructor(kind: HostKind, command: string) {
    const program = `
      import { prepareHost } from '${ROOT}dist/host/prepare.js';
      import { Host } from '${ROOT}dist/host/host.js';
      const host = await Host.start(await prepareHost('${kind}', () => {}));
      process.exit(await host.run(${JSON.stringify(command)}, process));`;
    this.process = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: this.scratch.env,
    });
    this.process.stdout?.pipe(this.stdout);
  }

  async hasSaid(text: string): Promise<void> {
    while (!this.stdout.text().includes(text)) {
      if (this.process.stdout === null) throw new Error('no standard output');
      await once(this.process.stdout, 'data');
    }
  }

  [Symbol.dispose](): void {
    this.process.kill('SIGKILL');
    this.scratch[Symbol.dispose]();
  }
}

function processesWith(setting: string): string[] {
  return processes().filter((pid) => read(pid, 'environ').split('\0').includes(setting));
}

/** The emulators that a process started, by default this one. */
export function emulators(parent = process.pid): number[] {
  return processes()
    .filter((pid) => /^PPid:\t(\d+)$/m.exec(read(pid, 'status'))?.[1] === `${parent}`)
    .filter((pid) => /^(qemu-system|bochs-bin)/.test(read(pid, 'comm')))
    .map(Number);
}

function processes(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return ''; // it has ended meanwhile
  }
}
