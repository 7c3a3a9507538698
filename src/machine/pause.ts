import type { ControlBlock } from './control.js';

/** Between two kicks of a vCPU that is not out of KVM_RUN yet. */
const KICK_AGAIN_MS = 5;

/**
 * Takes all vCPUs out of KVM_RUN for a piece of work, one piece after another. The main thread stays free meanwhile: a
 * vCPU may be waiting for it to take console output.
 */
export class Pauses {
  readonly #controls: readonly ControlBlock[];
  readonly #kick: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #allParked: (() => void) | undefined;

  /** @param kick makes KVM_RUN return on every vCPU that runs */
  constructor(controls: readonly ControlBlock[], kick: () => void) {
    this.#controls = controls;
    this.#kick = kick;
  }

  /** Does `work` while no vCPU is in KVM_RUN, after what was asked before. Rejects with what it throws. */
  during<T>(work: () => T): Promise<T> {
    const done = this.#last.then(() => this.#pauseAnd(work));
    this.#last = done.catch(() => {});
    return done;
  }

  /** A vCPU thread has parked, or ended. */
  look(): void {
    if (this.#isAllParked) this.#allParked?.();
  }

  get #isAllParked(): boolean {
    return this.#controls.every((control) => control.isParked);
  }

  async #pauseAnd<T>(work: () => T): Promise<T> {
    for (const control of this.#controls) control.requestPause();
    try {
      if (!this.#isAllParked) await this.#parked();
      return work();
    } finally {
      for (const control of this.#controls) control.endPause();
    }
  }

  /** Kicks until all are out: one that was kicked just before KVM_RUN may have missed it. */
  async #parked(): Promise<void> {
    this.#kick();
    const again = setInterval(() => {
      this.#kick();
      this.look();
    }, KICK_AGAIN_MS);
    await new Promise<void>((resolve) => {
      this.#allParked = resolve;
      this.look();
    });
    this.#allParked = undefined;
    clearInterval(again);
  }
}
