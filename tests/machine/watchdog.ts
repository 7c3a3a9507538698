import { isMainThread, Worker, workerData } from 'node:worker_threads';

/**
 * Kills the process when a case takes too long, also where its thread is stuck in a loop or a system call: one thread
 * sleeps on a word of shared memory until the case ends. The word is 0 between cases, else the case's index plus 1.
 */
interface Watch {
  readonly word: Int32Array;
  readonly timeoutsS: readonly number[];
}

export class Watchdog {
  readonly #word = new Int32Array(new SharedArrayBuffer(4));

  /** Time-outs in seconds of this process's clock, one a case. */
  constructor(timeoutsS: readonly number[]) {
    const watch: Watch = { word: this.#word, timeoutsS };
    new Worker(new URL(import.meta.url), { workerData: watch }).unref();
  }

  started(index: number): void {
    this.#set(index + 1);
  }

  ended(): void {
    this.#set(0);
  }

  #set(value: number): void {
    Atomics.store(this.#word, 0, value);
    Atomics.notify(this.#word, 0);
  }
}

function guard({ word, timeoutsS }: Watch): never {
  for (;;) {
    Atomics.wait(word, 0, 0);
    const running = Atomics.load(word, 0);
    const timeoutS = timeoutsS[running - 1] ?? Number.POSITIVE_INFINITY;
    if (running > 0 && Atomics.wait(word, 0, running, timeoutS * 1000) === 'timed-out') {
      process.kill(process.pid, 'SIGKILL');
    }
  }
}

if (!isMainThread) guard(workerData as Watch);
