/** Slices of one lane: disjoint, in order; found by time without looking at all of them. */
export class Slices {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** Sum of the lengths of all slices before one. */
  readonly #before: Float64Array;

  constructor(starts: readonly number[], ends: readonly number[]) {
    this.starts = Float64Array.from(starts);
    this.ends = Float64Array.from(ends);
    this.#before = new Float64Array(starts.length + 1);
    let sum = 0;
    this.starts.forEach((start, at) => {
      sum += this.end(at) - start;
      this.#before[at + 1] = sum;
    });
  }

  get length(): number {
    return this.starts.length;
  }

  start(index: number): number {
    return this.starts[index] ?? Number.POSITIVE_INFINITY;
  }

  end(index: number): number {
    return this.ends[index] ?? Number.POSITIVE_INFINITY;
  }

  /** The first slice that ends after a moment; `length` where none does. */
  firstEndingAfter(time: number): number {
    return lowerBound(this.ends, time, true);
  }

  /** The first slice that begins at a moment or later; `length` where none does. */
  firstFrom(time: number): number {
    return lowerBound(this.starts, time, false);
  }

  /** How much of a stretch slices cover: 0 to 1. */
  coverage(from: number, to: number): number {
    const first = this.firstEndingAfter(from);
    const past = this.firstFrom(to);
    if (past <= first || to <= from) return 0;
    const sum = (this.#before[past] ?? 0) - (this.#before[first] ?? 0);
    const outside = Math.max(from - this.start(first), 0) + Math.max(this.end(past - 1) - to, 0);
    return (sum - outside) / (to - from);
  }

  /** The slice at a moment, else the one whose edge is nearest and at most `reach` away; -1: none. */
  nearest(time: number, reach: number): number {
    if (this.length === 0) return -1;
    const at = this.firstEndingAfter(time);
    if (this.start(at) <= time) return at;
    const gapAfter = this.start(at) - time;
    const gapBefore = at > 0 ? time - this.end(at - 1) : Number.POSITIVE_INFINITY;
    if (Math.min(gapAfter, gapBefore) > reach) return -1;
    return gapBefore < gapAfter ? at - 1 : at;
  }
}

/** The first index whose value is at least the limit; with `past`, greater than it. */
export function lowerBound(values: Float64Array, limit: number, past: boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = values[middle] ?? 0;
    if (past ? value <= limit : value < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
