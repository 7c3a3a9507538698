import fs from 'node:fs';
import { messageOf, VmError } from '../errors.js';
import type { ExitEvent, ExitSink, HardwareExit, Span } from './model.js';
import { type Mode, type Segment, segmentsOf, segmentsOfKept } from './segments.js';
import { exitWords, hex, MODE_WORDS } from './words.js';

/** What a viewer still opens without effort. */
const MOST_EVENTS = 1_000_000;
const BATCH_BYTES = 64 << 10;
/** Tracks of a vCPU from above to below. */
const TRACKS: readonly Mode[] = ['nonRoot', 'rootRing0', 'inside', 'rootRing3'];

type Arguments = Readonly<Record<string, unknown>>;

/**
 * Writes exits in the Trace Event Format, as ui.perfetto.dev and chrome://tracing open it: a JSON array of one event a
 * line, whose closing bracket the format lets be absent. So the file is good up to its last flush, whatever ends this
 * process. A vCPU is a process and a mode a thread. Nothing that was written stays in memory.
 */
export class ChromeTrace implements ExitSink {
  /** Returns of KVM_RUN, and hardware exits after a vCPU's last return, that came when the file was full. */
  leftOut = 0;
  readonly #file: string;
  readonly #fd: number;
  readonly #mostEvents: number;
  readonly #next = new Map<number, number>();
  /** Process and thread in JSON, by thread. */
  readonly #tracks = new Map<number, string>();
  #batch = '[\n';
  #separator = '';
  #events = 0;
  #lastNs = 0;

  /**
   * @param mostEvents slices and marks that the file may hold; an exit makes three, and two more for each that KVM kept
   * @throws VmError FILE_UNREADABLE
   */
  constructor(file: string, { mostEvents = MOST_EVENTS }: { readonly mostEvents?: number } = {}) {
    this.#file = file;
    this.#mostEvents = mostEvents;
    this.#fd = this.#try(() => fs.openSync(file, 'w'));
  }

  add(event: ExitEvent): void {
    const expected = this.#next.get(event.cpu) ?? 0;
    this.#next.set(event.cpu, event.number + 1);
    const segments = segmentsOf(event);
    if (!this.#hasRoom(segments, event.hardware)) {
      this.leftOut++;
      return;
    }
    const lost = event.number - expected;
    if (lost > 0) this.#mark(event.cpu, 'rootRing3', event.enteredNs, `${lost} exits lost`, { lost });
    for (const segment of segments) {
      if (segment.mode === 'rootRing3') this.#slice(event.cpu, segment, exitWords(event), exitArguments(event));
      else this.#hardwareSlice(event.cpu, segment, event.hardware ?? [], event);
    }
  }

  kept(hardware: readonly HardwareExit[] | undefined, cpu: number, run?: Span): void {
    const segments = segmentsOfKept(hardware, run);
    if (this.#hasRoom(segments, hardware)) {
      for (const segment of segments) this.#hardwareSlice(cpu, segment, hardware ?? [], undefined);
    } else this.leftOut += hardware?.length ?? 0;
  }

  /** Brings the file up to date. @throws VmError FILE_UNREADABLE, when the disk is full for example */
  flush(): void {
    const bytes = Buffer.from(this.#batch);
    this.#batch = '';
    for (let at = 0; at < bytes.length; ) at += this.#try(() => fs.writeSync(this.#fd, bytes, at));
  }

  /** Says what was left out, and completes the array. @throws VmError FILE_UNREADABLE */
  close(): void {
    if (this.leftOut > 0) {
      const name = `${this.leftOut} exits left out: the file holds at most ${this.#mostEvents} events`;
      const ts = microseconds(this.#lastNs);
      this.#line(`"ph":"i","s":"g","pid":0,"tid":0,"ts":${ts}`, name, { leftOut: this.leftOut });
    }
    this.#batch += '\n]\n';
    this.flush();
    this.#try(() => fs.closeSync(this.#fd));
  }

  /** An exit is in the file whole or not at all, and none after the first that was left out: a trace has no holes. */
  #hasRoom(segments: readonly Segment[], hardware: readonly HardwareExit[] = []): boolean {
    const marks = hardware.reduce((sum, { injected }) => sum + injected.length, 1);
    return this.leftOut === 0 && this.#events + segments.length + marks <= this.#mostEvents;
  }

  #hardwareSlice(cpu: number, segment: Segment, hardware: readonly HardwareExit[], event: ExitEvent | undefined): void {
    const exit = hardware[segment.hardware];
    const { mode, fromNs } = segment;
    if (mode === 'rootRing0') {
      this.#slice(cpu, segment, exit === undefined ? 'KVM_RUN called' : `after VM exit ${exit.reason}`, {});
      return;
    }
    const returns = event !== undefined && !event.continued && segment.hardware === hardware.length - 1;
    const args =
      exit === undefined ? {} : { ...hardwareArguments(exit), 'led to': returns ? event.reason : 'kept by KVM' };
    this.#slice(cpu, segment, exit?.reason ?? event?.reason ?? 'no exit: stopped', args);
    for (const vector of exit?.injected ?? []) {
      this.#mark(cpu, mode, fromNs, `interrupt ${hex(vector)} injected`, { vector: hex(vector) });
    }
  }

