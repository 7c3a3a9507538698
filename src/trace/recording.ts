import { KVM_EXIT_IO, KVM_EXIT_MMIO } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import { exitDetail, exitLabel } from '../kvm/exit-words.js';
import { flavourName } from '../kvm/flavour.js';
import { native } from '../kvm/native.js';
import type { ExitRing, RawExit } from '../machine/exit-ring.js';
import { Machine } from '../machine/machine.js';
import type { MachineOptions } from '../machine/options.js';
import { CodeBook } from './code-book.js';
import type { Instruction } from './instruction.js';
import { KernelSide } from './kernel-side.js';
import type { Access, ExitEvent, ExitSink } from './model.js';
import { Returns } from './returns.js';

/** How often the rings are emptied. */
const DRAIN_MS = 50;
/** Of a vCPU, in one turn of the event loop. */
const MOST_AT_ONCE = 4096;
/** A guest chooses at how many places it makes exits. */
const MOST_INSTRUCTIONS = 0x10000;

/** What the end of a recording tells beside its exits. */
export interface RecordingEnd {
  /** Exits that came after the last recorded one, and were lost. */
  readonly lostAtEnd: number;
  /** From the kernel's events alone; null where they are not there, or some were lost. */
  readonly keptByKvm: number | null;
  /** Returns with an exit for which the kernel has no hardware exit of their own; null likewise. */
  readonly continuedByKernel: number | null;
  /** Events of the kernel that were overwritten before they were read. */
  readonly kernelEventsLost: number;
}

/**
 * Records a machine's exits: reads what the vCPU threads write, puts the kernel's events of the same vCPUs beside it,
 * and hands the exits, complete, to whoever wants them.
 * @example
 * const recording = await Recording.of({ image: 'kernel' }, [summary]);
 * recording.machine.start();
 * await recording.machine.ended;
 * const end = recording.finish();
 */
export class Recording {
  readonly machine: Machine;
  /** Why the kernel's side is not recorded; undefined where it is. */
  readonly kernelMissing: string | undefined;
  readonly #code: CodeBook;
  readonly #instructions = new Map<bigint, Instruction>();
  readonly #kernel: KernelSide | undefined;
  readonly #sinks: readonly ExitSink[];
  readonly #cpus: readonly CpuReader[];
  readonly #originTsc = native.rdtsc();
  readonly #nsPerTick: number;
  readonly #timer: NodeJS.Timeout;
  /** There was more than a part, and the next turn takes it. */
  #goesOn = false;
  #end: RecordingEnd | undefined;

  /**
   * Makes a machine whose exits are recorded; nothing runs yet. Whoever calls this calls `finish` before the machine is
   * closed, and closes it.
   * @throws as Machine.create
   */
  static async of(options: MachineOptions, sinks: readonly ExitSink[]): Promise<Recording> {
    const kernel = KernelSide.open();
    const isThere = kernel instanceof KernelSide;
    try {
      const threadsFile = isThere ? kernel.threadsFile : undefined;
      const machine = await Machine.create({ ...options, timed: true, threadsFile, record: { ...options.record } });
      return new Recording(machine, kernel, sinks);
    } catch (error) {
      if (isThere) kernel.close();
      throw error;
    }
  }

  private constructor(machine: Machine, kernel: KernelSide | string, sinks: readonly ExitSink[]) {
    this.machine = machine;
    this.#kernel = kernel instanceof KernelSide ? kernel : undefined;
    this.kernelMissing = kernel instanceof KernelSide ? undefined : kernel;
    this.#sinks = sinks;
    this.#nsPerTick = 1e6 / machine.tscKhz;
    this.#code = new CodeBook(() => machine.memory);
    const flavour = flavourName();
    this.#cpus = (machine.exitRings ?? []).map((ring) => new CpuReader(ring, new Returns(this.#code, flavour)));
    this.#timer = setInterval(() => this.drain(), DRAIN_MS);
    this.#timer.unref();
  }

