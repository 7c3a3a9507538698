/** Two results beside each other: by their times where one machine measured both, else by the ratios within each. */
import type { BenchCell, BenchEngine, BenchKind, BenchResult, BenchWorkload, MeasuredCell } from '../result.js';
import { bootstrapInterval, type Interval } from '../statistics.js';
import { referenceOf, timesOf } from './figures.js';
import { hasInterval } from './words.js';

/** A fact in which the two differ. */
export interface Difference {
  readonly what: string;
  readonly a: string;
  readonly b: string;
}

export type Verdict = 'faster' | 'slower' | 'no difference' | 'too few rounds';

/** How many times as long b takes as a, as far as they can be compared, and with what certainty. */
export interface Change {
  readonly ratio: number;
  /** 95 %, by the samples of both. */
  readonly interval: Interval;
  readonly verdict: Verdict;
}

/** What is compared: times in the results' unit, or multiples of the reference's. */
export interface ComparedEngine {
  readonly engine: string;
  readonly a: number | undefined;
  readonly b: number | undefined;
  /** Undefined where one is missing, or it is the reference of both. */
  readonly change: Change | undefined;
}

export interface ComparedWorkload {
  readonly name: string;
  readonly kind: BenchKind;
  /** What `a` and `b` are multiples of; undefined where they are times. */
  readonly reference: string | undefined;
  readonly engines: readonly ComparedEngine[];
}

export interface Comparison {
  readonly by: 'times' | 'ratios';
  /** Why times cannot be compared; empty where they can. */
  readonly apart: readonly Difference[];
  /** What else has changed. */
  readonly changed: readonly Difference[];
  readonly workloads: readonly ComparedWorkload[];
  /** Workloads that only one of them has. */
  readonly onlyIn: { readonly a: readonly string[]; readonly b: readonly string[] };
}

/** What arithmetic may add: where time is a count, samples that do not differ have an interval without any width. */
const ROUNDING = 1e-9;

export function compareResults(a: BenchResult, b: BenchResult): Comparison {
  const apart = differencesOf(a, b, [
    ['unit', ({ unit }) => unit],
    ['host', ({ host }) => host.kind],
    ['processor', ({ host }) => host.processor],
    ['CPUs', ({ host }) => `${host.cpus}`],
    ['KVM', ({ host }) => host.flavour],
  ]);
  const changed = differencesOf(a, b, [
    ['kernel', ({ host }) => host.kernel],
    ['governor', ({ host }) => host.governor ?? 'none'],
    ['mitigations', ({ host }) => mitigationsOf(host.mitigations)],
    ['vmlaunch', ({ version }) => version],
    ...[...new Set([...a.engines, ...b.engines].map(({ name }) => name))].map(
      (name) => [name, (result: BenchResult) => engineOf(result, name)?.version ?? 'none'] as const,
    ),
  ]);
  const by = apart.length === 0 ? 'times' : 'ratios';
  const inBoth = a.workloads.filter(({ name }) => b.workloads.some((other) => other.name === name));
  const missingIn = (from: BenchResult, other: BenchResult) =>
    from.workloads.map(({ name }) => name).filter((name) => !other.workloads.some((one) => one.name === name));
  return {
    by,
    apart,
    changed,
    workloads: inBoth.map((workload) => compareWorkload(workload, a, b, by)),
    onlyIn: { a: missingIn(a, b), b: missingIn(b, a) },
  };
}

type Fact = readonly [what: string, of: (result: BenchResult) => string];

function differencesOf(a: BenchResult, b: BenchResult, facts: readonly Fact[]): Difference[] {
  return facts
    .map(([what, of]) => ({ what, a: of(a), b: of(b) }))
    .filter((difference) => difference.a !== difference.b);
}

/** Those that are not "Not affected". */
function mitigationsOf(mitigations: Readonly<Record<string, string>>): string {
  const active = Object.entries(mitigations).filter(([, state]) => !state.startsWith('Not affected'));
  return active.map(([name, state]) => `${name}: ${state}`).join('; ') || 'none';
}

const engineOf = ({ engines }: BenchResult, name: string): BenchEngine | undefined =>
  engines.find((engine) => engine.name === name);

function measured(cell: BenchCell | undefined): MeasuredCell | undefined {
  return cell?.outcome === 'measured' ? cell : undefined;
}

/** An engine's cells of a workload. */
interface Pair {
  readonly engine: string;
  readonly a: MeasuredCell | undefined;
  readonly b: MeasuredCell | undefined;
}

function compareWorkload(
  { name, kind }: BenchWorkload,
  a: BenchResult,
  b: BenchResult,
  by: Comparison['by'],
): ComparedWorkload {
  const names = [...new Set([...a.engines, ...b.engines].map((engine) => engine.name))];
  const pairs = names
    .map((engine): Pair => {
      const cellIn = (result: BenchResult) => measured(engineOf(result, engine)?.cells[name]);
      return { engine, a: cellIn(a), b: cellIn(b) };
    })
    .filter((pair) => pair.a !== undefined || pair.b !== undefined);
  if (by === 'times') return { name, kind, reference: undefined, engines: pairs.map(compareTimes) };
  const reference = referenceOf(pairs.filter((pair) => pair.a && pair.b).map(({ engine }) => engine));
  const base = pairs.find(({ engine }) => engine === reference);
  return { name, kind, reference, engines: pairs.map((pair) => compareRatios(pair, base)) };
}

function compareTimes({ engine, a, b }: Pair): ComparedEngine {
  const change =
    a === undefined || b === undefined ? undefined : changeOf([a, b], ([x = Number.NaN, y = Number.NaN]) => y / x);
  return { engine, a: a?.median, b: b?.median, change };
}

function compareRatios({ engine, a, b }: Pair, base: Pair | undefined): ComparedEngine {
  const [baseA, baseB] = [base?.a, base?.b];
  if (baseA === undefined || baseB === undefined) return { engine, a: undefined, b: undefined, change: undefined };
  const isBase = engine === base?.engine;
  const change =
    a === undefined || b === undefined || isBase
      ? undefined
      : changeOf(
          [a, baseA, b, baseB],
          ([x = Number.NaN, ofX = Number.NaN, y = Number.NaN, ofY = Number.NaN]) => y / ofY / (x / ofX),
        );
  return { engine, a: a && a.median / baseA.median, b: b && b.median / baseB.median, change };
}

function changeOf(cells: readonly MeasuredCell[], statistic: (medians: readonly number[]) => number): Change {
  const ratio = statistic(cells.map(({ median }) => median));
  const interval = bootstrapInterval(cells.map(timesOf), statistic);
  return { ratio, interval, verdict: verdictOf(cells, interval) };
}

function verdictOf(cells: readonly MeasuredCell[], { low, high }: Interval): Verdict {
  if (!cells.every(hasInterval)) return 'too few rounds';
  if (low > 1 + ROUNDING) return 'slower';
  return high < 1 - ROUNDING ? 'faster' : 'no difference';
}
