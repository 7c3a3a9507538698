import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { messageOf, VmError } from '../errors.js';
import { type Deferred, deferred } from './deferred.js';
import { Emulator } from './emulator.js';
import type { HostFile } from './file.js';
import { FLAG_INPUT_FOLLOWS, Frames, type FrameType } from './frames.js';
import { InputFeed } from './input.js';
import { DEFAULT_MEMORY_MIB, type HostKind, KVM_MODULE } from './kind.js';
import type { BootFiles, EmulatorFiles, StartMode } from './launch.js';
import { projectFiles } from './project.js';

/** A nested host that can be started: its snapshot in the cache, and what that was made from. */
export interface PreparedHost {
  readonly kind: HostKind;
  /** The snapshot: this project is in it, and an agent that waits for its job. */
  readonly directory: string;
  readonly emulator: EmulatorFiles;
  readonly boot: BootFiles;
}

/** `now`: the caller's time. `fixed`: the snapshot's, so that on vtx every run sees the same. */
export type HostClock = 'now' | 'fixed';

export interface HostOptions {
  /** Boots the host in place of taking its snapshot: some seconds on svm, twenty on vtx. */
  readonly cold?: boolean;
  /** Processors; with `cold`, on svm only. */
  readonly cpus?: number;
  /** MiB; with `cold`. */
  readonly memoryMib?: number;
  /** Loads kvm_amd or kvm_intel again with these parameters: `ept=0`. The kernel ignores names it does not know. */
  readonly kvmArgs?: string;
  readonly setClock?: HostClock;
  /** Kills the host where it is aborted, also while it starts. */
  readonly abort?: AbortSignal | undefined;
}

/**
 * ms. QEMU 7.2 can lose an interrupt of a processor that enters and leaves guests: it takes VIRQ off `interrupt_request`
 * without the lock under which another thread puts a device's interrupt on it. Where that was the timer's, and the host
 * idle, it slept for ever, with the interrupt pending in its APIC; the next interrupt, of whatever kind, delivers both.
 */
const NUDGE_MS = 250;

/** What the agent inside runs: `vmlaunch` with these arguments. */
export interface Job {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export interface RunStreams {
  /** Bytes are all there is, and leave a run on vtx repeatable; a stream is read as the command wants it. */
  readonly input?: Readable | Uint8Array;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

interface Request {
  readonly status: Deferred<number>;
  readonly onOutput: (type: 'O' | 'E', bytes: Buffer) => void;
  feed?: InputFeed;
}

/** A running nested host. Requests are done one after another; commands in it are root's. */
export class Host {
  readonly #emulator: Emulator;
  readonly #frames: Frames;
  readonly #isRestored: boolean;
  readonly #losesInterrupts: boolean;
  readonly #requests: Request[] = [];
  readonly #slow = new Set<Writable>();
  readonly #greeting = deferred<void>();
  #failure: VmError | undefined;
  #isGreeted = false;
  #isClosed = false;
  #isRunning = false;

