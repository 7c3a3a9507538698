/** A mutual exclusion lock in shared memory, for threads of one process. Not recursive. */
const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

export class Lock {
  /** @param cells shared memory of the machine; `index` is this lock's cell, 0 at first */
  constructor(
    private readonly cells: Int32Array,
    private readonly index: number,
  ) {}

  acquire(): void {
    if (Atomics.compareExchange(this.cells, this.index, FREE, HELD) === FREE) return;
    while (Atomics.exchange(this.cells, this.index, CONTENDED) !== FREE)
      Atomics.wait(this.cells, this.index, CONTENDED);
  }

  /** Does something while it holds the lock. */
  hold(work: () => void): void {
    this.acquire();
    try {
      work();
    } finally {
      this.release();
    }
  }

  /** Does something while it holds the lock; where that is not free, does nothing and returns false. It never waits. */
  ifFree(work: () => boolean): boolean {
    if (Atomics.compareExchange(this.cells, this.index, FREE, HELD) !== FREE) return false;
    try {
      return work();
    } finally {
      this.release();
    }
  }

  release(): void {
    if (Atomics.exchange(this.cells, this.index, FREE) === CONTENDED) Atomics.notify(this.cells, this.index, 1);
  }
}
