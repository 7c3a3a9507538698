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
  return bootstrapInterval([values], ([middle = Number.NaN]) => middle);
}

/** Likewise of what `statistic` makes of the sets' medians, each set drawn by itself. */
export function bootstrapInterval(
  sets: readonly (readonly number[])[],
  statistic: (medians: readonly number[]) => number,
): Interval {
  const random = xorshift(0x9e3779b9);
  const resamplers = sets.map((values) => new Resampler(values));
  const found = Float64Array.from({ length: RESAMPLES }, () =>
    statistic(resamplers.map((resampler) => resampler.median(random))),
  ).sort();
  const at = (share: number): number => found[Math.round(share * (RESAMPLES - 1))] ?? Number.NaN;
  return { low: at(0.025), high: at(0.975) };
}

/** Draws as many values as there are, and gives their median, without sorting them each time. */
class Resampler {
  readonly #sorted: Float64Array;
  /** By place in the values: their place in the sorted ones. */
  readonly #ranks: Uint32Array;
  readonly #drawn: Uint32Array;

  constructor(private readonly values: readonly number[]) {
    const order = values.map((_, index) => index).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
    this.#sorted = Float64Array.from(order, (index) => values[index] ?? Number.NaN);
    this.#ranks = new Uint32Array(values.length);
    for (const [rank, index] of order.entries()) this.#ranks[index] = rank;
    this.#drawn = new Uint32Array(values.length);
  }

  median(random: () => number): number {
    const { length } = this.values;
    if (length === 0) return Number.NaN;
    const drawn = this.#drawn.fill(0);
    for (let i = 0; i < length; i++) {
      const rank = this.#ranks[random() % length] ?? 0;
      drawn[rank] = (drawn[rank] ?? 0) + 1;
    }
    const upper = length >> 1;
    let rank = 0;
    let upTo = drawn[0] ?? 0;
    const next = (place: number): number => {
      while (upTo <= place) upTo += drawn[++rank] ?? 1;
      return this.#sorted[rank] ?? Number.NaN;
    };
    return length % 2 === 1 ? next(upper) : (next(upper - 1) + next(upper)) / 2;
  }
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