  /** A time of the host's TSC on the recording's clock. */
  readonly toNs = (tsc: number): number => (tsc - this.#originTsc) * this.#nsPerTick;

  /** The instruction at which there was an exit, as it was then. Undefined where its bytes could not be read. */
  instructionAt(rip: bigint): Instruction | undefined {
    return this.#instructions.get(rip);
  }

  /**
   * Hands on what has come; of very much a part, and then what else the process has to do has its turn. It is done by
   * itself twenty times a second.
   */
  drain(): void {
    if (this.#end !== undefined || this.#goesOn) return;
    this.#goesOn = this.#handOn();
    if (!this.#goesOn) return;
    setImmediate(() => {
      this.#goesOn = false;
      this.drain();
    });
  }

  /** Returns whether there is more. */
  #handOn(): boolean {
    // What the rings hold now happened before: so the kernel's events of it are there when they are read next.
    const counts = this.#cpus.map(({ ring }) => Math.min(ring.waiting, MOST_AT_ONCE));
    this.#kernel?.drain(() => this.machine.vcpuThreads, this.toNs);
    this.#cpus.forEach((cpu, index) => {
      cpu.ring.take(counts[index] ?? 0, (raw) => this.#hand(this.#eventOf(raw, cpu, index)));
    });
    return counts.includes(MOST_AT_ONCE);
  }

  #hand(event: ExitEvent): void {
    for (const sink of this.#sinks) sink.add(event);
  }

  /** The machine has ended: hands the rest on, and stops. A second call gives the same. */
  finish(): RecordingEnd {
    if (this.#end !== undefined) return this.#end;
    clearInterval(this.#timer);
    while (this.#handOn());
    const kernelEventsLost = this.#kernel?.lost ?? 0;
    this.#cpus.forEach(({ ring }, index) => {
      const rest = this.#kernel?.exitsUntil(index, Number.POSITIVE_INFINITY);
      const last = ring.interruptedRun;
      const run = last && { fromNs: this.toNs(last.entered), toNs: this.toNs(last.ended) };
      for (const sink of this.#sinks) sink.kept(rest, index, run);
    });
    this.#kernel?.close();
    const isWhole = this.#kernel !== undefined && kernelEventsLost === 0;
    this.#end = {
      lostAtEnd: this.#cpus.reduce((sum, { ring, next }) => sum + ring.exits - next, 0),
      keptByKvm: isWhole ? this.#kernel.kept : null,
      continuedByKernel: isWhole ? this.#kernel.continued : null,
      kernelEventsLost,
    };
    return this.#end;
  }

  #eventOf(raw: RawExit, cpu: CpuReader, index: number): ExitEvent {
    const { number, page, place } = raw;
    if (place !== undefined) this.#code.learn(raw.rip, place);
    const { bits, cpl } = place ?? this.#code.placeAt(raw.rip) ?? UNKNOWN_PLACE;
    cpu.next = number + 1;
    const returnedNs = this.toNs(raw.returned);
    const hardware = this.#kernel?.exitsUntil(index, returnedNs);
    const access = this.#accessOf(page, raw.data);
    const reason = exitLabel(page.exitReason);
    const known = { reason, access, rip: raw.rip, rcx: raw.rcx, hardware };
    const { rip, ripIs, continued, instruction } = cpu.returns.next(known);
    if (instruction && this.#instructions.size < MOST_INSTRUCTIONS) this.#instructions.set(rip, instruction);
    return {
      cpu: index,
      number,
      reason,
      access,
      detail: access ? undefined : exitDetail(page),
      rip,
      ripIs,
      bits,
      cpl,
      enteredNs: this.toNs(raw.entered),
      returnedNs,
      handledNs: this.toNs(raw.handled),
      continued,
      hardware,
    };
  }

  #accessOf(page: RunPage, data: bigint): Access | undefined {
    const isPio = page.exitReason === KVM_EXIT_IO;
    if (!isPio && page.exitReason !== KVM_EXIT_MMIO) return undefined;
    const bus = isPio ? 'pio' : 'mmio';
    const address = isPio ? page.ioPort : page.mmioAddress;
    const size = isPio ? page.ioSize : page.mmioLength;
    return {
      bus,
      write: isPio ? page.ioIsOut : page.mmioIsWrite,
      address,
      size,
      count: isPio ? page.ioCount : 1,
      value: BigInt.asUintN(size * 8, data),
      device: this.machine.deviceAt(bus, address),
    };
  }
}

/** Of an exit whose mode could not be read: KVM refused. */
const UNKNOWN_PLACE = { bits: 64, cpl: 0 } as const;

class CpuReader {
  /** The number of the next exit. */
  next = 0;

  constructor(
    readonly ring: ExitRing,
    readonly returns: Returns,
  ) {}
}
