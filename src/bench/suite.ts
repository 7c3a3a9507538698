/**
 * The method of `vmlaunch bench`: every engine runs the same workloads in turns (A B C, B C A, …), each as many iterations
 * as take about the same time there, until the intervals are narrow or the time is spent.
 */
import { arrivalOf, type Engine, type Launch } from './engine.js';
import { type Asked, benchCommandLine } from './guest-image.js';
import { parseBenchOutput, type WorkloadResult } from './guest-output.js';
import { type Interval, median, medianInterval } from './statistics.js';
import type { Workload } from './workloads.js';

export interface SuiteOptions {
  readonly engines: readonly Engine[];
  readonly workloads: readonly Workload[];
  /** Seconds that all may take. */
  readonly budgetS: number;
  /** What a workload is to take in a round, in nanoseconds. Default 20 ms. */
  readonly roundNs?: number;
  /** Rounds are enough when each interval is narrower than this share of its median. Default 0.05. */
  readonly width?: number;
  /** An engine that has not ended by then hangs; sooner where less than four times that is left. Default 30 s. */
  readonly launchTimeoutMs?: number;
  /** Nanoseconds on a clock that only rises. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly progress?: (step: SuiteStep) => void;
}

/** What is done now: an engine's part of a round, from 1; without one it is calibrated. */
export interface SuiteStep {
  readonly engine: string;
  readonly round: number | undefined;
}

/** One round's figures of one workload on one engine. */
export interface Sample {
  readonly count: number;
  /** An iteration, in nanoseconds by the host's clock. */
  readonly hostNs: number;
  /** The same in ticks of the guest's TSC. */
  readonly guestTicks: number;
}

/** What stands where an engine's column crosses a workload's row. */
export type Cell =
  | {
      readonly outcome: 'measured';
      /** Of an iteration, in nanoseconds: the rounds' median, and its 95 % interval. */
      readonly ns: number;
      readonly interval: Interval;
      readonly samples: readonly Sample[];
    }
  | { readonly outcome: 'missing' | 'unsupported' | 'failed' | 'over budget'; readonly why: string };

export interface EngineResult {
  readonly name: string;
  readonly version: string | undefined;
  /** By the workload's name. */
  readonly cells: Readonly<Record<string, Cell>>;
  /** Ticks of the guest's TSC in a nanosecond of the host, and how far the workloads' own differ from it at most. */
  readonly clock: { readonly ticksPerNs: number; readonly spread: number } | undefined;
}

export interface SuiteResult {
  readonly rounds: number;
  readonly engines: readonly EngineResult[];
}

const ROUND_NS = 20e6;
const WIDTH = 0.05;
const LEAST_ROUNDS = 3;
const MOST_COUNT = 2 ** 32 - 1;
/** A workload whose first count took less says too little about the next. */
const LEAST_CALIBRATION_NS = 1e6;
const LAUNCH_TIMEOUT_MS = 30_000;
/** One that hangs takes no more than this part of the time that is left. */
const HANGS_AT_MOST = 4;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

/** An engine's part in the suite: which workloads it still runs, and what came of the others. */
class Column {
  version: string | undefined;
  readonly counts = new Map<string, number>();
  readonly samples = new Map<string, Sample[]>();
  readonly reasons = new Map<string, Cell>();
  /** What a round takes, its start included. */
  roundNs = 0;

  constructor(
    readonly engine: Engine,
    readonly workloads: readonly Workload[],
  ) {}

  refuse(name: string, outcome: 'missing' | 'unsupported' | 'failed' | 'over budget', why: string): void {
    this.counts.delete(name);
    this.reasons.set(name, { outcome, why });
  }

  refuseRest(outcome: 'missing' | 'failed' | 'over budget', why: string): void {
    for (const { name } of this.workloads) if (!this.reasons.has(name)) this.refuse(name, outcome, why);
  }

  get asked(): readonly Asked[] {
    return [...this.counts].map(([name, count]) => ({ name, count }));
  }

  /** Whether each workload's interval is narrow enough. */
  isPrecise(width: number): boolean {
    return [...this.counts.keys()].every((name) => {
      const values = (this.samples.get(name) ?? []).map(({ hostNs }) => hostNs);
      if (values.length < LEAST_ROUNDS) return false;
      const { low, high } = medianInterval(values);
      return high - low <= width * median(values);
    });
  }

  get result(): EngineResult {
    const cells = this.workloads.map(({ name }): [string, Cell] => {
      const samples = this.samples.get(name) ?? [];
      const reason = this.reasons.get(name);
      if (reason !== undefined) return [name, reason];
      if (samples.length === 0) return [name, { outcome: 'over budget', why: 'no round was left for it' }];
      const values = samples.map(({ hostNs }) => hostNs);
      return [name, { outcome: 'measured', ns: median(values), interval: medianInterval(values), samples }];
    });
    return { name: this.engine.name, version: this.version, cells: Object.fromEntries(cells), clock: this.#clock };
  }

  get #clock(): EngineResult['clock'] {
    const rates = [...this.samples.values()].map((samples) =>
      median(samples.map(({ guestTicks, hostNs }) => guestTicks / hostNs)),
    );
    if (rates.length === 0) return undefined;
    const ticksPerNs = median(rates);
    return { ticksPerNs, spread: Math.max(...rates.map((rate) => Math.abs(rate / ticksPerNs - 1))) };
  }
}

/** Runs the suite. What an engine does wrong is in its own cells. @throws the reason of `signal`, where it is aborted */
export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const { engines, workloads, budgetS, now, width = WIDTH, progress = () => {} } = options;
  const deadline = now() + budgetS * NS_PER_S;
  const columns = engines.map((engine) => new Column(engine, workloads));
  for (const column of columns) {
    progress({ engine: column.engine.name, round: undefined });
    await calibrate(column, options, deadline);
  }
  let rounds = 0;
  for (; ; rounds++) {
    const active = columns.filter(({ counts }) => counts.size > 0);
    const isEnough = rounds >= LEAST_ROUNDS && active.every((column) => column.isPrecise(width));
    const roundNs = active.reduce((sum, column) => sum + column.roundNs, 0);
    if (active.length === 0 || isEnough || (rounds > 0 && now() + roundNs > deadline)) break;
    for (let i = 0; i < active.length; i++) {
      const column = active[(i + rounds) % active.length];
      if (column === undefined) continue;
      progress({ engine: column.engine.name, round: rounds + 1 });
      await runRound(column, options, deadline);
    }
  }
  return { rounds, engines: columns.map((column) => column.result) };
}

