/** What `vmlaunch bench levels` has measured, for people. */
import type { LevelsResult } from '../bench/levels/levels.js';
import type { LevelCell } from '../bench/levels/measure.js';
import { PART_NAMES, type PartName } from '../bench/levels/parts.js';
import { duration } from '../trace/html/format.js';
import { padEnd, padStart, wrap } from '../trace/printf/columns.js';
import { Pen, type PlainOptions } from './pen.js';

export interface LevelsTableOptions extends PlainOptions {
  /** Of the terminal: 80 to 120 are used. */
  readonly columns: number;
}

type Row = LevelsResult['levels'][number];

const TITLES: Readonly<Record<PartName, string>> = { cpu: 'CPU', calls: 'system calls', files: 'files' };
const LEAST_COLUMNS = 80;
const MOST_COLUMNS = 120;
const LEVEL = 17;
const ENGINE = 10;
const FIGURE = 14;
const START = 11;
/** Without bars. */
const BARE = LEVEL + ENGINE + PART_NAMES.length * FIGURE + START;
const INDENT = '  ';
const LABEL = 10;
/** Own clock and the host's: beyond this their figures are not worth the same. */
const CLOCKS_DIFFER = 1.3;

/** Ends with "\n". */
export function levelsTable(result: LevelsResult, options: LevelsTableOptions): string {
  const width = Math.min(Math.max(options.columns, LEAST_COLUMNS), MOST_COLUMNS);
  const pen = new Pen(options);
  const lines = new Table(result, width, pen).lines().map((line) => line.trimEnd());
  return `${pen.plain(lines.join('\n'))}\n`;
}

class Table {
  readonly #reasons = new Map<string, number>();
  /** Columns of a bar, its blank included. */
  readonly #bar: number;

  constructor(
    private readonly result: LevelsResult,
    private readonly width: number,
    private readonly pen: Pen,
  ) {
    const room = Math.floor((width - BARE) / PART_NAMES.length);
    this.#bar = room < MOST_BAR / 2 ? 0 : Math.min(room, MOST_BAR);
  }

  lines(): string[] {
    const { host, rounds, levels } = this.result;
    const where = host.flavour === 'none' ? host.kind : `${host.kind} (${host.flavour})`;
    const rows = levels.map((row) => this.#row(row));
    const clocks = levels.flatMap((row) => clockWords(row));
    return [
      this.pen.bold('The same program at each level of virtualization: speed, where native is 1'),
      ...this.#paragraph(
        `Host ${where}, ${host.processor}, Linux ${host.kernel}. Medians of ${rounds} rounds and half of their 95 % ` +
          'interval. Files are written to a tmpfs everywhere, so that levels and not disks are compared; a start is ' +
          'that of the program, with all that has to start before it.',
      ),
      '',
      this.pen.bold(this.#heading()),
      ...rows,
      ...[...this.#reasons].flatMap(([reason, number]) => this.#paragraph(`[${number}] ${reason}`)),
      ...clocks.flatMap((line) => this.#paragraph(line)),
      '',
      ...levels.flatMap((row) => this.#description(row)),
    ];
  }

  #heading(): string {
    const titles = PART_NAMES.map((part) => padStart(TITLES[part], FIGURE) + ' '.repeat(this.#bar));
    return `${padEnd('level', LEVEL)}${padEnd('engine', ENGINE)}${titles.join('')}${padStart('start', START)}`;
  }

  #row(row: Row): string {
    const { level, engine, start } = row;
    const figures = PART_NAMES.map((part) => this.#figure(engine, row.parts[part]));
    const started = start.outcome === 'measured' ? duration(start.ns) : '–';
    return `${padEnd(level, LEVEL)}${padEnd(engine, ENGINE)}${figures.join('')}${padStart(started, START)}`;
  }

  #figure(engine: string, cell: LevelCell): string {
    if (cell.outcome !== 'measured') {
      const reason = this.#reasonNumber(
        cell.outcome === 'missing' ? `${engine}: ${cell.why}` : `${engine}: ${cell.outcome}: ${cell.why}`,
      );
      return padStart(`– [${reason}]`, FIGURE) + ' '.repeat(this.#bar);
    }
    const { speed, ns } = cell;
    // Without a native run there is nothing to compare with.
    if (speed === null) return padStart(duration(ns), FIGURE) + ' '.repeat(this.#bar);
    const { median, interval } = speed;
    const half = (50 * (interval.high - interval.low)) / median;
    const text = engine === REFERENCE ? '1     ' : `${speedText(median)} ±${half.toFixed(0).padStart(2)} %`;
    return padStart(text, FIGURE) + this.#barOf(median);
  }

  #reasonNumber(reason: string): number {
    const number = this.#reasons.get(reason) ?? this.#reasons.size + 1;
    this.#reasons.set(reason, number);
    return number;
  }

  /** Native fills it. */
  #barOf(speed: number): string {
    if (this.#bar === 0) return '';
    const { fromLeft } = this.pen.glyphs;
    const steps = Math.round(Math.min(speed, 1) * (this.#bar - 1) * fromLeft.length);
    const whole = Math.floor(steps / fromLeft.length);
    const bar = (fromLeft.at(-1) ?? '').repeat(whole) + (fromLeft[(steps % fromLeft.length) - 1] ?? '');
    return ` ${this.pen.green(bar)}${' '.repeat(this.#bar - 1 - bar.length)}`;
  }

  #description({ engine, version, isolates, runs }: Row): string[] {
    return [
      this.pen.bold(version === null ? engine : `${engine} (${version})`),
      ...this.#labelled('isolates', isolates),
      ...this.#labelled('runs', runs),
    ];
  }

  #labelled(label: string, text: string): string[] {
    const lines = wrap(text, this.width - INDENT.length - LABEL);
    return lines.map((line, i) => `${INDENT}${padEnd(i === 0 ? label : '', LABEL)}${line}`);
  }

  #paragraph(text: string): string[] {
    return wrap(text, this.width);
  }
}

const REFERENCE = 'native';
const MOST_BAR = 13;

/** "0.98", "0.012". */
const speedText = (speed: number): string => (speed >= 0.095 ? speed.toFixed(2) : speed.toPrecision(2));

function clockWords({ engine, clock }: Row): string[] {
  if (clock === null || (clock < CLOCKS_DIFFER && clock > 1 / CLOCKS_DIFFER)) return [];
  return [`${engine}: in a second of the host's clock its own, by which it was measured, goes ${clock.toFixed(2)} s.`];
}
