import { native } from '../kvm/native.js';

/** What can be stopped at the end of the process. */
interface Stoppable {
  stopNow(): void;
}

/**
 * The instances that run in this process. A thread inside KVM_RUN sees neither `worker.terminate()` nor
 * `process.exit()`: without a kick the process would hang for ever at its end, whatever ended it.
 */
class Running {
  readonly #instances = new Set<Stoppable>();
  #registered = false;

  add(instance: Stoppable): void {
    this.#instances.add(instance);
    if (this.#registered) return;
    this.#registered = true;
    native.installKickHandler();
    // First of all handlers: one that throws keeps those behind it from running.
    process.prependListener('exit', () => {
      for (const running of this.#instances) running.stopNow();
    });
  }

  delete(instance: Stoppable): void {
    this.#instances.delete(instance);
  }
}

export const running = new Running();
