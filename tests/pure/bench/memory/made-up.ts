import type { BenchEngine, BenchResult } from '../../../../src/bench/result.js';
import { MEMORY_WORKLOADS } from '../../../../src/bench/workloads.js';
import { type MadeUp, madeUpBench } from '../made-up-result.js';

const NAMES = ['EPT 4 KiB', 'EPT 2 MiB', 'shadow 4 KiB', 'shadow 2 MiB'];

/** Of the workloads in their order, in nanoseconds. */
const TIMES: Readonly<Record<string, readonly number[]>> = {
  'EPT 4 KiB': [1000, 2, 40, 100],
  'EPT 2 MiB': [100, 2, 25, 100],
  'shadow 4 KiB': [2000, 2, 20, 5000],
  'shadow 2 MiB': [200, 2, 20, 5000],
};

/** A result in which these columns were measured, and the others are missing. */
export function memoryResult(measured: readonly string[] = NAMES, options: MadeUp = {}): BenchResult {
  const engines = NAMES.map((name) => engineOf(name, measured.includes(name)));
  const workloads = MEMORY_WORKLOADS.map(({ name, kind, shows }) => ({ name, kind, shows }));
  return { ...madeUpBench({ ...options, engines: [] }), suite: 'memory', workloads, engines };
}

function engineOf(name: string, isMeasured: boolean): BenchEngine {
  const cells = MEMORY_WORKLOADS.map((workload, at): [string, BenchEngine['cells'][string]] => {
    const median = TIMES[name]?.[at] ?? 1;
    const samples = [1, 2, 3].map(() => ({ count: 1000, host: median, guestTicks: 2 * median }));
    const interval = { low: median, high: median };
    if (!isMeasured) return [workload.name, { outcome: 'missing', why: 'loaded otherwise' }];
    return [workload.name, { outcome: 'measured', median, interval, samples }];
  });
  const pages = name.endsWith('2 MiB') ? { pages_4k: 40, pages_2m: 7 } : { pages_4k: 3000, pages_2m: 0 };
  const counters = { 'memory.first-touch': { exits: 1.002, pf_taken: 1, ...pages } };
  return {
    name,
    version: isMeasured ? 'vmlaunch 0.1.0' : null,
    clock: isMeasured ? { ticksPerUnit: 2, spread: 0 } : null,
    cells: Object.fromEntries(cells),
    ...(isMeasured && { counters }),
  };
}
