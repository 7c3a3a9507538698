import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** A worker that loads, dies and ends when it is told to. */
class FakeWorker extends EventEmitter {
  static made: FakeWorker[] = [];
  isReferenced = true;
  hasEnded = false;

  constructor() {
    super();
    FakeWorker.made.push(this);
  }

  ref(): void {
    this.isReferenced = true;
  }

  unref(): void {
    this.isReferenced = false;
  }

  load(): void {
    this.emit('message', { type: 'waiting' });
  }

  die(): void {
    this.emit('error', new Error('died on purpose'));
    this.emit('exit', 1);
  }

  async terminate(): Promise<number> {
    this.hasEnded = true;
    this.emit('exit', 1);
    return 1;
  }
}

vi.mock('node:worker_threads', () => ({ Worker: FakeWorker }));

type Threads = typeof import('../../../src/machine/threads.js');
let threads: Threads;

beforeEach(async () => {
  FakeWorker.made = [];
  vi.resetModules();
  threads = await import('../../../src/machine/threads.js');
});
afterEach(() => threads.keepThreadsReady(0));

const made = (index: number): FakeWorker => FakeWorker.made[index] ?? expect.fail(`no thread ${index}`);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Keeps so many ready, all of them loaded. */
async function ready(count: number): Promise<void> {
  const done = threads.keepThreadsReady(count);
  for (const worker of FakeWorker.made) worker.load();
  await done;
}

describe('threads kept ready', () => {
  it('are none before the first machine, which makes its own and one for the next', async () => {
    expect(FakeWorker.made).toHaveLength(0);
    const first = threads.takeThread();
    expect(FakeWorker.made).toEqual([first]);
    threads.replaceThreads();
    expect(FakeWorker.made).toHaveLength(2);
    made(1).load();
    await turn();
    expect(threads.takeThread()).toBe(made(1));
  });

  it('keep the process alive only while they load, and in a machine', async () => {
    const done = threads.keepThreadsReady(1);
    expect(made(0).isReferenced).toBe(true);
    made(0).load();
    await done;
    expect(made(0).isReferenced).toBe(false);
    threads.takeThread();
    expect(made(0).isReferenced).toBe(true);
  });

  it('may be taken while they load, and are then the machine’s', async () => {
    const done = threads.keepThreadsReady(1);
    expect(threads.takeThread()).toBe(made(0));
    made(0).load();
    await done;
    expect(made(0).isReferenced).toBe(true);
  });

  it('are given once, oldest first, and replaced', async () => {
    await ready(2);
    expect([threads.takeThread(), threads.takeThread()]).toEqual([made(0), made(1)]);
    threads.replaceThreads();
    expect(FakeWorker.made).toHaveLength(4);
  });

  it('end where fewer are wanted, and none is made with 0', async () => {
    await ready(3);
    await threads.keepThreadsReady(1);
    expect(FakeWorker.made.map(({ hasEnded }) => hasEnded)).toEqual([false, true, true]);
    await threads.keepThreadsReady(0);
    expect(made(0).hasEnded).toBe(true);
    threads.takeThread();
    threads.replaceThreads();
    expect(FakeWorker.made).toHaveLength(4);
  });

  it('are forgotten where they die', async () => {
    await ready(2);
    made(0).die();
    expect(threads.takeThread()).toBe(made(1));
  });

  it('say to who waits for them that one died while it loaded, and to nobody else', async () => {
    const done = threads.keepThreadsReady(1);
    made(0).die();
    await expect(done).rejects.toThrow('died on purpose');
    await threads.keepThreadsReady(0);
    threads.takeThread();
    await turn();
  });

  it.each([-1, 1.5, 256, Number.NaN])('cannot be %s', async (count) => {
    await expect(threads.keepThreadsReady(count)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});

describe('a thread made ahead', () => {
  it('is one, however often it is asked for', async () => {
    const both = [threads.prepareThread(), threads.prepareThread()];
    expect(FakeWorker.made).toHaveLength(1);
    made(0).load();
    await Promise.all(both);
  });
});
