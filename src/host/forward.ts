import fs from 'node:fs';
import os from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { VmError } from '../errors.js';
import { deferred } from './deferred.js';
import type { HostFile } from './file.js';
import { Host, type HostClock, type Job, type PreparedHost } from './host.js';
import { DEFAULT_MEMORY_MIB, type HostKind } from './kind.js';
import { prepareHost } from './prepare.js';
import { writeFile } from './write-file.js';

export interface ForwardOptions {
  readonly kind: HostKind;
  /** What follows `vmlaunch` inside: paths in it are paths inside. */
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly upload: readonly HostFile[];
  /** Files that the command wrote, to be brought out after its end; one that it did not write is left out. */
  readonly download: readonly { readonly inside: string; readonly outside: string }[];
  /** Wall-clock seconds here, from the host's start on; preparing it is not counted. */
  readonly timeoutS?: number;
  readonly clock: HostClock;
  readonly kvmArgs?: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Signals of this process that are the command's. By default SIGINT, SIGTERM, SIGHUP. */
  readonly signals?: readonly NodeJS.Signals[];
  readonly progress?: (line: string) => void;
}

/** The status of a run that took too long, as timeout(1) has it. */
const TIMED_OUT = 124;
const SIGNALLED = 128;
const WORK = '/work';

/**
 * What a command may take to end by itself after a signal or its time: then the host is killed. To say where the guest
 * is, a vtx host first loads a disassembler, which takes it seconds.
 */
const GRACE_MS = 10_000;

/**
 * Runs a `vmlaunch` command in a nested host as if it ran here: files go in, standard streams live, signals too;
 * then result files come out.
 * @returns the command's exit status; 124 when it took too long (it got SIGALRM first); 128 + n when it did not end
 *   by itself after signal n, or at its second; where that takes too long, standard error says so.
 * @throws VmError HOST_FAILED, SETUP_FAILED, FILE_UNREADABLE
 */
export async function runInHost(options: ForwardOptions): Promise<number> {
  const prepared = await prepareHost(options.kind, options.progress ?? (() => {}));
  using interruption = new Interruption(options);
  const ended = runIn(prepared, options, interruption);
  try {
    const status = await Promise.race([ended, interruption.forced]);
    return interruption.timedOut ? TIMED_OUT : status;
  } finally {
    interruption.abandonHost();
    await ended.catch(() => {}); // told already, or of no more interest
  }
}

async function runIn(prepared: PreparedHost, options: ForwardOptions, interruption: Interruption): Promise<number> {
  const { argv, env = {}, upload, download, clock, kvmArgs, stdout, stderr } = options;
  const input = wholeInput(options.stdin) ?? options.stdin;
  const { abort } = interruption;
  await using host = await Host.start(prepared, {
    setClock: clock,
    abort,
    ...(kvmArgs === undefined ? {} : { kvmArgs }),
  });
  interruption.hostIsThere(host);
  await host.putFiles(upload);
  const job: Job = { argv, env, cwd: WORK };
  const status = await host.run(job, { input, stdout, stderr });
  if (status === SIGNALLED + os.constants.signals.SIGKILL) throw killed(options.kind);
  for (const { inside, outside } of download) await bringOut(host, inside, outside);
  return status;
}

/** Nobody but the host's own kernel sends the command SIGKILL. */
const killed = (kind: HostKind): VmError =>
  new VmError('HOST_FAILED', `the nested host ${kind} (${DEFAULT_MEMORY_MIB[kind]} MiB) ran out of memory`, {
    hint: 'Give the guest less --memory, or take another host.',
  });

/** Passes signals and the end of the time on to the command, and forces the end where that does not help. */
class Interruption {
  /** Resolves to the exit status when the command did not end by itself. */
  readonly forced: Promise<number>;
  timedOut = false;
  readonly #force = deferred<number>();
  readonly #abort = new AbortController();
  #host: Host | undefined;
  readonly #signals: readonly NodeJS.Signals[];
  readonly #stderr: Writable;
  readonly #timers: NodeJS.Timeout[] = [];
  #interrupted = false;

  constructor({ timeoutS, signals = ['SIGINT', 'SIGTERM', 'SIGHUP'], stdout, stderr }: ForwardOptions) {
    this.forced = this.#force.promise;
    this.#signals = signals;
    this.#stderr = stderr;
    for (const signal of signals) process.on(signal, this.#onSignal);
    // Nobody reads any more: what SIGPIPE is to a program that runs here.
    for (const stream of [stdout, stderr]) stream.once('error', this.#onClosed);
    this.#cleanUp = () => {
      for (const stream of [stdout, stderr]) stream.off('error', this.#onClosed);
    };
    if (timeoutS !== undefined) {
      this.#after(Math.min(timeoutS * 1000, 2 ** 31 - 1), () => {
        this.timedOut = true;
        this.#interrupt('SIGALRM', TIMED_OUT);
      });
    }
  }

  /** Aborted when the host is to be killed, be it still starting. */
  get abort(): AbortSignal {
    return this.#abort.signal;
  }

  /** From now on there is a command that can end by itself. */
  hostIsThere(host: Host): void {
    this.#host = host;
  }

  abandonHost(): void {
    this.#abort.abort();
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#cleanUp();
  }

  readonly #cleanUp: () => void;

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const status = SIGNALLED + os.constants.signals[signal];
    if (this.#interrupted) this.#force.resolve(status);
    else this.#interrupt(signal, status);
  };

  readonly #onClosed = (): void => this.#force.resolve(SIGNALLED + os.constants.signals.SIGPIPE);

  #interrupt(signal: NodeJS.Signals, status: number): void {
    this.#interrupted = true;
    if (this.#host === undefined) return this.#force.resolve(status);
    this.#host.signal(signal);
    this.#after(GRACE_MS, () => {
      this.#stderr.write(`vmlaunch: the nested host did not heed ${signal} for ${GRACE_MS / 1000} s, and was killed\n`);
      this.#force.resolve(status);
    });
  }

  #after(ms: number, action: () => void): void {
    this.#timers.push(setTimeout(action, ms));
  }
}

/**
 * All of the input where it is known now: so a run on vtx repeats. That is a file, or /dev/null. Anything else is
 * read as it comes.
 */
function wholeInput(stream: Readable): Uint8Array | undefined {
  if (stream.readableEnded) return new Uint8Array();
  const fd = (stream as Readable & { fd?: unknown }).fd;
  if (typeof fd !== 'number') return undefined;
  const stat = fs.fstatSync(fd);
  if (stat.isFile()) return fs.readFileSync(fd);
  const isNull = stat.isCharacterDevice() && stat.rdev === fs.statSync('/dev/null').rdev;
  return isNull ? new Uint8Array() : undefined;
}

async function bringOut(host: Host, inside: string, outside: string): Promise<void> {
  const bytes = await host.getFile(inside).catch((error: unknown) => {
    if (error instanceof VmError && error.message.endsWith('No such file or directory')) return undefined;
    throw error;
  });
  if (bytes === undefined) return;
  writeFile(outside, bytes);
}
