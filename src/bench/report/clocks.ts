/** Whether the guest's clock and the host's say the same of how long each workload took. */
import type { BenchEngine, BenchKind, BenchResult, BenchUnit } from '../result.js';
import { median, medianInterval } from '../statistics.js';
import { hasInterval, shareText } from './words.js';

/**
 * A workload whose guest's clock went by more than this faster or slower than in the engine's other workloads, with its
 * whole 95 % interval, is not explained by the way of the lines from guest to host, which the host's times include.
 */
const MOST_DIFFERENCE = 0.05;

export interface ClockCheck {
  readonly engine: string;
  /** Undefined: there are too few workloads or samples to compare. */
  readonly agrees: boolean | undefined;
  /** Of the two clocks: "agree within 0.4 %; …". */
  readonly words: string;
}

/** Workloads that are named, those with the greatest difference; further ones are counted. */
const MOST_NAMED = 3;

interface Rate {
  readonly workload: string;
  /** Ticks of the guest's TSC in one of the result's unit, of each sample. */
  readonly values: readonly number[];
  readonly hasInterval: boolean;
}

/** Of each engine with a figure. A boot has no begin in the guest, and is left out. */
export function checkClocks({ engines, workloads, unit }: BenchResult): ClockCheck[] {
  const kinds = new Map(workloads.map(({ name, kind }) => [name, kind]));
  return engines.flatMap((engine) => {
    const rates = ratesOf(engine, kinds);
    return rates.length === 0 ? [] : [{ engine: engine.name, ...verdict(rates, unit) }];
  });
}

function ratesOf({ cells }: BenchEngine, kinds: ReadonlyMap<string, BenchKind>): Rate[] {
  return Object.entries(cells).flatMap(([workload, cell]) => {
    if (cell.outcome !== 'measured' || kinds.get(workload) === 'boot') return [];
    return [
      {
        workload,
        values: cell.samples.map(({ guestTicks, host }) => guestTicks / host),
        hasInterval: hasInterval(cell),
      },
    ];
  });
}

function verdict(rates: readonly Rate[], unit: BenchUnit): Omit<ClockCheck, 'engine'> {
  const rate = median(rates.map(({ values }) => median(values)));
  const ticks = `${rate.toPrecision(3)} ticks of the guest's TSC ${unit === 'ns' ? 'a nanosecond' : 'an instruction'}`;
  if (rate === 0) return { agrees: false, words: "disagree: the guest's clock stood still" };
  const judged = rates.filter((one) => one.hasInterval);
  if (judged.length < 2) {
    return {
      agrees: undefined,
      words: `not checked: it takes two workloads with three rounds each; ${ticks}`,
    };
  }
  const differences = judged.map(({ workload, values }) => {
    const { low, high } = medianInterval(values);
    const isOff = low > rate * (1 + MOST_DIFFERENCE) || high < rate * (1 - MOST_DIFFERENCE);
    return { workload, share: median(values) / rate - 1, isOff };
  });
  const most = Math.max(...differences.map(({ share }) => Math.abs(share)));
  const off = differences.filter(({ isOff }) => isOff).sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  if (off.length === 0) {
    const words =
      most > MOST_DIFFERENCE
        ? `differ by up to ${shareText(most)}, which is their noise`
        : `agree within ${shareText(most)}`;
    return { agrees: true, words: `${words}; ${ticks}` };
  }
  const places = off.slice(0, MOST_NAMED).map(({ workload, share }) => {
    return `${workload} (the guest's ran ${shareText(Math.abs(share))} ${share > 0 ? 'faster' : 'slower'})`;
  });
  const more = off.length > MOST_NAMED ? [`and ${off.length - MOST_NAMED} more`] : [];
  return { agrees: false, words: `disagree: ${[...places, ...more].join(', ')}; else ${ticks}` };
}
