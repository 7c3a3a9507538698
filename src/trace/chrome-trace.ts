import fs from 'node:fs';
import { messageOf, VmError } from '../errors.js';
import type { ExitEvent, ExitSink, HardwareExit } from './model.js';
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
  readonly #tracks = new Set<number>();
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

  kept(hardware: readonly HardwareExit[], cpu: number): void {
    const segments = segmentsOfKept(hardware);
    if (this.#hasRoom(segments, hardware)) {
      for (const segment of segments) this.#hardwareSlice(cpu, segment, hardware, undefined);
    } else this.leftOut += hardware.length;
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
      this.#line({ name, ph: 'i', s: 'g', pid: 0, tid: 0, args: { leftOut: this.leftOut } }, this.#lastNs);
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
    this.#slice(cpu, segment, exit?.reason ?? event?.reason ?? '', args);
    for (const vector of exit?.injected ?? []) {
      this.#mark(cpu, mode, fromNs, `interrupt ${hex(vector)} injected`, { vector: hex(vector) });
    }
  }

  #slice(cpu: number, { mode, fromNs, toNs }: Segment, name: string, args: Arguments): void {
    const dur = microseconds(Math.round(toNs) - Math.round(fromNs));
    this.#line({ name, cat: 'exit', ph: 'X', ...this.#track(cpu, mode), args }, fromNs, `,"dur":${dur}`);
    this.#lastNs = Math.max(this.#lastNs, toNs);
  }

  #mark(cpu: number, mode: Mode, timeNs: number, name: string, args: Arguments): void {
    this.#line({ name, cat: 'exit', ph: 'i', s: 't', ...this.#track(cpu, mode), args }, timeNs);
  }

  /** Process and thread. Perfetto takes thread 0 for the idle one and wants threads' numbers to differ everywhere. */
  #track(cpu: number, mode: Mode): { readonly pid: number; readonly tid: number } {
    const index = TRACKS.indexOf(mode);
    const place = { pid: cpu + 1, tid: (cpu + 1) * 10 + index };
    if (!this.#tracks.has(place.tid)) {
      this.#tracks.add(place.tid);
      this.#name('process', place, `vCPU ${cpu}`, cpu);
      this.#name('thread', place, MODE_WORDS[mode], index);
    }
    return place;
  }

  #name(what: 'process' | 'thread', place: { pid: number; tid: number }, name: string, index: number): void {
    this.#line({ name: `${what}_name`, ph: 'M', ...place, args: { name } }, 0);
    this.#line({ name: `${what}_sort_index`, ph: 'M', ...place, args: { sort_index: index } }, 0);
  }

  /** Times are put in as text: a Number would not show whole nanoseconds as the fraction that they are. */
  #line(event: Readonly<Record<string, unknown>>, timeNs: number, more = ''): void {
    if (event.ph !== 'M') this.#events++;
    const ts = microseconds(Math.max(Math.round(timeNs), 0));
    this.#batch += `${this.#separator}${JSON.stringify(event).slice(0, -1)},"ts":${ts}${more}}`;
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
    'rip is': ripIs === 'exact' ? 'of the instruction that exited' : 'after the instruction that exited',
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
