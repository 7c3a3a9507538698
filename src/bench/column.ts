/** An engine's part in a suite: what it still has to run, and what came of the rest. */
import type { Boot } from './boots.js';
import type { Engine } from './engine.js';
import type { Asked } from './guest-image.js';
import { type Interval, median, medianInterval } from './statistics.js';
import type { Workload } from './workloads.js';

/** One round's figures of one workload on one engine. */
export interface Sample {
  readonly count: number;
  /** An iteration, in nanoseconds by the host's clock. */
  readonly hostNs: number;
  /** The same in ticks of the guest's TSC; 0 for a boot, which has none. */
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
  | Refusal;

export interface Refusal {
  readonly outcome: 'missing' | 'unsupported' | 'failed' | 'over budget';
  readonly why: string;
}

export interface EngineResult {
  readonly name: string;
  readonly version: string | undefined;
  /** By the workload's name. */
  readonly cells: Readonly<Record<string, Cell>>;
  /** Ticks of the guest's TSC in a nanosecond of the host, and how far the workloads' own differ from it at most. */
  readonly clock: { readonly ticksPerNs: number; readonly spread: number } | undefined;
}

/** A row of the suite. */
export type Row = Workload | Boot;

export const LEAST_ROUNDS = 3;

export class Column {
  version: string | undefined;
  /** Iterations of each workload that it runs. */
  readonly counts = new Map<string, number>();
  /** Of those that need more of it than others. */
  readonly warmUps = new Map<string, number>();
  readonly #samples = new Map<string, Sample[]>();
  /** What it was calibrated by: the only samples where no round is left. */
  readonly first = new Map<string, Sample>();
  readonly #refusals = new Map<string, Refusal>();
  /** What its last launch of workloads took, and what its boots in a round took. */
  launchNs = 0;
  bootsNs = 0;

  constructor(
    readonly engine: Engine,
    private readonly rows: readonly Row[],
  ) {}

  /** Rows that it has not refused. */
  get workloads(): readonly Workload[] {
    return this.rows.filter((row) => row.kind !== 'boot').filter(({ name }) => !this.#refusals.has(name));
  }

  get boots(): readonly Boot[] {
    return this.rows.filter((row) => row.kind === 'boot').filter(({ name }) => !this.#refusals.has(name));
  }

  hasFixedCount(name: string): boolean {
    return this.workloads.some((workload) => workload.name === name && workload.isCountFixed === true);
  }

  get isActive(): boolean {
    return this.counts.size > 0 || this.boots.length > 0;
  }

  refuse(name: string, outcome: Refusal['outcome'], why: string): void {
    this.counts.delete(name);
    this.#refusals.set(name, { outcome, why });
  }

  refuseRest(outcome: Refusal['outcome'], why: string): void {
    for (const { name } of this.rows) if (!this.#refusals.has(name)) this.refuse(name, outcome, why);
  }

  add(name: string, sample: Sample): void {
    this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample]);
  }

  /** Of the rounds; where there was none, what it was calibrated by. */
  samplesOf(name: string): readonly Sample[] {
    const first = this.first.get(name);
    return this.#samples.get(name) ?? (first === undefined ? [] : [first]);
  }

  /** The median of an iteration so far; undefined where there is no sample. */
  nsOf(name: string): number | undefined {
    const samples = this.samplesOf(name);
    return samples.length === 0 ? undefined : median(samples.map(({ hostNs }) => hostNs));
  }

  /** In the rows' order, however they were calibrated: what runs before one may leave it faster or slower. */
  get asked(): readonly Asked[] {
    return this.workloads.flatMap(({ name }) => {
      const count = this.counts.get(name);
      return count === undefined ? [] : [{ name, count, warmUp: this.warmUps.get(name) }];
    });
  }

  /** Whether the interval of each that is run in every round is narrow enough. */
  isPrecise(width: number): boolean {
    const boots = this.boots.filter(({ isLong }) => !isLong).map(({ name }) => name);
    return [...this.counts.keys(), ...boots].every((name) => {
      const values = this.samplesOf(name).map(({ hostNs }) => hostNs);
      if (values.length < LEAST_ROUNDS) return false;
      const { low, high } = medianInterval(values);
      return high - low <= width * median(values);
    });
  }

  get result(): EngineResult {
    const cells = this.rows.map(({ name }): [string, Cell] => {
      const samples = this.samplesOf(name);
      const refusal = this.#refusals.get(name);
      if (refusal !== undefined) return [name, refusal];
      if (samples.length === 0) return [name, { outcome: 'over budget', why: 'no round was left for it' }];
      const values = samples.map(({ hostNs }) => hostNs);
      return [name, { outcome: 'measured', ns: median(values), interval: medianInterval(values), samples }];
    });
    return { name: this.engine.name, version: this.version, cells: Object.fromEntries(cells), clock: this.#clock };
  }

  get #clock(): EngineResult['clock'] {
    const rates = this.workloads
      .map(({ name }) => this.samplesOf(name))
      .filter((samples) => samples.length > 0)
      .map((samples) => median(samples.map(({ guestTicks, hostNs }) => guestTicks / hostNs)));
    if (rates.length === 0) return undefined;
    const ticksPerNs = median(rates);
    return { ticksPerNs, spread: Math.max(...rates.map((rate) => Math.abs(rate / ticksPerNs - 1))) };
  }
}
