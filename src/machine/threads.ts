import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Threads that have loaded their code and wait for a job. */
const prepared = new Set<Worker>();

/** Loads a vCPU thread ahead of time: the next machine takes it. It does not keep the process alive. */
export async function prepareThread(): Promise<void> {
  const worker = makeThread();
  await once(worker, 'message'); // 'waiting'
  prepared.add(worker);
  worker.once('exit', () => prepared.delete(worker));
  worker.unref();
}

/** A vCPU thread without a job: a prepared one where there is one. */
export function takeThread(): Worker {
  const [worker] = prepared;
  if (worker === undefined) return makeThread();
  prepared.delete(worker);
  worker.ref();
  return worker;
}

/** Of one file, made by the build: Node loads a module for each of the code's own files in twice the time. */
function makeThread(): Worker {
  return new Worker(new URL('../bundle/vcpu-thread.cjs', import.meta.url), { stdin: false });
}
