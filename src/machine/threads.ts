/** vCPU threads, and those that are made ahead of need: loaded, and waiting for a machine. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { VmError } from '../errors.js';
import { MAX_CPUS } from './options.js';

/** Threads that wait for a job, each with what resolves when it has loaded its code. */
const waiting = new Map<Worker, Promise<unknown>>();
let wanted = 1;

/**
 * Chooses how many vCPU threads wait, loaded, for the machines that are made next: a machine that finds its threads
 * there runs some 100 ms earlier. Those that a machine takes are replaced when it starts; a thread never runs two
 * machines. They take some megabytes each, and do not keep the process alive. By default 1, from the first machine on.
 * @param count 0 to 255; with 0 each machine makes its own threads, and those that wait end
 * @returns resolves when as many wait as are wanted, and no more are there
 * @throws VmError OPTION_INVALID
 */
export async function keepThreadsReady(count: number): Promise<void> {
  if (!Number.isInteger(count) || count < 0 || count > MAX_CPUS) {
    throw new VmError('OPTION_INVALID', `${count} is not a whole number of threads from 0 to ${MAX_CPUS}`);
  }
  wanted = count;
  replaceThreads();
  const surplus = [...waiting.keys()].slice(wanted);
  for (const worker of surplus) waiting.delete(worker);
  await Promise.all([...waiting.values(), ...surplus.map((worker) => worker.terminate())]);
}

/** Has a thread wait for the next machine, whatever is kept ready. Resolves when it has loaded its code. */
export async function prepareThread(): Promise<void> {
  const [first] = waiting.values();
  await (first ?? prepareAnother());
}

async function prepareAnother(): Promise<void> {
  const worker = makeThread();
  const loaded = Promise.race([once(worker, 'message'), once(worker, 'exit')]).then(() => {
    // Until here a program may wait for it. Whoever has taken it meanwhile needs it.
    if (waiting.has(worker)) worker.unref();
  });
  waiting.set(worker, loaded);
  worker.on('error', () => {}); // its end comes next; whoever has taken it listens too
  worker.once('exit', () => waiting.delete(worker));
  await loaded;
}

/**
 * A vCPU thread without a job: the first that was made ahead, where there is one. `replaceThreads` is to be called when
 * it runs.
 */
export function takeThread(): Worker {
  const [worker] = waiting.keys();
  if (worker === undefined) return makeThread();
  waiting.delete(worker);
  worker.ref();
  return worker;
}

/** Makes what is missing of the threads kept ready. One that cannot be made is missing until the next call. */
export function replaceThreads(): void {
  while (waiting.size < wanted) prepareAnother().catch(() => {});
}

function makeThread(): Worker {
  return new Worker(new URL('../bundle/vcpu-thread.cjs', import.meta.url), { stdin: false });
}
