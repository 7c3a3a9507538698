/**
 * KVM's own counters of a workload, for an iteration. A machine that runs it twice as often counts the same but for those
 * iterations: so what the guest's start, its console and its end add falls out of the difference.
 */
import { Machine } from '../../machine/machine.js';
import type { MachineOptions } from '../../machine/options.js';
import { benchCommandLine } from '../guest-image.js';

export type Counters = Readonly<Record<string, number>>;

/** They only rise: an iteration has its share. */
export const EVENTS = ['exits', 'pf_taken', 'invlpg', 'mmu_pte_write'] as const;
/** What is mapped at the end. */
export const PAGES = ['pages_4k', 'pages_2m'] as const;

/** A multiple of what a page of 2 MiB has of 4 KiB: so that first touches come to the same place in one. */
const COUNT = 1024;
/** The guest runs a workload half as often before it is measured (guest-images/bench/run.c). */
const ITERATIONS = COUNT + COUNT / 2;
/** A guest that has not ended by then hangs. */
const TIMEOUT_S = 60;

/**
 * @param machineOf the benchmark's guest with a command line
 * @returns undefined where KVM has no counters to read, or the guest did not come to its end
 * @throws the reason of `signal`, where it is aborted
 */
export async function countWorkload(
  name: string,
  machineOf: (commandLine: string) => MachineOptions,
  signal: AbortSignal,
): Promise<Counters | undefined> {
  const run = (count: number) => countersOf(machineOf(benchCommandLine([{ name, count }])), signal);
  const fewer = await run(COUNT);
  const more = await run(2 * COUNT);
  return fewer === undefined || more === undefined ? undefined : perIteration(fewer, more, ITERATIONS);
}

/**
 * Never less than none: start and end may make some more exits of their own where there are fewer iterations.
 * @param iterations that are in `more`, and not in `fewer`; counters that this KVM does not have are left out
 */
export function perIteration(fewer: Counters, more: Counters, iterations: number): Counters {
  const pick = (names: readonly string[], share: (name: string, value: number) => number): [string, number][] =>
    names.flatMap((name) => {
      const value = more[name];
      return value === undefined ? [] : [[name, share(name, value)]];
    });
  return Object.fromEntries([
    ...pick(EVENTS, (name, value) => Math.max(value - (fewer[name] ?? 0), 0) / iterations),
    ...pick(PAGES, (_name, value) => value),
  ]);
}

async function countersOf(options: MachineOptions, signal: AbortSignal): Promise<Counters | undefined> {
  signal.throwIfAborted();
  await using machine = await Machine.create({ ...options, timeoutS: TIMEOUT_S });
  const stop = (): void => void machine.stop();
  signal.addEventListener('abort', stop, { once: true });
  machine.output.resume();
  machine.start();
  const { reason } = await machine.ended;
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  const { counters } = machine.stopped();
  const { kvm } = machine.stats();
  return reason !== 'debug-exit' || counters === undefined || kvm === undefined ? undefined : { ...counters, ...kvm };
}