  private constructor(emulator: Emulator, kind: HostKind, isRestored: boolean) {
    this.#emulator = emulator;
    this.#isRestored = isRestored;
    this.#losesInterrupts = kind === 'svm';
    this.#greeting.promise.catch(() => {});
    this.#frames = new Frames(emulator.channel, (type, body) => this.#onFrame(type, body));
    void emulator.ended.then((how) => this.#fail(`ended unexpectedly (${how})`));
  }

  /**
   * Starts a host.
   * @throws VmError HOST_FAILED, with the end of the host's console as its hint; OPTION_INVALID
   */
  static async start(prepared: PreparedHost, options: HostOptions = {}): Promise<Host> {
    const { kind } = prepared;
    const {
      cold = false,
      cpus = 1,
      memoryMib = DEFAULT_MEMORY_MIB[kind],
      kvmArgs = '',
      setClock = 'fixed',
      abort,
    } = options;
    if (!cold && (cpus !== 1 || memoryMib !== DEFAULT_MEMORY_MIB[kind])) {
      throw new VmError('OPTION_INVALID', 'a host restored from its snapshot has its own memory and one processor');
    }
    if (kind === 'vtx' && cpus !== 1) throw new VmError('OPTION_INVALID', 'the host vtx has one processor');
    const start: StartMode = cold ? { mode: 'cold' } : { mode: 'restore', directory: prepared.directory };
    const host = await Host.launch(prepared, start, { cpus, memoryMib, abort });
    try {
      if (cold) await host.putFiles(projectFiles());
      if (setClock === 'now') await host.#setClock();
      if (kvmArgs.trim() !== '') await host.#reloadKvm(kind, kvmArgs.trim());
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  /** As `start`, for those who make snapshots. */
  static async launch(
    { kind, emulator, boot }: Omit<PreparedHost, 'directory'>,
    start: StartMode,
    { cpus = 1, memoryMib = DEFAULT_MEMORY_MIB[kind], abort }: Pick<HostOptions, 'cpus' | 'memoryMib' | 'abort'> = {},
  ): Promise<Host> {
    const running = await Emulator.start({ kind, emulator, boot, start, cpus, memoryMib, abort });
    return new Host(running, kind, start.mode === 'restore' || start.mode === 'resave');
  }

  /** Resolves when a host that was not restored has booted. @throws VmError HOST_FAILED */
  booted(): Promise<void> {
    return this.#greeting.promise;
  }

  /**
   * Runs a shell command, or a job in the agent that waits for it (a second job starts an agent of its own).
   * @returns the exit status; 128 + n where signal n ended it. What it left running is killed.
   * @throws VmError HOST_FAILED
   */
  async run(command: string | Job, { input = new Uint8Array(), stdout, stderr }: RunStreams): Promise<number> {
    const [type, text] =
      typeof command === 'string' ? (['R', command] as const) : (['J', JSON.stringify(command)] as const);
    const flags = input instanceof Uint8Array ? FLAG_INPUT_FOLLOWS : 0;
    const request = this.#request(type, [Uint8Array.of(flags), Buffer.from(text)], (from, bytes) => {
      const stream = from === 'O' ? stdout : stderr;
      if (!stream.destroyed && !stream.write(bytes)) this.#waitFor(stream);
    });
    this.#isRunning = true;
    const feed = new InputFeed(this.#frames, input);
    request.feed = feed;
    const nudge = this.#losesInterrupts ? setInterval(() => this.#frames.send('N'), NUDGE_MS) : undefined;
    try {
      return await request.status.promise;
    } finally {
      clearInterval(nudge);
      feed.stop();
      this.#isRunning = false;
    }
  }

  /** Sends a signal to the command that runs, and to what it started. Nothing happens where none runs. */
  signal(name: NodeJS.Signals): void {
    if (this.#isRunning) this.#frames.send('S', Uint8Array.of(os.constants.signals[name]));
  }

  /** Writes files, with their directories. @throws VmError HOST_FAILED; FILE_UNREADABLE */
  async putFiles(files: Iterable<HostFile>): Promise<void> {
    const written: Promise<Buffer>[] = [];
    for (const file of files) {
      const path = Buffer.from(file.path);
      const head = Buffer.alloc(4);
      head.writeUInt16LE(file.mode ?? 0o644, 0);
      head.writeUInt16LE(path.length, 2);
      const done = this.#ask('F', head, path, 'bytes' in file ? file.bytes : readSource(file.source));
      done.catch(() => {}); // seen below, unless a later file cannot even be read
      written.push(done);
    }
    await Promise.all(written);
  }

  /** The contents of a file in the host. @throws VmError HOST_FAILED where it cannot be read. */
  getFile(path: string): Promise<Buffer> {
    return this.#ask('G', Buffer.from(path));
  }

  /** Kills the host; nothing shuts down. Resolves when its process is gone. Calls after the first do nothing. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#emulator.close();
    this.#fail('was closed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Starts an agent, and waits until it waits. For snapshots. */
  async warmAgent(): Promise<void> {
    await this.#ask('W');
  }

  /** Ends a host that was started to be saved, and that waits for its next request. */
  async save(): Promise<void> {
    await this.#ask('Z');
    this.#isClosed = true;
    await this.#emulator.save();
  }

  async #setClock(): Promise<void> {
    const time = Buffer.alloc(16);
    const now = Date.now();
    time.writeBigUInt64LE(BigInt(Math.floor(now / 1000)), 0);
    time.writeBigUInt64LE(BigInt((now % 1000) * 1_000_000), 8);
    await this.#ask('C', time, randomBytes(32));
  }

  async #reloadKvm(kind: HostKind, parameters: string): Promise<void> {
    const { name, file } = KVM_MODULE[kind];
    const quoted = parameters.split(/\s+/).map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    const load = `rmmod ${name} && insmod /modules/${file}.ko ${quoted.join(' ')}`;
    await this.#ask('R', Uint8Array.of(FLAG_INPUT_FOLLOWS), Buffer.from(load));
  }

  /** A request whose output is its answer; any status but 0 is a failure. */
  async #ask(type: FrameType, ...parts: readonly Uint8Array[]): Promise<Buffer> {
    const output: Record<'O' | 'E', Buffer[]> = { O: [], E: [] };
    const request = this.#request(type, parts, (from, bytes) => void output[from].push(bytes));
    if (type === 'R') this.#frames.send('i');
    const status = await request.status.promise;
    if (status !== 0) {
      const why = Buffer.concat(output.E).toString('utf8').trim();
      throw this.#emulator.failure(`refused: ${why === '' ? `status ${status}` : why}`);
    }
    return Buffer.concat(output.O);
  }

