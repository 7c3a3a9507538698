import { duration } from '../html/format.js';
import { cut, padEnd, padStart, widthOf, wrap } from './columns.js';
import { crossingBetween } from './crossing.js';
import { measured } from './facts.js';
import { LANE_MARKS, LANES, LANES_OF, laneOf } from './lanes.js';
import { type Language, wordsOf } from './languages.js';
import type { PrintfResult, PrintfStep } from './result.js';
import type { ChainMode } from './timeline.js';
import { variantTable } from './variant-table.js';
import type { Words } from './words.js';

export interface TextOptions {
  readonly language: Language;
  readonly colour: boolean;
  /** Of the terminal: 80 to 120 are used. */
  readonly columns: number;
}

/** Of ECMA-48: bright ones, for light and dark. */
const COLOURS: Readonly<Record<ChainMode, number>> = {
  nonRootRing3: 36,
  nonRootRing0: 34,
  rootRing0: 33,
  rootRing3: 32,
  inside: 35,
};
const IDLE = '·';
const GUTTER = 2 * LANES.length + 1;
const NUMBER = 4;
const TIME = 9;
const EACH = 15;

/** The run for a terminal. */
export function printfText(result: PrintfResult, { language, colour, columns }: TextOptions): string {
  return new Text(result, wordsOf(language), colour, Math.min(Math.max(columns, 80), 120))
    .lines()
    .join('\n')
    .concat('\n');
}

class Text {
  readonly #textWidth: number;

  constructor(
    private readonly result: PrintfResult,
    private readonly words: Words,
    private readonly colour: boolean,
    private readonly columns: number,
  ) {
    this.#textWidth = columns - GUTTER - NUMBER - TIME - 1;
  }

