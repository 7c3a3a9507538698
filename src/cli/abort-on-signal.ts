import os from 'node:os';

/**
 * Runs what ends in its own way when `signal` is aborted, and aborts it by the first of these signals to the process; more
 * of them change nothing, as what was started has still to be ended. Returns the exit status where one came.
 */
export async function abortedBySignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | number> {
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => controller.abort(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGALRM'] as const;
  for (const signal of signals) process.on(signal, interrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    const signal = String(controller.signal.reason) as NodeJS.Signals;
    process.stderr.write(`vmlaunch: stopped by ${signal}\n`);
    return 128 + os.constants.signals[signal];
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}
