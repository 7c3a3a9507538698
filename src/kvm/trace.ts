/**
 * The kernel's own record of what KVM did: its `kvm:*` trace events (Linux, Documentation/trace/ftrace.rst and
 * events.rst), in an instance of tracefs that is ours alone. That wants root, as a rule.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf, VmError } from '../errors.js';

const ROOTS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];
const EVENTS = ['kvm_exit', 'kvm_inj_exception'];
/** For each processor; the oldest events make room for new ones. */
const BUFFER_KIB = 64;
const INSTANCE = /^vmlaunch-(\d+)-\d+$/;

/** One event of a thread. */
export interface KvmEvent {
  /** Of the thread that was running the vCPU. */
  readonly tid: number;
  /** "kvm_exit", "kvm_inj_exception" */
  readonly name: string;
  /** What the kernel prints of it. */
  readonly text: string;
}

let opened = 0;

/** Records the KVM events of threads that ask for it, until it is closed. */
export class KvmTrace {
  private constructor(private readonly directory: string) {}

  /** @param roots where tracefs may be. @throws VmError KVM_TRACE_UNAVAILABLE with the reason */
  static open(roots: readonly string[] = ROOTS): KvmTrace {
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
    try {
      const set = (name: string, value: string) => fs.writeFileSync(path.join(directory, name), value, { flag: 'r+' }); // the kernel makes the files
      set('buffer_size_kb', `${BUFFER_KIB}`);
      set('set_event_pid', `${process.pid}`); // else every thread of the system
      for (const event of EVENTS) set(`events/kvm/${event}/enable`, '1');
    } catch (error) {
      fs.rmdirSync(directory);
      throw unavailable(messageOf(error));
    }
    return new KvmTrace(directory);
  }

  /** To which a thread that wants to be recorded appends its number: `recordThread`. */
  get threadsFile(): string {
    return path.join(this.directory, 'set_event_pid');
  }

  /** What is recorded, oldest first. */
  read(): KvmEvent[] {
    return parseTrace(fs.readFileSync(path.join(this.directory, 'trace'), 'utf8'));
  }

  /** Ends the recording and forgets what was recorded. */
  close(): void {
    fs.rmdirSync(this.directory);
  }
}

/** Has the calling thread's events recorded. @param threadsFile of the trace */
export function recordThread(threadsFile: string, tid: number): void {
  fs.appendFileSync(threadsFile, `${tid}\n`);
}

/** The `trace` file's lines: "comm-tid [cpu] flags time: name: text". Others are comments. */
export function parseTrace(text: string): KvmEvent[] {
  const events: KvmEvent[] = [];
  for (const [, tid, name = '', words = ''] of text.matchAll(/^.*-(\d+) +\[\d+\] \S+ +[\d.]+: (\w+): (.*)$/gm)) {
    events.push({ tid: Number(tid), name, text: words.trim() });
  }
  return events;
}

/** A process that was killed leaves its instance. */
function removeAbandoned(instances: string): void {
  for (const name of fs.readdirSync(instances)) {
    const pid = INSTANCE.exec(name)?.[1];
    if (pid === undefined || fs.existsSync(`/proc/${pid}`)) continue;
    fs.rmdirSync(path.join(instances, name));
  }
}

function unavailable(why: string): VmError {
  return new VmError('KVM_TRACE_UNAVAILABLE', `the kernel's trace of KVM cannot be had: ${why}`, {
    hint: 'It wants root, and a kernel with tracefs.',
  });
}
