/** Over which time a rate is taken. */
const WINDOW_MS = 1000;

/** Counts that grow, as rates over the last second. */
export class Rates {
  readonly #seen: { readonly ms: number; readonly counts: Readonly<Record<string, number>> }[] = [];

  /** @param ms now, on any clock @returns so many a second, of each count */
  of(counts: Readonly<Record<string, number>>, ms: number): Map<string, number> {
    this.#seen.push({ ms, counts });
    while ((this.#seen[1]?.ms ?? ms) <= ms - WINDOW_MS) this.#seen.shift();
    const [before] = this.#seen;
    const seconds = before === undefined ? 0 : (ms - before.ms) / 1000;
    const rate = (name: string, count: number): number =>
      seconds === 0 ? 0 : (count - (before?.counts[name] ?? 0)) / seconds;
    return new Map(Object.entries(counts).map(([name, count]) => [name, rate(name, count)]));
  }
}
