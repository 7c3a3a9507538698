/** Bars that show how many times as much something is, on a scale of powers of ten with a mark at once. */
export interface BarGlyphs {
  /** The mark of once. */
  readonly one: string;
  /** By how much of a column is filled from its left, the last one wholly. */
  readonly fromLeft: readonly [string, ...string[]];
  /** Likewise from its right. */
  readonly fromRight: readonly [string, ...string[]];
}

export class LogBars {
  readonly #columnsLeft: number;
  readonly #perDecade: number;
  readonly #from: number;
  readonly #to: number;

  /** The scale is as long as they need, with one power of ten beside the mark. @param ratios all that will be shown, above 0 @param columns of the mark and both sides of it */
  constructor(
    ratios: readonly number[],
    private readonly columns: number,
    private readonly glyphs: BarGlyphs,
  ) {
    const logs = ratios.map(Math.log10);
    this.#from = Math.min(0, ...logs);
    this.#to = Math.max(this.#from > -1 ? 1 : 0, ...logs);
    this.#perDecade = (columns - 1) / (this.#to - this.#from);
    this.#columnsLeft = Math.round(-this.#from * this.#perDecade);
  }

  /** Names of powers of ten above their columns, as many as have room. */
  axis(): string {
    let line = '';
    for (let power = Math.ceil(this.#from); power <= this.#to; power++) {
      const text = `${Number(`1e${power}`)}×`;
      const column = Math.round(this.#columnsLeft + power * this.#perDecade);
      const at = Math.min(Math.max(0, column - (text.length >> 1)), this.columns - text.length);
      if (line === '' || at > line.length) line = line.padEnd(at) + text;
    }
    return line;
  }

  /** What is left and right of the mark. */
  bar(ratio: number): { readonly left: string; readonly right: string } {
    const { fromLeft, fromRight } = this.glyphs;
    const length = Math.abs(Math.log10(ratio)) * this.#perDecade;
    const left = ratio < 1 ? filled(length, this.#columnsLeft, fromRight) : [];
    const right = ratio > 1 ? filled(length, this.columns - 1 - this.#columnsLeft, fromLeft) : [];
    return { left: left.reverse().join('').padStart(this.#columnsLeft), right: right.join('') };
  }
}

/** Whole columns, and then part of one. */
function filled(length: number, most: number, parts: readonly [string, ...string[]]): string[] {
  const steps = Math.min(Math.round(length * parts.length), most * parts.length);
  const whole = Math.floor(steps / parts.length);
  const rest = parts[(steps % parts.length) - 1];
  return [...Array.from({ length: whole }, () => parts.at(-1) ?? ''), ...(rest === undefined ? [] : [rest])];
}
