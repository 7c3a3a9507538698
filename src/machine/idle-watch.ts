import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE } from '../kvm/abi/constants.js';
import type { ControlBlock } from './control.js';

/** What the watch asks of a vCPU thread, and reads of its answer. */
export type WatchedCpu = Pick<ControlBlock, 'exits' | 'answers' | 'requestInspection' | 'fields'>;

/**
 * Finds out that a machine is halted for good: every vCPU halted with interrupts off, or waiting for an INIT or SIPI
 * that none is left to send. Such a vCPU stays inside KVM and makes no exit. Where none has made one since the last
 * look, all are asked for their state.
 *
 * They do not answer at one moment. So the last one that runs may wake another by an NMI when that has answered, and
 * then halt and answer too: only where all answer so a second time has nothing happened between.
 */
export class IdleWatch {
  readonly #cpus: readonly WatchedCpu[];
  readonly #kick: () => void;
  readonly #onHalted: () => void;
  readonly #roundsNeeded: number;
  #exitsAtLastLook = -1;
  /** The counts of answers when the vCPUs were asked; undefined while none is awaited. */
  #answersBefore: readonly number[] | undefined;
  #roundsHalted = 0;

  /**
   * @param kick makes every vCPU that runs look at its command
   * @param onHalted called where the machine is halted for good
   */
  constructor(cpus: readonly WatchedCpu[], kick: () => void, onHalted: () => void) {
    this.#cpus = cpus;
    this.#kick = kick;
    this.#onHalted = onHalted;
    this.#roundsNeeded = cpus.length > 1 ? 2 : 1;
  }

  /** To be called again and again, at intervals in which a running vCPU makes exits as a rule. */
  look(): void {
    const exits = this.#exits;
    const isIdle = exits === this.#exitsAtLastLook;
    this.#exitsAtLastLook = exits;
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
    if (this.#roundsHalted >= this.#roundsNeeded) this.#onHalted();
    else this.#ask();
  }

  get #exits(): number {
    return this.#cpus.reduce((sum, { exits }) => sum + exits, 0);
  }

  #ask(): void {
    this.#answersBefore = this.#cpus.map(({ answers }) => answers);
    for (const cpu of this.#cpus) cpu.requestInspection();
    this.#kick();
  }
}

function isHalted({ fields: { mpState, interruptFlag } }: WatchedCpu): boolean {
  return mpState === KVM_MP_STATE_HALTED ? interruptFlag === 0 : mpState !== KVM_MP_STATE_RUNNABLE;
}
