/** The shape of what `vmlaunch bench exit --json` writes, as the README and the users rely on it. */
import { expect } from 'vitest';
import type { ExitBenchResult } from '../../../src/bench/exit.js';
import { median, medianInterval } from '../../../src/bench/statistics.js';

const PARTS = ['cold', 'warm'] as const;
const positive = expect.toSatisfy((value: unknown) => Number.isFinite(value) && Number(value) > 0, 'a time above 0');

/** Holds a result to its own raw samples: medians, ratios and intervals are those of the rounds. */
export function expectWhole(result: ExitBenchResult, rounds: number): void {
  expect(Object.keys(result).sort()).toEqual(
    ['host', 'flavour', 'unit', 'exits', 'c', 'typescript', 'ratio', 'interval', 'rounds'].sort(),
  );
  const times = { cold: positive, warm: positive };
  expect(result.rounds).toEqual(Array.from({ length: rounds }, () => ({ c: times, typescript: times })));
  for (const part of PARTS) {
    const samples = (side: 'c' | 'typescript') => result.rounds.map((round) => round[side][part]);
    expect(result.c[part]).toBe(median(samples('c')));
    expect(result.typescript[part]).toBe(median(samples('typescript')));
    const c = samples('c');
    const ratios = samples('typescript').map((time, i) => time / (c[i] ?? Number.NaN));
    expect(result.ratio[part]).toBe(median(ratios));
    expect(result.interval[part]).toEqual(medianInterval(ratios));
  }
}
