import type { Cell, EngineResult, Row } from './column.js';
import type { BenchCell, BenchEngine, BenchHost, BenchResult } from './result.js';
import type { SuiteResult } from './suite.js';

/** On the host vtx time is a count: 100 million instructions are a second by definition. */
const NS_PER_INSTRUCTION = 10;

export interface SuiteRun {
  readonly version: string;
  /** When it began. */
  readonly date: Date;
  readonly suite: string;
  readonly host: BenchHost;
  readonly budgetS: number;
  readonly elapsedS: number;
  readonly workloads: readonly Row[];
  readonly result: SuiteResult;
}

/** A suite's result with all that a reader must know of it. */
export function makeBenchResult(run: SuiteRun): BenchResult {
  const { version, date, suite, host, budgetS, elapsedS, workloads, result } = run;
  const isCounted = host.kind === 'vtx';
  const nsPerUnit = isCounted ? NS_PER_INSTRUCTION : 1;
  return {
    schema: 1,
    version,
    date: date.toISOString(),
    suite,
    host,
    unit: isCounted ? 'instructions' : 'ns',
    budgetS,
    elapsedS,
    rounds: result.rounds,
    workloads: workloads.map(({ name, kind, shows }) => ({ name, kind, shows })),
    engines: result.engines.map((engine) => engineInUnit(engine, nsPerUnit)),
  };
}

function engineInUnit({ name, version, clock, cells }: EngineResult, nsPerUnit: number): BenchEngine {
  return {
    name,
    version: version ?? null,
    clock: clock === undefined ? null : { ticksPerUnit: clock.ticksPerNs * nsPerUnit, spread: clock.spread },
    cells: Object.fromEntries(Object.entries(cells).map(([workload, cell]) => [workload, cellInUnit(cell, nsPerUnit)])),
  };
}

function cellInUnit(cell: Cell, nsPerUnit: number): BenchCell {
  if (cell.outcome !== 'measured') return cell;
  const { low, high } = cell.interval;
  return {
    outcome: 'measured',
    median: cell.ns / nsPerUnit,
    interval: { low: low / nsPerUnit, high: high / nsPerUnit },
    samples: cell.samples.map(({ count, hostNs, guestTicks }) => ({ count, host: hostNs / nsPerUnit, guestTicks })),
  };
}
