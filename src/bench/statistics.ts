/** A range that holds the true value with the given confidence. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The middle value; the mean of the two in the middle where their count is even. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

const RESAMPLES = 10_000;

/**
 * The 95 % bootstrap interval of the median, by percentiles. The same values always give the same interval.
 * (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.)
 */
export function medianInterval(values: readonly number[]): Interval {
  const random = xorshift(0x9e3779b9);
  const sample = values.slice();
  const medians = Array.from({ length: RESAMPLES }, () => {
    for (let i = 0; i < sample.length; i++) sample[i] = values[random() % values.length] ?? Number.NaN;
    return median(sample);
  }).sort((a, b) => a - b);
  const at = (share: number): number => medians[Math.round(share * (RESAMPLES - 1))] ?? Number.NaN;
  return { low: at(0.025), high: at(0.975) };
}

/** Unsigned 32-bit pseudo-random numbers (G. Marsaglia, Xorshift RNGs, 2003). */
function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