  #slice(cpu: number, { mode, fromNs, toNs }: Segment, name: string, args: Arguments): void {
    const [from, to] = [Math.max(Math.round(fromNs), 0), Math.max(Math.round(toNs), 0)];
    const times = `"ts":${microseconds(from)},"dur":${microseconds(to - from)}`;
    this.#event(`"ph":"X",${this.#track(cpu, mode)},${times}`, name, args);
    this.#lastNs = Math.max(this.#lastNs, to);
  }

  #mark(cpu: number, mode: Mode, timeNs: number, name: string, args: Arguments): void {
    const ts = microseconds(Math.max(Math.round(timeNs), 0));
    this.#event(`"ph":"i","s":"t",${this.#track(cpu, mode)},"ts":${ts}`, name, args);
  }

  #event(fields: string, name: string, args: Arguments): void {
    this.#events++;
    this.#line(`"cat":"exit",${fields}`, name, args);
  }

  /** Process and thread. Perfetto takes thread 0 for the idle one and wants threads' numbers to differ everywhere. */
  #track(cpu: number, mode: Mode): string {
    const index = TRACKS.indexOf(mode);
    const tid = (cpu + 1) * 10 + index;
    const known = this.#tracks.get(tid);
    if (known !== undefined) return known;
    const track = `"pid":${cpu + 1},"tid":${tid}`;
    this.#tracks.set(tid, track);
    const name = (what: string, args: Arguments) => this.#line(`"ph":"M",${track},"ts":0`, what, args);
    name('process_name', { name: `vCPU ${cpu}` });
    name('process_sort_index', { sort_index: cpu });
    name('thread_name', { name: MODE_WORDS[mode] });
    name('thread_sort_index', { sort_index: index });
    return track;
  }

  /** @param fields in JSON, since a Number of microseconds does not show its nanoseconds as they are */
  #line(fields: string, name: string, args: Arguments): void {
    this.#batch += `${this.#separator}{"name":${JSON.stringify(name)},${fields},"args":${JSON.stringify(args)}}`;
    this.#separator = ',\n';
    if (this.#batch.length >= BATCH_BYTES) this.flush();
  }

  #try<Result>(call: () => Result): Result {
    try {
      return call();
    } catch (error) {
      throw new VmError('FILE_UNREADABLE', `${this.#file} cannot be written: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** The format's unit, from whole nanoseconds: 1234 is "1.234". */
function microseconds(ns: number): string {
  return `${Math.floor(ns / 1000)}.${String(ns % 1000).padStart(3, '0')}`;
}

function exitArguments(event: ExitEvent): Arguments {
  const { number, reason, detail, rip, ripIs, bits, cpl, continued, access } = event;
  return {
    exit: number,
    reason,
    detail,
    ...(access === undefined
      ? {}
      : {
          bus: access.bus,
          address: hex(access.address),
          direction: access.write ? 'write' : 'read',
          size: access.size,
          count: access.count,
          value: hex(access.value),
          device: access.device ?? 'nobody',
        }),
    rip: hex(rip),
    'rip is': ripIs,
    bits,
    ring: cpl,
    continued,
  };
}

function hardwareArguments({ reason, rip, info1, info2, interruptInfo }: HardwareExit): Arguments {
  return {
    'VM exit': reason,
    rip: hex(rip),
    info1: hex(info1),
    info2: hex(info2),
    'interruption info': hex(interruptInfo),
  };
}