  lines(): string[] {
    const { words, result } = this;
    const { host, flavour, processor, byTrap, rest, steps, spanNs } = result;
    const sum = steps.reduce((total, { thread, ns }) => total + (thread === 'vcpu' ? ns : 0), 0);
    return [
      '',
      this.#bold(words.title),
      ...this.#paragraph(words.summary(byTrap)),
      ...this.#paragraph(
        words.host + words.colon + [host, flavour, processor].filter((text) => text !== '').join(words.comma),
      ),
      '',
      ...this.#legend(),
      '',
      ...this.#chain(steps),
      '',
      ...this.#paragraph(words.sum(duration(sum), duration(spanNs))),
      ...this.#paragraph(words.clock(result.clock, duration)),
      ...(result.kernelMissing === undefined
        ? []
        : this.#paragraph(words.hardwareMissing(result.kernelMissing, flavour))),
      ...(host === 'local' ? [] : this.#paragraph(words.softwareHost)),
      ...(rest.characters > 0 ? this.#paragraph(words.cold) : []),
      '',
      this.#bold(words.variants),
      ...variantTable(result.variants, words),
      ...words.variantNotes(result.variants).flatMap((note) => this.#paragraph(note)),
    ];
  }

  #paragraph(text: string): string[] {
    return wrap(text, this.columns);
  }

  #legend(): string[] {
    const { modes } = this.result;
    const { words } = this;
    const shown: readonly ChainMode[] = modes.inside === undefined ? LANES : [...LANES, 'inside'];
    const rows = shown.map((mode) => ({ mode, ...words.modes[mode], time: measured(modes[mode]) }));
    const width = Math.max(...rows.map(({ name }) => widthOf(name)));
    const whoWidth = this.columns - GUTTER - width - TIME - 3;
    return [
      padStart(words.timesOfRun, this.columns),
      ...rows.map(
        ({ mode, name, who, time }) =>
          `${this.#gutter(mode)} ${padEnd(name, width)}  ${padEnd(cut(who, whoWidth), whoWidth)}${padStart(time, TIME)}`,
      ),
    ];
  }

  #chain(steps: readonly PrintfStep[]): string[] {
    const lines: string[] = [];
    let before: PrintfStep | undefined;
    let wasSum = false;
    steps.forEach((step, index) => {
      const isSum = step.summed !== undefined;
      if (isSum && !wasSum) lines.push('', ...this.#restTitle());
      if (!isSum && wasSum) lines.push('', this.#bold(this.words.wayBack));
      if (!isSum && !wasSum && before !== undefined) lines.push(...this.#crossing(before, step));
      lines.push(...(isSum ? this.#sum(step, index + 1) : this.#step(step, index + 1)));
      wasSum = isSum;
      if (step.thread === 'vcpu') before = step;
    });
    return lines;
  }

  #restTitle(): string[] {
    const { characters, exits } = this.result.rest;
    return wrap(this.words.rest(characters, exits), this.columns).map((line) => this.#bold(line));
  }

  #step(step: PrintfStep, number: number): string[] {
    const { words } = this;
    const { mode, ns, thread, source, disassembly, registers, resumed } = step;
    const title = words.steps[step.what](step);
    const noted = resumed ? words.aside(words.resumed) : thread === 'main' ? words.aside(words.mainThread) : '';
    const [first = '', ...more] = wrap(title + noted, this.#textWidth);
    const gutter = this.#gutter(mode);
    const under = (text: string) => `${gutter}${' '.repeat(NUMBER)}${text}`.trimEnd();
    const width = this.columns - GUTTER - NUMBER;
    const head = `${gutter}${padStart(String(number), NUMBER - 1)} ${padEnd(first, this.#textWidth)}${padStart(duration(ns), TIME + 1)}`;
    const values = Object.entries(registers ?? {}).map(([name, value]) => `${name}=${value}`);
    const code = [disassembly, ...values].filter((text) => text !== undefined).join('  ');
    return [
      head,
      ...more.map(under),
      ...(source ? [under(this.#dim(cut(`${fileName(source.file)}:${source.line}  ${source.text}`, width)))] : []),
      ...(code === '' ? [] : [under(this.#dim(cut(code, width)))]),
    ];
  }

  #sum(step: PrintfStep, number: number): string[] {
    const { words } = this;
    const count = step.summed ?? 1;
    const width = this.#textWidth - EACH;
    const [first = '', ...more] = wrap(words.steps[step.what](step), width);
    const each = padStart(`${count} × ${duration(step.ns / count)}`, EACH);
    const gutter = this.#gutter(step.mode);
    const head = `${gutter}${padStart(String(number), NUMBER - 1)} ${padEnd(first, width)}${each}${padStart(duration(step.ns), TIME + 1)}`;
    return [head, ...more.map((line) => `${gutter}${' '.repeat(NUMBER)}${line}`)];
  }

  /** What leads from one mode to the next. */
  #crossing(from: PrintfStep, to: PrintfStep): string[] {
    const crossing = to.thread === 'main' ? undefined : crossingBetween(from, to, this.result.byTrap);
    if (crossing === undefined) return [];
    const { words } = this;
    const { exit } = from;
    const why =
      crossing !== 'vmExit' || exit === undefined
        ? ''
        : `${words.colon}${exit.reason}${words.comma}${exit.info1}${exit.io ? words.colon + words.qualification(exit.io) : ''}`;
    const [first = '', ...more] = wrap(words.crossings[crossing] + why, this.columns - GUTTER - NUMBER);
    const indent = ' '.repeat(NUMBER);
    return [
      `${arrow(laneOf(from.mode, 'from'), laneOf(to.mode, 'to'))}${indent}${this.#bold(first)}`,
      ...more.map((line) => `${' '.repeat(GUTTER)}${indent}${this.#bold(line)}`),
    ];
  }

  #gutter(mode: ChainMode): string {
    const at = LANES_OF[mode];
    const marks = LANES.map((name, index) =>
      at.includes(index) ? this.#code(`1;${COLOURS[mode]}`, LANE_MARKS[name]) : IDLE,
    );
    return `${marks.join(' ')}  `;
  }

  #bold(text: string): string {
    return this.#code('1', text);
  }

  #dim(text: string): string {
    return this.#code('2', text);
  }

  #code(code: string, text: string): string {
    return this.colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

const fileName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** "· ╰─▶ ·": from one lane to another. */
function arrow(from: number, to: number): string {
  const [left, right] = [2 * Math.min(from, to), 2 * Math.max(from, to)];
  const cells = Array.from({ length: GUTTER }, (_, at) => {
    if (at === 2 * from) return from < to ? '╰' : '╯';
    if (at === 2 * to) return from < to ? '▶' : '◀';
    if (at > left && at < right) return '─';
    return at % 2 === 0 && at < 2 * LANES.length ? IDLE : ' ';
  });
  return cells.join('');
}
