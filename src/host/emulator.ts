import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import type { Socket } from 'node:net';
import { VmError } from '../errors.js';
import { bochsLaunch, tidyBochsState } from './bochs.js';
import { CHANNEL_FD, type Launch, type LaunchOptions, namelessFile, QMP_FD } from './launch.js';
import { greetQemu, qemuLaunch, saveQemu } from './qemu.js';
import { Qmp } from './qmp.js';

/** Bytes of each log that an error shows. */
const DIAGNOSTIC_BYTES = 4000;

/** Those that run: killed when this process ends by itself. When it is killed, the kernel does it. */
const running = new Set<Emulator>();
process.on('exit', () => {
  for (const emulator of running) emulator.kill();
});

/** A running emulator: its process, and the two streams to it. It leaves no file behind, however it ends. */
export class Emulator {
  /** The byte channel to the runner inside. */
  readonly channel: Socket;
  /** Resolves when the process is gone, to how it ended; it never rejects. */
  readonly ended: Promise<string>;
  readonly #options: LaunchOptions;
  readonly #process: ChildProcess;
  readonly #logs: number[];
  readonly #qmp: Qmp | undefined;

  private constructor(options: LaunchOptions, launch: Launch) {
    this.#options = options;
    this.#logs = [namelessFile(), namelessFile()];
    this.#process = spawn('setpriv', command(launch), {
      stdio: ['ignore', 'ignore', ...this.#logs, 'pipe', 'pipe', ...launch.files],
      // A group of its own: a terminal's Ctrl-C is for the command inside.
      detached: true,
      env: { ...process.env, ...launch.environment },
      ...(launch.directory === undefined ? {} : { cwd: launch.directory }),
    });
    for (const fd of launch.files) fs.closeSync(fd);
    // Longer than the type of it says.
    const streams: readonly unknown[] = this.#process.stdio;
    this.channel = streams[CHANNEL_FD] as Socket;
    const qmp = streams[QMP_FD] as Socket;
    qmp.on('error', () => {});
    this.#qmp = options.kind === 'svm' ? new Qmp(qmp) : undefined;
    running.add(this);
    options.abort?.addEventListener('abort', () => this.kill(), { once: true });
    if (options.abort?.aborted === true) this.kill();
    this.ended = new Promise((resolve) => {
      this.#process.on('error', (error) => resolve(error.message));
      this.#process.on('exit', (code, signal) => resolve(signal ?? `status ${code}`));
    });
    void this.ended.then(() => {
      running.delete(this);
      qmp.destroy();
    });
  }

  /** Starts the process, and has QEMU read its snapshot. @throws VmError HOST_FAILED */
  static async start(options: LaunchOptions): Promise<Emulator> {
    const emulator = new Emulator(options, options.kind === 'svm' ? qemuLaunch(options) : bochsLaunch(options));
    try {
      if (emulator.#qmp) await emulator.orFail(greetQemu(emulator.#qmp, options.start));
      return emulator;
    } catch (error) {
      await emulator.close();
      throw error;
    }
  }

  /** The promise's outcome, or the failure of an emulator that ends before. */
  orFail<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([
      promise,
      this.ended.then((how) => Promise.reject(this.failure(`ended unexpectedly (${how})`))),
    ]);
  }

  failure(what: string): VmError {
    const hint = this.diagnostics();
    return new VmError('HOST_FAILED', `the nested host ${this.#options.kind} ${what}`, hint === '' ? {} : { hint });
  }

  /** Saves a host that was started for it and rests; ends it. @throws VmError HOST_FAILED */
  async save(): Promise<void> {
    const { start, kind } = this.#options;
    if (start.mode !== 'save' && start.mode !== 'resave') throw new VmError('BUG', 'this host is not to be saved');
    const directory = start.mode === 'save' ? start.directory : start.into;
    if (this.#qmp) {
      await this.orFail(saveQemu(this.#qmp, directory));
      await this.ended;
      return;
    }
    this.#process.kill('SIGUSR1');
    const how = await this.ended;
    if (how !== 'status 0') throw this.failure(`could not be saved (${kind}: ${how})`);
    tidyBochsState(directory);
  }

  /** Safe at any time, also in an exit handler. */
  kill(): void {
    const { pid } = this.#process;
    if (pid === undefined || !running.has(this)) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }

  /** Kills it and waits until it is gone. */
  async close(): Promise<void> {
    this.kill();
    await this.ended;
    this.channel.destroy();
    for (const fd of this.#logs.splice(0)) fs.closeSync(fd);
  }

  /** The end of the emulator's own output, less Bochs' lines on what it does, and of the kernel's console. */
  diagnostics(): string {
    return this.#logs
      .map((fd) =>
        tail(fd)
          .replace(/[\r\0]|^(\d+[di]\[|Bochs connected to screen ).*\n/gm, '')
          .trim(),
      )
      .filter((text) => text !== '')
      .join('\n');
  }
}

/**
 * The emulator dies with this process, in whatever way it dies: the kernel sends SIGKILL. Where this process is gone
 * before that is arranged, the shell sees another parent than the one it should have.
 */
function command({ command }: Launch): string[] {
  const check = `[ "$PPID" = ${process.pid} ] && exec "$@"`;
  return ['--pdeathsig', 'KILL', '--', 'sh', '-c', check, 'sh', ...command];
}

function tail(fd: number): string {
  const { size } = fs.fstatSync(fd);
  const bytes = Buffer.alloc(Math.min(size, DIAGNOSTIC_BYTES));
  fs.readSync(fd, bytes, 0, bytes.length, size - bytes.length);
  return bytes.toString('latin1');
}
