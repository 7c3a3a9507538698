import { KVM_EXIT_IO, KVM_EXIT_MMIO } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import { exitDetail, exitLabel } from '../kvm/exit-words.js';
import { localFlavour } from '../kvm/flavour.js';
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
      const machine = await Machine.create({ ...options, timed: true, record: { ...options.record, threadsFile } });
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
    const { flavour } = localFlavour();
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

  /** Hands on what has come. It is done by itself twenty times a second. */
  drain(): void {
    // What the rings hold happened before: so the kernel's events of it are there when they are read next.
    this.#cpus.forEach(({ waiting, ring }) => {
      ring.drain((raw) => waiting.push(copyOf(raw)));
    });
    this.#kernel?.drain(this.machine.vcpuThreads, this.toNs);
    this.#cpus.forEach((cpu, index) => {
      for (const raw of cpu.waiting.splice(0)) this.#hand(this.#eventOf(raw, cpu, index));
    });
  }

  #hand(event: ExitEvent): void {
    for (const sink of this.#sinks) sink.add(event);
  }

  /** The machine has ended: hands the rest on, and stops. A second call gives the same. */
  finish(): RecordingEnd {
    if (this.#end !== undefined) return this.#end;
    clearInterval(this.#timer);
    this.drain();
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

  #eventOf(raw: Waiting, cpu: CpuReader, index: number): ExitEvent {
    const { number, reason, detail, place } = raw;
    const { bits, cpl } = place ?? this.#code.placeAt(raw.rip) ?? UNKNOWN_PLACE;
    if (place !== undefined) this.#code.learn(raw.rip, place);
    cpu.next = number + 1;
    const returnedNs = this.toNs(raw.returned);
    const hardware = this.#kernel?.exitsUntil(index, returnedNs);
    const access = raw.access && { ...raw.access, device: this.machine.deviceAt(raw.access.bus, raw.access.address) };
    const { rip, ripIs, continued, instruction } = cpu.returns.next({
      reason,
      access,
      rip: raw.rip,
      rcx: raw.rcx,
      hardware,
    });
    if (instruction && this.#instructions.size < MOST_INSTRUCTIONS) this.#instructions.set(rip, instruction);
    return {
      cpu: index,
      number,
      reason,
      access,
      detail,
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
}

/** Of an exit whose mode could not be read: KVM refused. */
const UNKNOWN_PLACE = { bits: 64, cpl: 0 } as const;

class CpuReader {
  readonly waiting: Waiting[] = [];
  /** The number of the next exit. */
  next = 0;

  constructor(
    readonly ring: ExitRing,
    readonly returns: Returns,
  ) {}
}

/** A raw exit that stays when the next one is read. */
type Waiting = Omit<RawExit, 'page' | 'data'> &
  Pick<ExitEvent, 'reason' | 'detail'> & { access: Omit<Access, 'device'> | undefined };

function copyOf({ page, data, ...raw }: RawExit): Waiting {
  const { exitReason } = page;
  const access = accessOf(page, data);
  return { ...raw, reason: exitLabel(exitReason), detail: access ? undefined : exitDetail(page), access };
}

function accessOf(page: RunPage, data: bigint): Omit<Access, 'device'> | undefined {
  if (page.exitReason === KVM_EXIT_IO) {
    const { ioIsOut: write, ioPort: address, ioSize: size, ioCount: count } = page;
    return { bus: 'pio', write, address, size, count, value: BigInt.asUintN(size * 8, data) };
  }
  if (page.exitReason === KVM_EXIT_MMIO) {
    const { mmioIsWrite: write, mmioAddress: address, mmioLength: size } = page;
    return { bus: 'mmio', write, address, size, count: 1, value: BigInt.asUintN(size * 8, data) };
  }
  return undefined;
}