/** Finds what the engine can run, and how many iterations take a round's time: by as many launches as that takes. */
async function calibrate(column: Column, options: SuiteOptions, deadline: number): Promise<void> {
  const { roundNs = ROUND_NS } = options;
  const probed = await column.engine.probe();
  if ('missing' in probed) return column.refuseRest('missing', probed.missing);
  column.version = probed.version;
  const left = new Map(column.workloads.map(({ name, firstCount }) => [name, firstCount]));
  while (left.size > 0) {
    const asked = [...left].map(([name, count]) => ({ name, count }));
    const measured = await launch(column, asked, options, deadline);
    let isFirstFailure = true;
    for (const [index, { name, count }] of asked.entries()) {
      const { result, hostNs } = measured.results[index] ?? NOT_RUN;
      if (result.outcome === 'ran') {
        const wanted = Math.min(Math.max(1, Math.round((count * roundNs) / Math.max(hostNs, 1))), MOST_COUNT);
        const isKnown = hostNs >= LEAST_CALIBRATION_NS || count >= wanted;
        left.delete(name);
        if (isKnown) column.counts.set(name, wanted);
        else left.set(name, Math.min(wanted, count * 100));
        continue;
      }
      // After the one that failed the others did not come to their turn, and are tried again.
      if (result.outcome === 'failed' && !isFirstFailure) continue;
      if (result.outcome === 'failed') isFirstFailure = false;
      left.delete(name);
      column.refuse(name, result.outcome, whyOf(result.why, result.outcome, measured.failure));
    }
    const [first] = measured.results;
    if (!measured.started && first?.result.outcome === 'failed') {
      return column.refuseRest('failed', whyOf(first.result.why, 'failed', measured.failure));
    }
    if (options.now() > deadline) {
      for (const name of left.keys()) column.refuse(name, 'over budget', 'the time was over while it was calibrated');
      return;
    }
  }
}

async function runRound(column: Column, options: SuiteOptions, deadline: number): Promise<void> {
  const start = options.now();
  const { asked } = column;
  const { results, failure } = await launch(column, asked, options, deadline);
  column.roundNs = options.now() - start;
  asked.forEach(({ name, count }, index) => {
    const { result, hostNs } = results[index] ?? NOT_RUN;
    if (result.outcome !== 'ran') {
      column.refuse(name, result.outcome, whyOf(result.why, result.outcome, failure));
      return;
    }
    // Both ends came in one piece: the host has no time of it.
    if (hostNs <= 0) return;
    const samples = column.samples.get(name) ?? [];
    samples.push({ count, hostNs: hostNs / count, guestTicks: result.ticks / count });
    column.samples.set(name, samples);
  });
}

/** A workload that failed is told with how its engine ended, if that was not well. */
function whyOf(why: string, outcome: WorkloadResult['outcome'], failure: string | undefined): string {
  return outcome === 'failed' && failure !== undefined ? `${why} (the engine ${failure})` : why;
}

interface Timed {
  readonly result: WorkloadResult;
  /** All iterations, by the host's clock. */
  readonly hostNs: number;
}

const NOT_RUN: Timed = { result: { outcome: 'failed', why: 'it was not run' }, hostNs: 0 };

interface Measured {
  readonly results: readonly Timed[];
  /** Whether the guest came to its first line. */
  readonly started: boolean;
  readonly failure: string | undefined;
}

async function launch(
  { engine }: Column,
  asked: readonly Asked[],
  { signal, now, launchTimeoutMs = LAUNCH_TIMEOUT_MS }: SuiteOptions,
  deadline: number,
): Promise<Measured> {
  signal.throwIfAborted();
  const leftMs = Math.max(0, (deadline - now()) / NS_PER_MS);
  const limitMs = Math.ceil(Math.min(launchTimeoutMs, Math.max(leftMs / HANGS_AT_MOST, launchTimeoutMs / 10)));
  const timeout = AbortSignal.timeout(limitMs);
  const launched = await engine.launch(benchCommandLine(asked), AbortSignal.any([signal, timeout]));
  signal.throwIfAborted();
  const { startAt, results } = parseBenchOutput(launched.text, asked);
  const hung = timeout.aborted ? `had not ended after ${limitMs / 1000} s` : undefined;
  return {
    results: results.map((result) => ({ result, hostNs: hostNsOf(launched, result) })),
    started: startAt !== undefined,
    failure: hung ?? launched.failure,
  };
}

function hostNsOf(launched: Launch, result: WorkloadResult): number {
  if (result.outcome !== 'ran') return 0;
  return arrivalOf(launched, result.endAt + 1) - arrivalOf(launched, result.beginAt);
}
