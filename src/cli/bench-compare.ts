import {
  type Change,
  type ComparedEngine,
  type ComparedWorkload,
  type Comparison,
  compareResults,
  type Difference,
} from '../bench/report/compare.js';
import { intervalText, ratioText, timeText } from '../bench/report/words.js';
import { type BenchResult, readBenchResult } from '../bench/result.js';
import { VmError } from '../errors.js';
import { wrap } from '../trace/printf/columns.js';
import { Pen, type PlainOptions, plainOptionsOf } from './pen.js';
import { printable } from './printable.js';

/** `vmlaunch bench --compare a.json b.json`: prints how b differs from a. Returns the exit status. @throws VmError */
export function benchCompare(files: readonly string[]): number {
  const [a, b, ...more] = files;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new VmError('OPTION_INVALID', `--compare takes two files, not ${files.length}`, {
      hint: 'Such files are written by: vmlaunch bench --json <file>',
    });
  }
  const results = { a: readBenchResult(a), b: readBenchResult(b) };
  const plain = plainOptionsOf(process.stdout.isTTY === true, process.env);
  process.stdout.write(comparisonText(results, { a, b }, plain));
  return 0;
}

const COLUMNS = 80;
const FIGURE = 9;
const RATIO = 9;
const INTERVAL = 20;
const FACT = 13;

interface Both<T> {
  readonly a: T;
  readonly b: T;
}

/** For a terminal of 80 columns. @param names what the two are called. Ends with "\n". */
export function comparisonText(results: Both<BenchResult>, names: Both<string>, options: PlainOptions): string {
  return new Text(results, names, compareResults(results.a, results.b), new Pen(options)).text();
}

class Text {
  readonly #name: number;

  constructor(
    private readonly results: Both<BenchResult>,
    private readonly names: Both<string>,
    private readonly comparison: Comparison,
    private readonly pen: Pen,
  ) {
    const engines = [...results.a.engines, ...results.b.engines];
    this.#name = Math.max(0, ...engines.map(({ name }) => name.length));
  }

  text(): string {
    const { pen, names, results } = this;
    const { workloads, onlyIn, by } = this.comparison;
    const fact = (what: string, value: string) => this.#hanging(what.padEnd(FACT), value);
    const about = ({ date, version, rounds }: BenchResult) =>
      `${date.slice(0, 16).replace('T', ' ')} UTC, vmlaunch ${version}, rounds: ${rounds}`;
    const lines = [
      ...fact('a', `${names.a}: ${about(results.a)}`),
      ...fact('b', `${names.b}: ${about(results.b)}`),
      ...this.#differences(),
      ...(onlyIn.a.length === 0 ? [] : fact('only in a', onlyIn.a.join(', '))),
      ...(onlyIn.b.length === 0 ? [] : fact('only in b', onlyIn.b.join(', '))),
      '',
      by === 'times'
        ? 'An iteration takes:'
        : 'An iteration takes so many times as long as with the reference of the same run:',
      pen.bold(this.#cells('', ['a', 'b', 'b/a', '95 % interval'], '')),
      ...workloads.flatMap((workload) => this.#workload(workload)),
      '',
      ...this.#summary(),
    ];
    return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
  }

  #hanging(head: string, text: string): string[] {
    return wrap(this.pen.plain(printable(text)), COLUMNS - head.length).map(
      (line, at) => (at === 0 ? head : ' '.repeat(head.length)) + line,
    );
  }

  #differences(): string[] {
    const { apart, changed } = this.comparison;
    const line = ({ what, a, b }: Difference) => this.#hanging(what.padEnd(FACT), `a: ${a}; b: ${b}`);
    const warning =
      apart.length === 0
        ? []
        : this.#hanging(
            '! ',
            'They were measured on different machines. Times of two machines say nothing of each other: below are ratios, each to a reference of its own run.',
          );
    return [...apart.flatMap(line), ...changed.flatMap(line), ...warning.map((text) => this.pen.yellow(text))];
  }

  #workload({ name, kind, reference, engines }: ComparedWorkload): string[] {
    const head = `${this.pen.bold(printable(name))}${reference === undefined ? '' : `  reference: ${printable(reference)}`}`;
    if (engines.length === 0) return [head, '  no figure in either'];
    if (this.comparison.by === 'ratios' && reference === undefined) return [head, '  no engine has a figure in both'];
    const text = (value: number | undefined): string => {
      if (value === undefined) return '-';
      return reference === undefined ? timeText(value, this.results.a.unit, kind) : ratioText(value);
    };
    return [head, ...engines.filter(({ engine }) => engine !== reference).map((engine) => this.#engine(engine, text))];
  }

  #engine({ engine, a, b, change }: ComparedEngine, text: (value: number | undefined) => string): string {
    const ratio = change === undefined ? '' : ratioText(change.ratio);
    const interval =
      change === undefined || change.verdict === 'too few rounds'
        ? ''
        : intervalText(change.interval, (value) => ratioText(value));
    return this.#cells(engine, [text(a), text(b), ratio, interval], this.#verdict(change));
  }

  #verdict(change: Change | undefined): string {
    if (change === undefined || change.verdict === 'no difference') return '';
    const { verdict } = change;
    if (verdict === 'too few rounds') return 'few rounds';
    return verdict === 'slower' ? this.pen.yellow(verdict) : this.pen.green(verdict);
  }

  /** Figures of both, their ratio and its interval in columns. */
  #cells(name: string, [a = '', b = '', ratio = '', interval = '']: readonly string[], verdict: string): string {
    const { pen } = this;
    const cells = [
      `  ${printable(name)}`.padEnd(this.#name + 2),
      ...[a, b].map((text) => pen.plain(text).padStart(FIGURE)),
      pen.plain(ratio).padStart(RATIO),
      pen.plain(interval).padStart(INTERVAL),
      verdict,
    ];
    return cells.join('  ');
  }

  #summary(): string[] {
    const changes = this.comparison.workloads.flatMap(({ engines }) => engines.flatMap(({ change }) => change ?? []));
    const count = (verdict: Change['verdict']) => changes.filter((change) => change.verdict === verdict).length;
    const few = count('too few rounds');
    const words = [
      `${count('faster')} faster, ${count('slower')} slower, ${count('no difference')} with an interval that holds 1`,
      ...(few === 0 ? [] : [`, ${few} with too few rounds to say`]),
      '. Of a hundred that did not change, some five are called faster or slower by chance.',
    ];
    return this.#hanging('', words.join(''));
  }
}
