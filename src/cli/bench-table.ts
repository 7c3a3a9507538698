/** A suite's result for a terminal. */
import { checkClocks } from '../bench/report/clocks.js';
import { type Figure, figuresOf, type Gap, type Group, type Mean, meansOf, type Row } from '../bench/report/figures.js';
import { factsOf, KIND_TITLES, rateOf, ratioText, spreadText, timeText } from '../bench/report/words.js';
import type { BenchResult } from '../bench/result.js';
import { cut, wrap } from '../trace/printf/columns.js';
import { LogBars } from './log-bars.js';
import { Pen, type PlainOptions } from './pen.js';
import { printable } from './printable.js';

export interface TableOptions extends PlainOptions {
  /** Of the terminal: 80 to 140 are used. */
  readonly columns: number;
}

const LEAST_COLUMNS = 80;
const MOST_COLUMNS = 140;
const FIGURE = 8;
const SPREAD = 7;
const RATIO = 9;
const RATE = 9;
/** Between columns. */
const SPACE = 2;
const FACT = 12;

/** Lines of at most the columns that there are. Ends with "\n". */
export function benchTable(result: BenchResult, options: TableOptions): string {
  const columns = Math.min(Math.max(options.columns, LEAST_COLUMNS), MOST_COLUMNS);
  return new Table(result, new Pen(options), columns).text();
}

class Table {
  /** Of the longest engine's name. */
  readonly #name: number;

  constructor(
    private readonly result: BenchResult,
    private readonly pen: Pen,
    private readonly columns: number,
  ) {
    this.#name = Math.max(...result.engines.map(({ name }) => name.length), 0);
  }

  text(): string {
    const { pen, result } = this;
    const { groups, notes } = figuresOf(result);
    const lines = [
      ...factsOf(result).flatMap(([what, value]) => this.#fact(what, value)),
      ...this.#fact('engines', result.engines.map(({ name, version }) => `${name} ${version ?? '–'}`).join(', ')),
      ...this.#fact('figures', 'an iteration: median, half of its 95 % interval, times the reference, on a log scale'),
      ...groups.flatMap((group) => ['', ...this.#group(group)]),
      '',
      ...this.#clocks(),
      ...(notes.length === 0 ? [] : ['', pen.bold('no figure')]),
      ...notes.flatMap((note, at) => this.#hanging(`[${at + 1}] `.padStart(6), note)),
    ];
    return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
  }

  #fact(what: string, value: string): string[] {
    return this.#hanging(what.padEnd(FACT), value);
  }

  /** Text behind a head, wrapped to the columns and kept right of it. */
  #hanging(head: string, text: string, style: (head: string) => string = (given) => given): string[] {
    const lines = wrap(this.pen.plain(printable(text)), this.columns - head.length);
    return lines.map((line, at) => (at === 0 ? style(head) : ' '.repeat(head.length)) + line);
  }

  #group(group: Group): string[] {
    const { pen, result } = this;
    const { kind, rows, gaps } = group;
    const hasRate = kind === 'serial' && result.unit === 'ns';
    const left =
      SPACE + this.#name + SPACE + FIGURE + 1 + SPREAD + SPACE + RATIO + SPACE + (hasRate ? RATE + SPACE : 0);
    const ratios = rows.flatMap(({ figures }) => figures.map(({ ratio }) => ratio));
    const bars = new LogBars(ratios, this.columns - left, pen.glyphs);
    const head = `${pen.bold(KIND_TITLES[kind].padEnd(left))}${pen.dim(pen.plain(bars.axis()))}`;
    return [
      head,
      ...this.#gaps('no figure in any', gaps),
      ...rows.flatMap((row) => this.#row(row, bars)),
      ...this.#means(meansOf(group), bars, hasRate),
    ];
  }

  #means(means: readonly Mean[], bars: LogBars, hasRate: boolean): string[] {
    const { pen } = this;
    const [first] = means;
    if (first === undefined) return [];
    const line = ({ engine, ratio, count }: Mean): string => {
      const cells = [
        ' '.repeat(SPACE) + printable(engine).padEnd(this.#name),
        `of ${count}`.padStart(FIGURE + 1 + SPREAD),
        ratioText(ratio).padStart(RATIO),
        ...(hasRate ? [' '.repeat(RATE)] : []),
        this.#bar(ratio, bars),
      ];
      return pen.plain(cells.join(' '.repeat(SPACE)));
    };
    const words = `geometric mean over the workloads that ${printable(first.reference)} has too`;
    return [`${pen.bold('together')}${' '.repeat(SPACE)}${pen.dim(words)}`, ...means.map(line)];
  }

  #row({ workload, figures, gaps }: Row, bars: LogBars): string[] {
    const { pen } = this;
    const name = printable(workload.name);
    const shows = cut(pen.plain(printable(workload.shows)), this.columns - name.length - SPACE);
    const head = `${pen.bold(name)}${' '.repeat(SPACE)}${pen.dim(pen.plain(shows))}`;
    return [head, ...figures.map((figure) => this.#figure(figure, workload, bars)), ...this.#gaps('no figure', gaps)];
  }

  #gaps(what: string, gaps: readonly Gap[]): string[] {
    const without = gaps.map(({ engine, note }) => `${engine} [${note}]`).join(', ');
    return gaps.length === 0 ? [] : this.#hanging('  ', `${what}: ${without}`);
  }

  #figure({ engine, cell, ratio, reference }: Figure, { kind }: Row['workload'], bars: LogBars): string {
    const { pen, result } = this;
    const { unit } = result;
    const rate = rateOf(kind, cell, unit);
    const cells = [
      ' '.repeat(SPACE) + printable(engine).padEnd(this.#name),
      `${timeText(cell.median, unit, kind).padStart(FIGURE)} ${pen.plain(spreadText(cell)).padStart(SPREAD)}`,
      (reference === undefined ? 'reference' : ratioText(ratio)).padStart(RATIO),
      ...(rate === undefined ? [] : [rate.padStart(RATE)]),
      this.#bar(ratio, bars),
    ];
    return pen.plain(cells.join(' '.repeat(SPACE)));
  }

  #bar(ratio: number, bars: LogBars): string {
    const { left, right } = bars.bar(ratio);
    return `${this.pen.green(left)}${this.pen.glyphs.one}${this.pen.yellow(right)}`;
  }

  #clocks(): string[] {
    const { pen } = this;
    const checks = checkClocks(this.result);
    const lines = checks.flatMap(({ engine, agrees, words }) =>
      this.#hanging(`${agrees === false ? '!' : ' '} ${printable(engine).padEnd(this.#name)}  `, words, (head) =>
        agrees === false ? pen.yellow(head) : head,
      ),
    );
    return checks.length === 0 ? [] : [pen.bold('clocks of guest and host'), ...lines];
  }
}
