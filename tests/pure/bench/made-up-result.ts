import type { BenchCell, BenchEngine, BenchHost, BenchResult, BenchWorkload } from '../../../src/bench/result.js';
import { median, medianInterval } from '../../../src/bench/statistics.js';
import { random } from '../boot/bzimage.js';

export const MADE_UP_WORKLOADS: readonly BenchWorkload[] = [
  { name: 'exits.out', kind: 'exits', shows: 'OUT of a byte to a device in TypeScript' },
  { name: 'exits.cpuid', kind: 'exits', shows: 'CPUID, which KVM answers alone' },
  { name: 'cpu.integer', kind: 'processor', shows: 'multiplication, shifts and division, each step on the one before' },
  { name: 'cpu.page-faults', kind: 'processor', shows: 'touches a page that is not there, and the handler maps it' },
  { name: 'serial.bytes', kind: 'serial', shows: 'bytes to the serial console, each when it is ready' },
  { name: 'boot.linux', kind: 'boot', shows: 'power-on to the first line of the guest' },
];

/** Of an iteration, in nanoseconds, for each workload in its order; 0: it has no figure there. */
const TIMES: Readonly<Record<string, readonly number[]>> = {
  native: [0, 0, 2.4, 410, 0, 0],
  kvm: [7200, 950, 2.45, 610, 7900, 48e6],
  'qemu-kvm': [9100, 940, 2.44, 605, 9800, 190e6],
  'qemu-tcg': [310, 95, 9.1, 5200, 480, 240e6],
  bochs: [1900, 160, 88, 9100, 2400, 3.1e9],
  v86: [820, 0, 31, 0, 1300, 1.2e9],
};

const VERSIONS: Readonly<Record<string, string>> = { native: 'Linux', kvm: 'vmlaunch 0.1.0', v86: '0.5.462' };

const HOST: BenchHost = {
  kind: 'local',
  flavour: 'kvm_intel',
  processor: 'Imaginary Processor 7 at 3.00 GHz',
  cpus: 8,
  kernel: '6.12.0-amd64',
  mitigations: { meltdown: 'Not affected', spectre_v2: 'Mitigation: Retpolines' },
  governor: 'performance',
  load: { before: 0.12, after: 1.4 },
};

export interface MadeUp {
  /** The engines' columns. Default: all six. */
  readonly engines?: readonly string[];
  /** All times are so many times as long. */
  readonly factor?: number;
  /** Samples of each cell. Default 9. */
  readonly rounds?: number;
  /** Whether samples differ by up to this share. Default 0.04. */
  readonly noise?: number;
  readonly host?: Partial<BenchHost>;
  readonly unit?: BenchResult['unit'];
  /** Of cells without a figure. */
  readonly why?: string;
  /** Of the engines' guest clocks, against the host's: by engine and workload, 1 where they agree. */
  readonly clockRate?: (engine: string, workload: string) => number;
  readonly workloads?: readonly BenchWorkload[];
}

/** A result as a suite on such a machine might give it; the same at every call. */
export function madeUpBench(options: MadeUp = {}): BenchResult {
  const { engines = Object.keys(TIMES), host = {}, unit = 'ns', workloads = MADE_UP_WORKLOADS } = options;
  return {
    schema: 1,
    version: '0.1.0',
    date: '2026-02-03T04:05:06.000Z',
    suite: 'all',
    host: { ...HOST, ...host },
    unit,
    budgetS: 120,
    elapsedS: 98.7,
    rounds: options.rounds ?? 9,
    workloads,
    engines: engines.map((name) => madeUpEngine(name, workloads, options)),
  };
}

function madeUpEngine(name: string, workloads: readonly BenchWorkload[], options: MadeUp): BenchEngine {
  const next = random(name.length);
  const { factor = 1, rounds = 9, noise = 0.04, clockRate = () => 1, why = 'ring 3 of Linux cannot do it' } = options;
  const cells = workloads.map((workload): readonly [string, BenchCell] => {
    const ns = TIMES[name]?.[MADE_UP_WORKLOADS.findIndex((known) => known.name === workload.name)] ?? 0;
    if (ns === 0) return [workload.name, { outcome: 'unsupported', why }];
    const samples = Array.from({ length: rounds }, () => {
      const host = ns * factor * (1 + (noise * next(1000)) / 1000);
      const ticks = host * 3 * clockRate(name, workload.name);
      return { count: Math.max(1, Math.round(20e6 / ns)), host, guestTicks: workload.kind === 'boot' ? 0 : ticks };
    });
    const values = samples.map(({ host }) => host);
    return [workload.name, { outcome: 'measured', median: median(values), interval: medianInterval(values), samples }];
  });
  return {
    name,
    version: VERSIONS[name] ?? '10.0.8',
    clock: { ticksPerUnit: 3, spread: 0.004 },
    cells: Object.fromEntries(cells),
  };
}
