import os from 'node:os';
import { makeBenchResult } from '../bench/make-result.js';
import { type Cell, runSuite, type SuiteResult } from '../bench/suite.js';
import { type SuiteName, workloadsOfSuite } from '../bench/suites.js';
import { WORKLOADS, type Workload } from '../bench/workloads.js';
import { VmError } from '../errors.js';
import { writeFile } from '../host/write-file.js';
import { native } from '../kvm/native.js';
import { ENGINE_NAMES, type EngineName, makeEngine } from './bench-engines.js';
import { numberOf } from './image-options.js';
import { describeThisHost, loadNow } from './this-host.js';
import { version } from './version.js';

export interface BenchSuiteOptions {
  readonly suite: SuiteName;
  /** By comma. */
  readonly engines?: string;
  /** By comma: names, or what they begin with (`cpu`). */
  readonly workloads?: string;
  /** Seconds. */
  readonly budget: string;
  readonly json?: string;
}

/** `vmlaunch bench`: the same guest on every engine that is here. Returns the exit status. @throws VmError */
export async function benchSuite(options: BenchSuiteOptions): Promise<number> {
  const names = enginesOf(options.engines);
  const workloads = workloadsOf(options.suite, options.workloads);
  const budgetS = numberOf(options.budget, '--budget') ?? 0;
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals): void => controller.abort(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, interrupt);
  try {
    const [date, startNs, before] = [new Date(), native.monotonicNs(), loadNow()];
    const result = await runSuite({
      engines: names.map(makeEngine),
      workloads,
      budgetS,
      now: native.monotonicNs,
      signal: controller.signal,
      progress: (line) => void process.stderr.write(`vmlaunch: ${line}\n`),
    });
    const written = makeBenchResult({
      version: version(),
      date,
      suite: options.suite,
      host: { ...describeThisHost(), load: { before, after: loadNow() } },
      budgetS,
      elapsedS: (native.monotonicNs() - startNs) / 1e9,
      workloads,
      result,
    });
    if (options.json !== undefined) writeFile(options.json, `${JSON.stringify(written, null, 2)}\n`);
    process.stdout.write(suiteTable(result, workloads));
    return 0;
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    const signal = String(controller.signal.reason) as NodeJS.Signals;
    process.stderr.write(`vmlaunch: stopped by ${signal}\n`);
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
export function suiteTable({ engines, rounds }: SuiteResult, workloads: readonly Workload[]): string {
  const reasons = new Map<string, number>();
  const cellText = (engine: string, cell: Cell | undefined): string => {
    if (cell === undefined) return '';
    if (cell.outcome === 'measured') {
      const { ns, interval } = cell;
      if (cell.samples.length < 2) return `${timeText(ns)}     `;
      return `${timeText(ns)} ±${((50 * (interval.high - interval.low)) / ns).toFixed(0)} %`;
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
    clock === undefined ? [] : [`${name} ${clock.ticksPerNs.toFixed(3)} (±${(100 * clock.spread).toFixed(0)} %)`],
  );
  return [
    `One iteration: the median of ${rounds} rounds, and half of its 95 % interval`,
    row(
      '',
      engines.map(({ name }) => name),
    ),
    row(
      'version',
      engines.map(({ version = '–' }) => version),
    ),
    ...rows,
    `Ticks of the guest's TSC in a nanosecond of the host, and how far a workload's are from it: ${clocks.join(', ')}`,
    ...[...reasons].map(([reason, number]) => `[${number}] ${reason}`),
    '',
  ].join('\n');
}

function timeText(ns: number): string {
  const [value, unit] = ns >= 1e6 ? [ns / 1e6, 'ms'] : ns >= 1e3 ? [ns / 1e3, 'µs'] : [ns, 'ns'];
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}
