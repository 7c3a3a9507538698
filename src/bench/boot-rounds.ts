/** A suite's boots: a launch each, in every round; the long ones where there is time for them. */
import type { Boot } from './boots.js';
import { type Column, LEAST_ROUNDS, type Sample } from './column.js';
import { arrivalOf, type Start } from './engine.js';
import { type LimitedLaunch, launchWithin } from './launch-within.js';
import { median } from './statistics.js';

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

/** Makes each boot of an engine once, but for the long ones. @param keep takes its sample, in place of the column */
export async function makeBoots(
  column: Column,
  { signal, now }: Pick<LongBootsOptions, 'signal' | 'now'>,
  limitMs: number,
  keep?: Keep,
): Promise<void> {
  const begin = now();
  const boots = column.boots.filter(({ isLong }) => !isLong);
  for (const start of new Set(boots.map((boot) => boot.start))) {
    const launched = await launchWithin(column.engine, start, { signal, limitMs });
    take(column, boots, start, launched, keep);
  }
  column.bootsNs = now() - begin;
}

type Keep = (name: string, sample: Sample) => void;

function take(
  column: Column,
  boots: readonly Boot[],
  start: Start,
  launched: LimitedLaunch,
  keep: Keep = (name, sample) => column.add(name, sample),
): void {
  for (const boot of boots.filter((one) => one.start === start)) {
    const end = boot.endIn(launched.text);
    if (end !== undefined) keep(boot.name, { count: 1, hostNs: arrivalOf(launched, end), guestTicks: 0 });
    else column.refuse(boot.name, 'failed', `it did not come to that (the engine ${launched.failure ?? 'ended'})`);
  }
}

export interface LongBootsOptions {
  readonly budgetS: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly deadline: number;
}

/** One that is tried may take so much of the time that is left; one that has its samples, of the budget. */
const OF_THE_REST = 1 / 3;
const OF_THE_BUDGET = 1 / 50;
/** With less time than this none is tried of which nothing is known. */
const LEAST_NS = 1e8;
/** What a boot takes varies more than what it is told from. */
const MARGIN = 1.5;

/** What a boot would take, and in words, with what it is told from. */
interface Expected {
  readonly ns: number;
  readonly words: string;
}

/**
 * Boots that take seconds, or minutes. Where an engine has not made one, what it would take is told from another one that
 * has, by how much longer its processor's workloads take.
 */
export class LongBoots {
  readonly #rows: readonly (readonly [Column, Boot])[];
  /** Those that nobody has made, and that one has tried for so long. */
  readonly #endless = new Map<Boot, string>();

  constructor(
    private readonly columns: readonly Column[],
    private readonly options: LongBootsOptions,
  ) {
    this.#rows = columns.flatMap((column) =>
      column.boots.filter(({ isLong }) => isLong).map((boot): [Column, Boot] => [column, boot]),
    );
  }

  /** Makes those that there is time for, the fastest engine's first. */
  async round(progress: (engine: string) => void): Promise<void> {
    const rows = this.#rows.map((row) => ({ row, speed: processorNs(row[0]) })).sort((a, b) => a.speed - b.speed);
    for (const [column, boot] of rows.map(({ row }) => row)) {
      if (!column.boots.includes(boot) || !this.#isAffordable(column, boot)) continue;
      progress(column.engine.name);
      await this.#make(column, boot);
    }
  }

  /** Says of those that were not made why. */
  end(): void {
    for (const [column, boot] of this.#rows) {
      if (!column.boots.includes(boot) || column.samplesOf(boot.name).length > 0) continue;
      const why = this.#expected(column, boot)?.words ?? this.#endless.get(boot) ?? roughly(column, boot);
      if (why !== undefined) column.refuse(boot.name, 'over budget', why);
    }
  }

  #isAffordable(column: Column, boot: Boot): boolean {
    const { budgetS, now, deadline } = this.options;
    const expected = this.#expected(column, boot);
    // One that nobody has made is tried, first by the fastest.
    if (expected === undefined) return !this.#endless.has(boot) && now() + LEAST_NS < deadline;
    if (column.samplesOf(boot.name).length >= LEAST_ROUNDS) return expected.ns <= budgetS * NS_PER_S * OF_THE_BUDGET;
    return expected.ns * MARGIN <= (deadline - now()) * OF_THE_REST;
  }

  async #make(column: Column, boot: Boot): Promise<void> {
    const { now, signal, deadline } = this.options;
    const limitMs = Math.max(1, Math.ceil(((deadline - now()) / NS_PER_MS) * OF_THE_REST));
    const launched = await launchWithin(column.engine, boot.start, { signal, limitMs });
    if (launched.isTimedOut && boot.endIn(launched.text) === undefined) {
      const time = secondsText(limitMs * NS_PER_MS);
      column.refuse(boot.name, 'over budget', `it had not come to that after ${time}`);
      this.#endless.set(boot, `not tried: ${column.engine.name} had not come to that after ${time}`);
    } else take(column, [boot], boot.start, launched);
  }

  #expected(column: Column, boot: Boot): Expected | undefined {
    const own = column.nsOf(boot.name);
    if (own !== undefined) return { ns: own, words: `about ${secondsText(own)}` };
    for (const other of this.columns) {
      const ns = other.nsOf(boot.name);
      const factor = slowness(column, other);
      if (ns === undefined || factor === undefined) continue;
      const from = `${other.engine.name}'s ${secondsText(ns)}, and its processor's workloads take ${factor.toPrecision(2)} times as long`;
      return { ns: ns * factor, words: `about ${secondsText(ns * factor)}, told from ${from}` };
    }
    return undefined;
  }
}

/** What it would take, by a workload alone. */
function roughly(column: Column, { like }: Boot): string | undefined {
  const iterationNs = like && column.nsOf(like.workload);
  if (like === undefined || iterationNs === undefined) return undefined;
  return `about ${secondsText(iterationNs * like.iterations)}, told from ${like.workload} alone`;
}

/** How many times as long as the other's this engine's processor workloads take; undefined where none was run by both. */
function slowness(column: Column, other: Column): number | undefined {
  const factors = column.workloads
    .filter(({ kind }) => kind === 'processor')
    .map(({ name }) => (column.nsOf(name) ?? Number.NaN) / (other.nsOf(name) ?? Number.NaN))
    .filter((factor) => !Number.isNaN(factor));
  return factors.length === 0 ? undefined : median(factors);
}

/** Something by which engines are put in order; those of which nothing is known come last. */
function processorNs(column: Column): number {
  const name = column.workloads.find(({ kind }) => kind === 'processor')?.name ?? '';
  return column.nsOf(name) ?? Number.MAX_VALUE;
}

function secondsText(ns: number): string {
  const seconds = ns / NS_PER_S;
  return `${seconds >= 10 ? seconds.toFixed(0) : seconds.toPrecision(2)} s`;
}
