import { measureRecorder, type RecorderCost } from '../bench/recorder-cost.js';
import { unpacked } from '../boot/load.js';
import { VmError } from '../errors.js';
import { fileBytes } from '../machine/image-files.js';
import type { Machine } from '../machine/machine.js';
import { DEFAULT_CPUS, DEFAULT_MEMORY, type MachineOptions, memorySize } from '../machine/options.js';
import { ExitTable } from '../trace/html/exit-table.js';
import type { ExitEvent, ExitSink } from '../trace/model.js';
import { Recording } from '../trace/recording.js';
import { RingSplit, type RingTimes } from '../trace/ring-split.js';
import { type ExitSummary, Summary, type SummaryEnd } from '../trace/summary.js';
import { SymbolTable } from '../trace/symbols.js';
import { exitWords, hex } from '../trace/words.js';
import type { InstructionWords } from './exits-rows.js';
import type { ExitsResult } from './exits-table.js';
import { printable } from './printable.js';
import { TraceFile } from './trace-file.js';
import { mainThreadNs } from './watch-cost.js';

export interface WatchOptions {
  /** Where the exits go in Chrome's trace format. */
  readonly trace?: string | undefined;
  /** Whether the first exits are kept, for a page. */
  readonly keepsTable: boolean;
  /** In place of the image's own. */
  readonly symbols?: SymbolTable | undefined;
}

/** What takes a machine's exits. */
interface Sinks {
  readonly summary: Summary;
  readonly table: ExitTable | undefined;
  readonly traceFile: TraceFile | undefined;
  readonly last: LastExits;
  /** For a guest that stamps its own ways between the rings. */
  readonly rings: { readonly split: RingSplit; readonly stamps: bigint; readonly program: bigint } | undefined;
}

/** The last exit of each vCPU. */
class LastExits implements ExitSink {
  readonly byCpu = new Map<number, ExitEvent>();

  add(event: ExitEvent): void {
    this.byCpu.set(event.cpu, event);
  }

  kept(): void {}
}

/** A machine whose exits are recorded, added up and written down. */
export class Watch {
  readonly #recording: Recording;
  readonly #sinks: Sinks;
  readonly #symbols: SymbolTable;
  readonly #began = { ms: performance.now(), threadNs: mainThreadNs() };

  /**
   * Makes the machine; it does not run yet. Whoever calls this calls `finish` before the machine is closed, and closes
   * it.
   * @throws VmError FILE_UNREADABLE where the trace file cannot be written, and as Machine.create
   */
  static async of(machine: MachineOptions, { trace, keepsTable, symbols }: WatchOptions): Promise<Watch> {
    let recording: Recording | undefined;
    const table = symbols ?? symbolsOf(machine);
    const sinks: Sinks = {
      summary: new Summary(),
      table: keepsTable ? new ExitTable() : undefined,
      traceFile: trace === undefined ? undefined : new TraceFile(trace, () => void recording?.machine.stop()),
      last: new LastExits(),
      rings: ringsOf(table, machine),
    };
    const all = [sinks.summary, sinks.table, sinks.traceFile, sinks.last, sinks.rings?.split];
    recording = await Recording.of(
      machine,
      all.filter((sink) => sink !== undefined),
    );
    return new Watch(recording, sinks, table);
  }

  private constructor(recording: Recording, sinks: Sinks, symbols: SymbolTable) {
    this.#recording = recording;
    this.#sinks = sinks;
    this.#symbols = symbols;
  }

  get machine(): Machine {
    return this.#recording.machine;
  }

  get table(): ExitTable | undefined {
    return this.#sinks.table;
  }

  /** Since the machine was made. */
  get runMs(): number {
    return performance.now() - this.#began.ms;
  }

  /** Why the kernel's side is not recorded. */
  get kernelMissing(): string | undefined {
    return this.#recording.kernelMissing;
  }

