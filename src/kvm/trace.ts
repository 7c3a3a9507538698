/**
 * The kernel's own record of what KVM did: its `kvm:*` trace events (Linux, Documentation/trace/ftrace.rst and
 * events.rst), in an instance of tracefs that is ours alone. That wants root, as a rule.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf, VmError } from '../errors.js';
import { OwnedFd } from './fd.js';
import { native } from './native.js';
import { parsePageLayout } from './ring-page.js';
import { type KvmEvent, type KvmEventName, makeDecoder } from './trace-events.js';
import { parseFormat } from './trace-format.js';
import { type ReadPage, TraceReader } from './trace-reader.js';

const ROOTS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
const INSTANCE = /^vmlaunch-(\d+)-\d+$/;
/** Those that are in another place than `events/kvm`. */
const SYSTEMS: Partial<Record<KvmEventName, string>> = { kvm_tdp_mmu_spte_changed: 'kvmmmu' };
/** Without which the others cannot be made sense of. */
const REQUIRED = ['kvm_exit', 'kvm_entry', 'kvm_userspace_exit'] as const;
const EVENTS = [...REQUIRED, 'kvm_inj_virq', 'kvm_inj_exception', 'kvm_page_fault'] as const;
const DEFAULT_BUFFER_KIB = 64;

export interface KvmTraceOptions {
  /** Where tracefs may be. */
  readonly roots?: readonly string[];
  /**
   * Of each processor's buffer; the oldest events make room for new ones. The default of 64 hold about 900 exits alone,
   * or 500 with their entry and the return of KVM_RUN.
   */
  readonly bufferKiB?: number;
  /** What is recorded; all of `events/kvm` that there is a type for, if not given. */
  readonly events?: readonly KvmEventName[];
}

let opened = 0;

/** Records the KVM events of threads that ask for it, until it is closed. */
export class KvmTrace {
  readonly #directory: string;
  readonly #fds: readonly OwnedFd[];
  readonly #reader: TraceReader;

  private constructor(directory: string, fds: readonly OwnedFd[], reader: TraceReader) {
    this.#directory = directory;
    this.#fds = fds;
    this.#reader = reader;
  }

  /** As `open`; where it cannot be had: why, in words. */
  static openOrWhyNot(options: KvmTraceOptions = {}): KvmTrace | string {
    try {
      return KvmTrace.open(options);
    } catch (error) {
      if (error instanceof VmError && error.code === 'KVM_TRACE_UNAVAILABLE') return error.message;
      throw error;
    }
  }

  /** @throws VmError KVM_TRACE_UNAVAILABLE with the reason */
  static open(options: KvmTraceOptions = {}): KvmTrace {
    const directory = makeInstance(options.roots ?? ROOTS);
    const fds: OwnedFd[] = [];
    try {
      return new KvmTrace(directory, fds, start(directory, fds, options));
    } catch (error) {
      remove(directory, fds);
      throw unavailable(messageOf(error));
    }
  }

