import os from 'node:os';
import { makeBenchResult } from '../bench/make-result.js';
import type { BenchCell, BenchResult, BenchUnit } from '../bench/result.js';
import { runSuite } from '../bench/suite.js';
import { type SuiteName, workloadsOfSuite } from '../bench/suites.js';
import { WORKLOADS, type Workload } from '../bench/workloads.js';
import { VmError } from '../errors.js';
import { writeFile } from '../host/write-file.js';
import { native } from '../kvm/native.js';
import { ENGINE_NAMES, type EngineName, makeEngine } from './bench-engines.js';
import { benchInside } from './bench-inside.js';
import { chooseHost, type HostName } from './choose-host.js';
import { numberOf } from './image-options.js';
import { describeThisHost, loadNow } from './this-host.js';
import { version } from './version.js';

export interface BenchSuiteOptions {
  readonly suite: SuiteName;
  /** By comma. */
  readonly engines?: string;
  /** By comma: names, or what they begin with (`cpu`). */
  readonly workloads?: string;
  /** Seconds; on the host vtx those of its clock, which counts instructions. */
  readonly budget: string;
  readonly host: HostName;
  readonly json?: string;
}

/** `vmlaunch bench`: the same guest on every engine that is here. Returns the exit status. @throws VmError */
export async function benchSuite(options: BenchSuiteOptions): Promise<number> {
  const engines = enginesOf(options.engines);
  const workloads = workloadsOf(options.suite, options.workloads);
  const budgetS = numberOf(options.budget, '--budget') ?? 0;
  const progress = (line: string): void => void process.stderr.write(`vmlaunch: ${line}\n`);
  // The benchmark's guest is a kernel that any local KVM runs.
  const { host, why } = chooseHost(options.host, false);
  if (options.host === 'auto') progress(`host ${host}: ${why}`);
  const measured =
    host === 'local'
      ? await benchHere({ suite: options.suite, engines, workloads, budgetS, progress })
      : await benchInside(host, { engines, argv: argumentsInside(options), budgetS, progress });
  if (typeof measured === 'number') return measured;
  if (options.json !== undefined) writeFile(options.json, `${JSON.stringify(measured, null, 2)}\n`);
  process.stdout.write(suiteTable(measured));
  return 0;
}

function argumentsInside({ suite, engines, workloads, budget }: BenchSuiteOptions): string[] {
  return [
    ...['--suite', suite, '--budget', budget],
    ...(engines === undefined ? [] : ['--engines', engines]),
    ...(workloads === undefined ? [] : ['--workloads', workloads]),
  ];
}

interface Wanted {
  readonly suite: SuiteName;
  readonly engines: readonly EngineName[];
  readonly workloads: readonly Workload[];
  readonly budgetS: number;
  readonly progress: (line: string) => void;
}

/** On the processor and the KVM that are here. Returns the exit status where a signal stopped it. */
async function benchHere({ suite, engines, workloads, budgetS, progress }: Wanted): Promise<BenchResult | number> {
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => controller.abort(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGALRM'] as const;
  for (const signal of signals) process.once(signal, interrupt);
  try {
    const [date, startNs, before] = [new Date(), native.monotonicNs(), loadNow()];
    const result = await runSuite({
      engines: engines.map(makeEngine),
      workloads,
      budgetS,
      now: native.monotonicNs,
      signal: controller.signal,
      progress,
    });
    return makeBenchResult({
      version: version(),
      date,
      suite,
      host: { ...describeThisHost(), load: { before, after: loadNow() } },
      budgetS,
      elapsedS: (native.monotonicNs() - startNs) / 1e9,
      workloads,
      result,
    });
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    const signal = String(controller.signal.reason) as NodeJS.Signals;
    progress(`stopped by ${signal}`);
    return 128 + os.constants.signals[signal];
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}

function enginesOf(text: string | undefined): EngineName[] {
  if (text === undefined) return [...ENGINE_NAMES];
  return text.split(',').map((name) => {
    const known = ENGINE_NAMES.find((engine) => engine === name);
    if (known !== undefined) return known;
    throw new VmError('OPTION_INVALID', `--engines ${name}: there is no such engine`, {
      hint: `Known: ${ENGINE_NAMES.join(', ')}.`,
    });
  });
}

function workloadsOf(suite: SuiteName, text: string | undefined): readonly Workload[] {
  const all = workloadsOfSuite(suite, WORKLOADS);
  if (text === undefined) return all;
  const wanted = text.split(',');
  const fits = (name: string, word: string) => name === word || name.startsWith(`${word}.`);
  const unknown = wanted.find((word) => !all.some(({ name }) => fits(name, word)));
  if (unknown !== undefined) {
    throw new VmError('OPTION_INVALID', `--workloads ${unknown}: there is no such workload in the suite ${suite}`, {
      hint: `Known: ${all.map(({ name }) => name).join(', ')}; cpu and exits stand for all of a kind.`,
    });
  }
  return all.filter(({ name }) => wanted.some((word) => fits(name, word)));
}

const NAME_COLUMNS = 22;
const CELL_COLUMNS = 18;

/** A row for each workload, a column for each engine; what has no figure has its reason below. */
export function suiteTable({ engines, rounds, workloads, unit }: BenchResult): string {
  const reasons = new Map<string, number>();
  const cellText = (engine: string, cell: BenchCell | undefined): string => {
    if (cell === undefined) return '';
    if (cell.outcome === 'measured') {
      const { median, interval } = cell;
      if (cell.samples.length < 2) return `${timeText(median, unit)}     `;
      return `${timeText(median, unit)} ±${((50 * (interval.high - interval.low)) / median).toFixed(0)} %`;
    }
    const reason = `${engine}: ${cell.outcome}: ${cell.why}`;
    if (!reasons.has(reason)) reasons.set(reason, reasons.size + 1);
    return `– [${reasons.get(reason)}]`;
  };
  const row = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(NAME_COLUMNS)}${cells.map((cell) => cell.padStart(CELL_COLUMNS)).join('')}`.trimEnd();
  const rows = workloads.map(({ name }) =>
    row(
      name,
      engines.map((engine) => cellText(engine.name, engine.cells[name])),
    ),
  );
  const clocks = engines.flatMap(({ name, clock }) =>
    clock === null ? [] : [`${name} ${clock.ticksPerUnit.toFixed(3)} (±${(100 * clock.spread).toFixed(0)} %)`],
  );
  return [
    `One iteration: the median of ${rounds} rounds, and half of its 95 % interval`,
    row(
      '',
      engines.map(({ name }) => name),
    ),
    row(
      'version',
      engines.map(({ version }) => version ?? '–'),
    ),
    ...rows,
    `Ticks of the guest's TSC in a nanosecond of the host, and how far a workload's are from it: ${clocks.join(', ')}`,
    ...[...reasons].map(([reason, number]) => `[${number}] ${reason}`),
    '',
  ].join('\n');
}

function timeText(ns: number, unitOfAll: BenchUnit): string {
  if (unitOfAll === 'instructions') return ns.toPrecision(4);
  const [value, unit] = ns >= 1e6 ? [ns / 1e6, 'ms'] : ns >= 1e3 ? [ns / 1e3, 'µs'] : [ns, 'ns'];
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}
