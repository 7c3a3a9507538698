import { VmError } from '../../errors.js';
import { native } from '../../kvm/native.js';
import { loadDisassembler } from '../../machine/guest-code.js';
import type { MachineStats } from '../../machine/report.js';
import { type ClockCheck, checkClock, stampedAccesses, type TimedStamp } from '../guest-clock.js';
import type { LineTable } from '../line-table.js';
import type { ExitEvent, ExitSink, HardwareExit } from '../model.js';
import { Recording } from '../recording.js';
import { readStamps } from '../stamps.js';
import type { HostWrite } from './chain.js';
import { GuestSource } from './guest-source.js';
import { type Piece, timeline } from './timeline.js';

/** The guest's files. */
export interface PrintfGuest {
  /** The ELF file's name. */
  readonly image: string;
  readonly lines: LineTable;
}

/** A run of the printf guest, all on one clock: nanoseconds since the recording began. */
export interface PrintfRun {
  readonly output: string;
  readonly events: readonly ExitEvent[];
  /** Hardware exits after the last event. */
  readonly kept: readonly HardwareExit[];
  readonly stamps: readonly TimedStamp[];
  readonly pieces: readonly Piece[];
  readonly writes: readonly HostWrite[];
  readonly clock: ClockCheck;
  readonly stats: MachineStats;
  readonly kernelMissing: string | undefined;
  /** Its memory is that of the ended machine, and valid inside `read` only. */
  readonly code: GuestSource;
}

/** Where the guest's ring 3 begins. */
export const programStart = (lines: LineTable): number => lines.symbol('program_code') ?? Number.POSITIVE_INFINITY;

const TIMEOUT_S = 60;
const POLLOUT = 4;
const EAGAIN = 11;

/**
 * Runs the guest once, with its output on a descriptor of this process, and hands what was recorded to `read`.
 * @param words for the guest's command line
 * @param fd where the output goes, by write(2); undefined: nowhere
 * @throws VmError as Recording.of; STAMPS_INVALID where the guest did not end by itself, or its stamps are damaged
 */
export async function runPrintf<T>(
  { image, lines }: PrintfGuest,
  words: readonly string[],
  fd: number | undefined,
  read: (run: PrintfRun) => T,
): Promise<T> {
  loadDisassembler(); // it takes long on a software host, and the main thread has the output to pass on
  const exits = new Exits();
  const options = { image, commandLine: words.join(' '), memory: '16M', timeoutS: TIMEOUT_S, record: { hops: true } };
  const recording = await Recording.of(options, [exits]);
  const { machine, toNs } = recording;
  try {
    const host = new HostSide(fd);
    machine.output.on('data', (chunk: Uint8Array) => host.take(chunk));
    machine.start();
    const end = await machine.ended;
    recording.finish();
    if (end.reason === 'error') throw end.error;
    if (end.reason !== 'debug-exit') throw new VmError('STAMPS_INVALID', `the printf guest ended by ${end.reason}`);
    const tscOffset = machine.tscOffset;
    const table = readStamps(machine.memory, lines.symbol('stamps') ?? 0);
    if (table.lost > 0) throw new VmError('STAMPS_INVALID', `the guest had no room for ${table.lost} of its stamps`);
    const ofHost = table.stamps.map((stamp) => ({ ...stamp, ns: toNs(Number(stamp.tsc - (tscOffset ?? 0n))) }));
    const { events, after } = exits;
    const clock = checkClock(stampedAccesses(ofHost, events), (event) => events[event.number + 1], tscOffset);
    const stamps = ofHost.map((stamp) => ({ ...stamp, ns: stamp.ns - clock.correctionNs }));
    const hops = machine.hops?.read().map(({ name, tsc }) => ({ name, ns: toNs(tsc) })) ?? [];
    return read({
      output: host.text,
      events,
      kept: after,
      stamps,
      pieces: timeline(events, { stamps, hops, programStart: programStart(lines) }),
      writes: host.writes.map(({ start, end, ...write }) => ({ ...write, startNs: toNs(start), endNs: toNs(end) })),
      clock,
      stats: machine.stats(),
      kernelMissing: recording.kernelMissing,
      code: new GuestSource(machine.memory, lines),
    });
  } finally {
    recording.finish();
    await machine.close();
  }
}

class Exits implements ExitSink {
  readonly events: ExitEvent[] = [];
  readonly after: HardwareExit[] = [];

  add(event: ExitEvent): void {
    this.events.push(event);
  }

  kept(hardware: readonly HardwareExit[] = []): void {
    this.after.push(...hardware);
  }
}

/** The main thread's part: what has come goes out by write(2), and the time is taken around it. */
class HostSide {
  text = '';
  readonly writes: { offset: number; bytes: number; start: number; end: number }[] = [];
  #offset = 0;

  constructor(private readonly fd: number | undefined) {}

  take(chunk: Uint8Array): void {
    this.text += Buffer.from(chunk).toString('latin1');
    if (this.fd === undefined) return;
    for (let done = 0; done < chunk.length; ) {
      const start = native.rdtsc();
      const count = native.write(this.fd, chunk.subarray(done));
      const end = native.rdtsc();
      // A reader that is slow: it is waited for. One that is gone is the command's to see, when it writes itself.
      if (count === -EAGAIN) native.poll(this.fd, POLLOUT, -1);
      else if (count < 0) return;
      else this.writes.push({ offset: this.#offset + done, bytes: count, start, end });
      done += Math.max(count, 0);
    }
    this.#offset += chunk.length;
  }
}
