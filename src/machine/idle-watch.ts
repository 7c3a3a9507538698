import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE } from '../kvm/abi/constants.js';
import type { ControlBlock } from './control.js';

/** What the watch asks of a vCPU thread, and reads of its answer. */
export type WatchedCpu = Pick<ControlBlock, 'exits' | 'answers' | 'requestInspection' | 'fields'>;

export interface IdleWatchOptions {
  /** Makes every vCPU that runs look at its command. */
  readonly kick: () => void;
  /** Called where the machine is halted for good. */
  readonly onHalted: () => void;
  /** Processor time of a vCPU's thread in nanoseconds, by the thread's number; undefined where it has ended. */
  readonly cpuNs: (tid: number) => number | undefined;
}

/** A vCPU that took more processor time since the last look was not halted all the while. */
const MOST_HALTED_NS = 10e6;

/**
 * Finds out that a machine is halted for good: every vCPU halted with interrupts off, or waiting for an INIT or SIPI
 * that none is left to send. Such a vCPU sleeps inside KVM and makes no exit. Where none has made one since the last
 * look, nor taken processor time, all are asked for their state, for which each must leave the guest.
 *
 * They do not answer at one moment. So the last one that runs may wake another by an NMI when that has answered, and
 * then halt and answer too: only where all answer so a second time has nothing happened between.
 */
export class IdleWatch {
  readonly #cpus: readonly WatchedCpu[];
  readonly #options: IdleWatchOptions;
  readonly #roundsNeeded: number;
  #exitsAtLastLook = -1;
  #cpuNsAtLastLook = 0;
  /** The counts of answers when the vCPUs were asked; undefined while none is awaited. */
  #answersBefore: readonly number[] | undefined;
  #roundsHalted = 0;

  constructor(cpus: readonly WatchedCpu[], options: IdleWatchOptions) {
    this.#cpus = cpus;
    this.#options = options;
    this.#roundsNeeded = cpus.length > 1 ? 2 : 1;
  }

  /** To be called again and again, at intervals that are long beside `MOST_HALTED_NS`. */
  look(): void {
    const [exits, cpuNs] = [this.#exits, this.#cpuNs];
    const isIdle = exits === this.#exitsAtLastLook && cpuNs - this.#cpuNsAtLastLook <= MOST_HALTED_NS;
    this.#exitsAtLastLook = exits;
    this.#cpuNsAtLastLook = cpuNs;
    this.#roundsHalted = 0;
    if (isIdle) this.#ask();
    else this.#answersBefore = undefined;
  }

  /** To be called when a vCPU has answered. */
  answered(): void {
    const before = this.#answersBefore;
    if (before === undefined || !this.#cpus.every(({ answers }, i) => answers !== before[i])) return;
    this.#answersBefore = undefined;
    if (this.#exits !== this.#exitsAtLastLook || !this.#cpus.every(isHalted)) return;
    this.#roundsHalted++;
    if (this.#roundsHalted >= this.#roundsNeeded) this.#options.onHalted();
    else this.#ask();
  }

  get #exits(): number {
    return this.#cpus.reduce((sum, { exits }) => sum + exits, 0);
  }

  /** Of the threads that run: those that do not yet have no number. */
  get #cpuNs(): number {
    const threads = this.#cpus.map(({ fields }) => fields.tid).filter((tid) => tid !== 0);
    return threads.reduce((sum, tid) => sum + (this.#options.cpuNs(tid) ?? 0), 0);
  }

  #ask(): void {
    this.#answersBefore = this.#cpus.map(({ answers }) => answers);
    for (const cpu of this.#cpus) cpu.requestInspection();
    this.#options.kick();
  }
}

function isHalted({ fields: { mpState, interruptFlag } }: WatchedCpu): boolean {
  return mpState === KVM_MP_STATE_HALTED ? interruptFlag === 0 : mpState !== KVM_MP_STATE_RUNNABLE;
}