  /** What is known so far. */
  now(end?: SummaryEnd): Pick<ExitsResult, 'summary' | 'hardware' | 'wordsOf' | 'kernelMissing'> {
    return {
      summary: this.#sinks.summary.result(end),
      hardware: this.#sinks.summary.hardware.byReason,
      wordsOf: (rip) => this.wordsOf(rip),
      kernelMissing: this.kernelMissing,
    };
  }

  /** @param rip as `RipCount` has it */
  wordsOf(rip: string): InstructionWords {
    const address = BigInt(rip);
    return { symbol: this.#symbols.at(address), text: this.#recording.instructionAt(address)?.text };
  }

  /** A vCPU's last exit and its instruction, in words; undefined where it made none. After `stop`. */
  lastExit(cpu: number): string | undefined {
    const event = this.#sinks.last.byCpu.get(cpu);
    if (event === undefined) return undefined;
    const rip = hex(event.rip);
    const { symbol, text } = this.wordsOf(rip);
    const place = symbol === undefined ? rip : `${rip} (${printable(symbol)})`;
    if (event.ripIs === 'after') return `${exitWords(event)}, by the instruction before ${place}`;
    return `${exitWords(event)}, by ${text ?? 'the instruction'} at ${place}`;
  }

  /** The machine has ended: takes the rest. A second call does nothing. */
  stop(): void {
    this.#recording.finish();
  }

  /**
   * The machine has ended: takes the rest, completes the trace file, and says what watching cost.
   * @param drawingNs spent on a live view; `measures`: whether there is a second or two to measure the recorder
   * @throws VmError FILE_UNREADABLE
   */
  finish({ drawingNs, measures }: { drawingNs: number; measures: boolean }): ExitsResult {
    const runNs = this.runMs * 1e6;
    const end = this.#recording.finish();
    const { machine } = this;
    this.#sinks.traceFile?.close();
    const threadNs = mainThreadNs();
    const { exits, kvm } = machine.stats();
    const own = this.now({ lostAtEnd: end.lostAtEnd });
    const summary: ExitSummary = {
      ...own.summary,
      kvm: { exits: kvm?.exits ?? null, userspaceExits: exits.total, keptByKvm: end.keptByKvm },
      modes: { ...own.summary.modes, ...this.#ringTimes() },
    };
    const traced = this.kernelMissing === undefined ? (kvm?.exits ?? 0) : undefined;
    return {
      ...own,
      summary,
      end,
      leftOutOfTrace: this.#sinks.traceFile?.leftOut ?? 0,
      cost: {
        runNs,
        mainThreadNs: threadNs === undefined ? undefined : threadNs - (this.#began.threadNs ?? 0),
        drawingNs,
        recorder: measures ? recorderCost(traced !== undefined) : undefined,
        recorded: summary.recorded,
        traced,
      },
    };
  }

  #ringTimes(): RingTimes | undefined {
    const { rings } = this.#sinks;
    if (rings === undefined) return undefined;
    const { memory, tscOffset } = this.machine;
    const [address, programStart] = [Number(rings.stamps), Number(rings.program)];
    return rings.split.result({ memory, address, programStart, tscOffset, toNs: this.#recording.toNs });
  }

  /** Whatever happened: gives the kernel's trace back, before the machine is closed. */
  [Symbol.dispose](): void {
    this.stop();
  }
}

function symbolsOf({ image, memory = DEFAULT_MEMORY }: MachineOptions): SymbolTable {
  return SymbolTable.ofImage(unpacked(fileBytes(image, 'image'), memorySize(memory)));
}

/** The symbols of guest-images/printf/stamps.h. */
function ringsOf(table: SymbolTable, { cpus = DEFAULT_CPUS }: MachineOptions): Sinks['rings'] {
  const [stamps, program] = [table.addressOf('stamps'), table.addressOf('program_code')];
  if (stamps === undefined || program === undefined || cpus > 1) return undefined;
  return { split: new RingSplit(), stamps, program };
}

/** A KVM that refuses another machine leaves it unmeasured. */
function recorderCost(withKernel: boolean): RecorderCost | undefined {
  try {
    return measureRecorder(withKernel);
  } catch (error) {
    if (error instanceof VmError) return undefined;
    throw error;
  }
}