  /** To which a thread that wants to be recorded appends its number: `recordThread`. */
  get threadsFile(): string {
    return path.join(this.#directory, 'set_event_pid');
  }

  /**
   * Takes what was recorded since the last drain and before this one began, in order of time over all processors. It
   * waits for nothing. What comes meanwhile is left for the next drain: a processor that has been read already might
   * by then have older events. So no event of a thread comes after a later one of it, wherever it ran; of two threads
   * that may happen only where the host halts one for the whole time between taking an event's time and storing it.
   * @throws VmError BUG where the kernel's buffer makes no sense
   */
  drain(): KvmEvent[] {
    return this.#reader.drain();
  }

  /** How many events the kernel has overwritten before they were taken, or dropped. */
  get lost(): number {
    const processors = fs.readdirSync(path.join(this.#directory, 'per_cpu'));
    const texts = processors.map((cpu) => fs.readFileSync(path.join(this.#directory, 'per_cpu', cpu, 'stats'), 'utf8'));
    return texts.reduce((sum, text) => sum + lostOf(text), 0);
  }

  /** Ends the recording and forgets what was recorded. */
  close(): void {
    remove(this.#directory, this.#fds);
  }
}

/** Has the calling thread's events recorded. @param threadsFile of the trace */
export function recordThread(threadsFile: string, tid: number): void {
  fs.appendFileSync(threadsFile, `${tid}\n`);
}

/** The sum of a processor's `stats` over the ways in which an event is lost: "overrun: 12". */
export function lostOf(stats: string): number {
  const counts = stats.matchAll(/^(?:overrun|commit overrun|dropped events): (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

function makeInstance(roots: readonly string[]): string {
  const root = roots.find((place) => fs.existsSync(path.join(place, 'instances')));
  if (root === undefined) throw unavailable(`tracefs is not mounted at ${ROOTS[0]}, or may not be looked into`);
  const instances = path.join(root, 'instances');
  const directory = path.join(instances, `vmlaunch-${process.pid}-${opened++}`);
  try {
    removeAbandoned(instances);
    fs.mkdirSync(directory);
  } catch (error) {
    throw unavailable(messageOf(error));
  }
  return directory;
}

/** Has an instance record, and makes what reads it. @param fds gets the descriptors to close, also where it throws */
function start(
  directory: string,
  fds: OwnedFd[],
  { events = EVENTS, bufferKiB = DEFAULT_BUFFER_KIB }: KvmTraceOptions,
): TraceReader {
  const get = (name: string) => fs.readFileSync(path.join(directory, name), 'utf8');
  const set = (name: string, value: string) => fs.writeFileSync(path.join(directory, name), value, { flag: 'r+' }); // the kernel makes the files
  const names = events.filter((name) => isThere(directory, name));
  set('options/overwrite', '1'); // an instance begins with the system's options
  set('trace_clock', 'x86-tsc');
  set('buffer_size_kb', `${bufferKiB}`);
  set('set_event_pid', `${process.pid}`); // else every thread of the system
  const decoders = names.map((name) => makeDecoder(name, parseFormat(get(`${eventPath(name)}/format`))));
  for (const cpu of fs.readdirSync(path.join(directory, 'per_cpu'))) fds.push(openRaw(directory, cpu));
  const layout = parsePageLayout(get('events/header_page'));
  const reader = new TraceReader({ processors: fds.map(readingFrom), layout, decoders, now: () => native.rdtsc() });
  for (const name of names) set(`${eventPath(name)}/enable`, '1');
  return reader;
}

const eventPath = (name: KvmEventName): string => `events/${SYSTEMS[name] ?? 'kvm'}/${name}`;

/** @throws Error where the event is not there and must be */
function isThere(directory: string, name: KvmEventName): boolean {
  if (fs.existsSync(path.join(directory, eventPath(name)))) return true;
  if (REQUIRED.some((required) => required === name)) throw new Error(`this kernel has no event kvm:${name}`);
  return false;
}

function openRaw(directory: string, cpu: string): OwnedFd {
  const file = path.join(directory, 'per_cpu', cpu, 'trace_pipe_raw');
  return new OwnedFd(native.open(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK), file);
}

const EAGAIN = 11;

function readingFrom(fd: OwnedFd): ReadPage {
  return (page) => {
    const count = native.read(fd.number, page, 0);
    if (count >= 0) return count;
    if (count === -EAGAIN) return 0;
    throw new VmError('KVM_CALL_FAILED', `reading the kernel’s trace failed: errno ${-count}`);
  };
}

/** An instance that is read cannot be removed. */
function remove(directory: string, fds: readonly OwnedFd[]): void {
  for (const fd of fds) fd.close();
  fs.rmdirSync(directory);
}

/** A process that was killed leaves its instance. */
function removeAbandoned(instances: string): void {
  for (const name of fs.readdirSync(instances)) {
    const pid = INSTANCE.exec(name)?.[1];
    if (pid === undefined || fs.existsSync(`/proc/${pid}`)) continue;
    try {
      fs.rmdirSync(path.join(instances, name));
    } catch {
      // Somebody looks into it, or another process has removed it: no reason for this one not to begin.
    }
  }
}

function unavailable(why: string): VmError {
  return new VmError('KVM_TRACE_UNAVAILABLE', `the kernel's trace of KVM cannot be had: ${why}`, {
    hint: 'It wants root, and a kernel with tracefs.',
  });
}
