import type { SuiteStep } from '../bench/suite.js';

export interface ProgressOptions {
  readonly write: (text: string) => void;
  /** Of the terminal that a line is repainted on; undefined: lines are written one below another. */
  readonly columns: number | undefined;
  /** Nanoseconds on a clock that only rises. */
  readonly now: () => number;
  readonly budgetS: number;
}

const REPAINT_MS = 1000;
/** Between two rounds that are told of where lines stay. */
const LEAST_S = 10;
const NS_PER_S = 1e9;
const ERASE_LINE = '\r\x1b[K';

/** Says what the suite does and how long that will go on, until disposed. */
export class BenchProgress implements Disposable {
  readonly #startNs: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #step: SuiteStep | undefined;
  #saidS = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ProgressOptions) {
    this.#startNs = options.now();
    if (options.columns !== undefined) this.#timer = setInterval(() => this.repaint(), REPAINT_MS).unref();
  }

  take(step: SuiteStep): void {
    const before = this.#step;
    this.#step = step;
    if (this.options.columns !== undefined) return this.repaint();
    const { engine, round } = step;
    const elapsedS = this.#elapsedS;
    if (round === undefined) this.options.write(`vmlaunch: calibrating ${engine}; ${this.#times(elapsedS)}\n`);
    else if (round !== before?.round && (round === 1 || elapsedS >= this.#saidS + LEAST_S)) {
      this.#saidS = elapsedS;
      this.options.write(`vmlaunch: round ${round}; ${this.#times(elapsedS)}\n`);
    }
  }

  /** The time has gone on. */
  repaint(): void {
    const { write, columns = 0 } = this.options;
    if (this.#step === undefined) return;
    const { engine, round } = this.#step;
    const what = round === undefined ? `calibrating ${engine}` : `round ${round}: ${engine}`;
    // The last column stays free: a terminal may go to the next line behind it.
    write(ERASE_LINE + `vmlaunch: ${what}; ${this.#times(this.#elapsedS)}`.slice(0, columns - 1));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.options.columns !== undefined && this.#step !== undefined) this.options.write(ERASE_LINE);
  }

  get #elapsedS(): number {
    return (this.options.now() - this.#startNs) / NS_PER_S;
  }

  #times(elapsedS: number): string {
    const left = Math.max(0, this.options.budgetS - elapsedS);
    return `${elapsedS.toFixed(0)} s gone, at most ${left.toFixed(0)} s left`;
  }
}

/** Where it is said what the suite does. */
export function progressTarget(): Pick<ProgressOptions, 'write' | 'columns'> {
  const { stderr } = process;
  const columns = stderr.isTTY && process.env.TERM !== 'dumb' ? stderr.columns || 80 : undefined;
  return { write: (text) => void stderr.write(text), columns };
}