  #request(type: FrameType, parts: readonly Uint8Array[], onOutput: Request['onOutput']): Request {
    const request: Request = { status: deferred<number>(), onOutput };
    request.status.promise.catch(() => {});
    if (this.#isRunning) request.status.reject(new VmError('BUG', 'a command already runs in this host'));
    else if (this.#failure) request.status.reject(this.#failure);
    else {
      this.#requests.push(request);
      this.#frames.send(type, ...parts);
    }
    return request;
  }

  #onFrame(type: FrameType, body: Buffer): void {
    const [request] = this.#requests;
    switch (type) {
      case 'H':
        if (this.#isRestored || this.#isGreeted) this.#fail('restarted');
        this.#isGreeted = true;
        this.#greeting.resolve();
        break;
      case 'O':
      case 'E':
        request?.onOutput(type, body);
        break;
      case 'A':
        request?.feed?.taken(body.readUInt32LE(0));
        break;
      case 'X':
        this.#requests.shift();
        request?.status.resolve(body.readUInt8(0));
        break;
    }
  }

  /** Receives nothing until the stream has taken what it was given, or is closed. */
  #waitFor(stream: Writable): void {
    if (this.#slow.has(stream)) return;
    this.#slow.add(stream);
    this.#frames.pause();
    const goOn = (): void => {
      stream.off('drain', goOn).off('close', goOn);
      this.#slow.delete(stream);
      if (this.#slow.size === 0) this.#frames.resume();
    };
    stream.on('drain', goOn).on('close', goOn);
  }

  #fail(what: string): void {
    if (this.#failure) return;
    this.#failure = this.#isClosed ? new VmError('CLOSED', 'the nested host was closed') : this.#emulator.failure(what);
    this.#greeting.reject(this.#failure);
    for (const request of this.#requests.splice(0)) request.status.reject(this.#failure);
  }
}

function readSource(path: string): Uint8Array {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    throw new VmError('FILE_UNREADABLE', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
