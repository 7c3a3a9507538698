import { describe, expect, it } from 'vitest';
import { median, medianInterval } from '../../../src/bench/statistics.js';
import { random } from '../boot/bzimage.js';

describe('median', () => {
  it.each<[readonly number[], number]>([
    [[5], 5],
    [[3, 1], 2],
    [[9, 1, 5], 5],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10], // by number, not by text
    [[-1, -10, 0], -1],
    [[2, 2, 2, 7], 2],
  ])('of %o is %f', (values, middle) => expect(median(values)).toBe(middle));

  it('of nothing is not a number, and what it is given stays as it is', () => {
    expect(median([])).toBeNaN();
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('the bootstrap interval of a median', () => {
  const next = random(11);
  const noisy = Array.from({ length: 25 }, () => 1 + next(1000) / 1000);

  it('is the same at every call, and leaves the values alone', () => {
    const before = noisy.slice();
    expect(medianInterval(noisy)).toEqual(medianInterval(noisy));
    expect(noisy).toEqual(before);
  });

  it('lies around the median, within the values, and is wider where they spread more', () => {
    const { low, high } = medianInterval(noisy);
    expect(low).toBeLessThan(median(noisy));
    expect(high).toBeGreaterThan(median(noisy));
    expect(low).toBeGreaterThanOrEqual(Math.min(...noisy));
    expect(high).toBeLessThanOrEqual(Math.max(...noisy));
    const wider = medianInterval(noisy.map((value) => 10 * value));
    expect(wider.high - wider.low).toBeCloseTo(10 * (high - low), 9);
  });

  it('is one point where all values are one, and is not moved by one outlier among seven', () => {
    expect(medianInterval([1.25, 1.25, 1.25])).toEqual({ low: 1.25, high: 1.25 });
    expect(medianInterval([7])).toEqual({ low: 7, high: 7 });
    const { low, high } = medianInterval([1, 1, 1, 1, 1, 1, 1000]);
    expect([low, high]).toEqual([1, 1]);
  });

  it('narrows with the number of values', () => {
    const width = (count: number) => {
      const { low, high } = medianInterval(
        Array.from({ length: count }, (_, i) => (i * 37) % count).map((v) => v / count),
      );
      return high - low;
    };
    expect(width(101)).toBeLessThan(width(11));
  });

  it('holds the true median in about 95 of 100 samples', () => {
    const draw = random(5);
    let held = 0;
    for (let sample = 0; sample < 30; sample++) {
      const { low, high } = medianInterval(Array.from({ length: 15 }, () => draw(1_000_000) / 1_000_000));
      if (low <= 0.5 && 0.5 <= high) held++;
    }
    // Fewer than 25 of 30 come once in 100 times where the chance is 0.95; the numbers here never change.
    expect(held).toBeGreaterThanOrEqual(25);
  });
});
