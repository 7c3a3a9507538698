/** The stretch of time that is shown: never outside of the whole, never shorter than a few nanoseconds. */
export class View {
  readonly wholeFrom: number;
  readonly wholeTo: number;
  from: number;
  to: number;

  constructor(wholeFrom: number, wholeTo: number) {
    this.wholeFrom = wholeFrom;
    this.wholeTo = Math.max(wholeTo, wholeFrom + SHORTEST_NS);
    this.from = this.wholeFrom;
    this.to = this.wholeTo;
  }

  get span(): number {
    return this.to - this.from;
  }

  get isWhole(): boolean {
    return this.from === this.wholeFrom && this.to === this.wholeTo;
  }

  /** @param factor below 1 to see less, in more detail; the moment `at` stays where it is */
  zoom(factor: number, at: number): void {
    const share = (at - this.from) / this.span;
    const span = Math.min(Math.max(this.span * factor, SHORTEST_NS), this.wholeTo - this.wholeFrom);
    this.#set(at - share * span, span);
  }

  /** @param share of the view; above 0 towards later */
  pan(share: number): void {
    this.#set(this.from + share * this.span, this.span);
  }

  /** Makes the start of the view `from`. */
  moveTo(from: number): void {
    this.#set(from, this.span);
  }

  reset(): void {
    this.#set(this.wholeFrom, this.wholeTo - this.wholeFrom);
  }

  /** Brings a slice into view: where it is out of sight, and where it would be too thin to be seen. */
  reveal(from: number, to: number): void {
    const length = Math.max(to - from, 1);
    if (length < this.span / 400) {
      const span = Math.min(Math.max(length * 40, SHORTEST_NS), this.wholeTo - this.wholeFrom);
      this.#set((from + to) / 2 - span / 2, span);
    } else if (from < this.from || to > this.to) this.#set((from + to) / 2 - this.span / 2, this.span);
  }

  #set(from: number, span: number): void {
    this.from = Math.min(Math.max(from, this.wholeFrom), this.wholeTo - span);
    this.to = this.from + span;
    if (span >= this.wholeTo - this.wholeFrom) this.to = this.wholeTo;
  }
}

const SHORTEST_NS = 20;

/** Steps of 1, 2 or 5 that give at most `most` marks over a span. */
export function tickStep(span: number, most: number): number {
  const least = span / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= least) ?? power * 10;
}
