/** The live view of a machine's exits: lines for a terminal of some size. */

import type { HandledBy } from '../trace/hardware-tally.js';
import { grouped, percent } from '../trace/html/format.js';
import type { ExitSummary } from '../trace/summary.js';
import {
  accessSection,
  asCell,
  hardwareSection,
  type InstructionWords,
  instructionSection,
  type ModeStyle,
  modeShares,
  reasonSection,
  ringWords,
  type Section,
  sectionLines,
} from './exits-rows.js';
import type { TerminalSize } from './terminal.js';

/** What the view shows. */
export interface ExitsNow {
  /** The image's name. */
  readonly title: string;
  /** "vtx, kvm_intel". */
  readonly where: string;
  readonly cpus: number;
  readonly runMs: number;
  readonly summary: ExitSummary;
  /** Exits a second by reason. */
  readonly rates: ReadonlyMap<string, number>;
  readonly hardware: Readonly<Record<string, Readonly<HandledBy>>>;
  readonly wordsOf: (rip: string) => InstructionWords;
  /** Why the kernel's side is not recorded. */
  readonly kernelMissing: string | undefined;
  /** The serial console's last lines, harmless, so many at most. */
  readonly console: (lines: number) => readonly string[];
}

export type Style = 'plain' | 'bold' | 'reverse' | ModeStyle;

/** A piece of a line. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

export type Line = readonly Span[];

/** From here on the sections are in two columns. */
const TWO_COLUMNS = 76;
const BETWEEN = '  ';
const MOST_ROWS = 100;
/** Each mode's own, so that it is told apart without colours too. */
const BAR: Readonly<Record<ModeStyle, string>> = { guest: '█', inside: '▓', kernel: '▒', vmlaunch: '░' };

/** As many lines as the terminal has, none wider than it. */
export function viewLines(now: ExitsNow, { rows, columns }: TerminalSize): Line[] {
  const head = [headLine(now, columns), countLine(now, columns), ...modeLines(now, columns), ...missing(now, columns)];
  const paneRows = rows < 12 ? Math.max(0, rows - head.length - 3) : Math.max(4, Math.floor(rows / 4));
  const bodyRows = Math.max(0, rows - head.length - paneRows);
  const lines = [...head, ...bodyLines(now, columns, bodyRows), ...paneLines(now, columns, paneRows)];
  return lines.slice(0, rows);
}

const line = (text: string, style: Style = 'plain'): Line => [{ text, style }];

function headLine({ title, where, cpus, runMs }: ExitsNow, columns: number): Line {
  const time = ` ${clock(runMs)} `;
  const what = ` vmlaunch exits  ${title}  ${where}  ${cpus === 1 ? '1 vCPU' : `${cpus} vCPUs`}`;
  return line(asCell(what, Math.max(0, columns - time.length)) + time.slice(0, columns), 'reverse');
}

/** "1:02.3". */
function clock(ms: number): string {
  const tenths = Math.floor(ms / 100);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${((tenths % 600) / 10).toFixed(1).padStart(4, '0')}`;
}

function countLine({ summary, rates }: ExitsNow, columns: number): Line {
  const rate = [...rates.values()].reduce((sum, one) => sum + one, 0);
  const { recorded, lost } = summary;
  const parts = [`${grouped(recorded)} exits, ${grouped(Math.round(rate))} a second`];
  if (lost > 0) parts.push(`${grouped(lost)} lost`);
  if (recorded > 0) parts.push(`CPL at exits, a sample: ${ringWords(summary)}`);
  return line(asCell(` ${parts.join('   ')}`, columns));
}

/** Nothing where the kernel's side is recorded. */
function missing({ kernelMissing }: ExitsNow, columns: number): Line[] {
  return kernelMissing === undefined ? [] : [line(asCell(` our side alone: ${kernelMissing}`, columns))];
}

/** A bar, and what its parts are. */
function modeLines({ summary }: ExitsNow, columns: number): Line[] {
  const shares = modeShares(summary.modes);
  const width = columns - 2;
  let end = 0;
  const bar = shares.map(({ share, style }): Span => {
    const from = Math.round(end * width);
    end += share;
    return { text: BAR[style].repeat(Math.max(0, Math.round(end * width) - from)), style };
  });
  const words = shares.map(({ name, share, style }) => `${BAR[style]} ${name.split(' (')[0]} ${percent(share)}`);
  return [[{ text: ' ', style: 'plain' }, ...bar], line(asCell(` ${words.join('   ')}`, columns))];
}

function bodyLines(now: ExitsNow, columns: number, rows: number): Line[] {
  const left = [reasonSection(now.summary, now.rates), hardwareSection(now.hardware)];
  const right = [accessSection(now.summary), instructionSection(now.summary, now.wordsOf, MOST_ROWS)];
  if (columns < TWO_COLUMNS) return stacked([...left, ...right], columns - 2, rows).map((one) => indented(one));
  const leftWidth = Math.min(48, Math.floor((columns - 4) * 0.44));
  const rightWidth = columns - 2 - BETWEEN.length - leftWidth;
  const [a, b] = [stacked(left, leftWidth, rows), stacked(right, rightWidth, rows)];
  const nothing: Span = { text: ' '.repeat(leftWidth), style: 'plain' };
  return Array.from({ length: rows }, (_, row) =>
    indented([...(a[row] ?? [nothing]), { text: BETWEEN, style: 'plain' }, ...(b[row] ?? [])]),
  );
}

const indented = (spans: Line): Line => [{ text: ' ', style: 'plain' }, ...spans];

/** Sections one above the other in exactly so many rows: each gets its share, and what another does not need. */
function stacked(sections: readonly Section[], width: number, rows: number): Line[] {
  const empty = line(' '.repeat(Math.max(0, width)));
  const filled = sections.filter((section) => section.rows.length > 0);
  const given = shareOut(
    filled.map((section) => section.rows.length),
    rows - filled.length,
  );
  const used = filled.length + given.reduce((sum, one) => sum + one, 0);
  let spare = rows - used;
  const lines = filled.flatMap((section, i) => {
    const [title = '', ...its] = sectionLines(section, width, given[i] ?? 0);
    if (its.length === 0) return [];
    const gap = i > 0 && spare-- > 0 ? [empty] : [];
    return [...gap, line(title, 'bold'), ...its.map((text) => line(text))];
  });
  return Array.from({ length: Math.max(0, rows) }, (_, row) => lines[row] ?? empty);
}

/** How many of `rows` each gets of what it wants: all get one more in turns, as long as there are some. */
function shareOut(wanted: readonly number[], rows: number): number[] {
  const given = wanted.map(() => 0);
  for (let left = rows; left > 0; ) {
    const before = left;
    wanted.forEach((most, i) => {
      if (left <= 0 || (given[i] ?? 0) >= most) return;
      given[i] = (given[i] ?? 0) + 1;
      left--;
    });
    if (left === before) break;
  }
  return given;
}

function paneLines(now: ExitsNow, columns: number, rows: number): Line[] {
  if (rows <= 0) return [];
  const title = '── serial console ── Ctrl-A x quits ';
  const text = now.console(rows - 1);
  return [
    line(title.padEnd(columns, '─').slice(0, columns), 'bold'),
    ...Array.from({ length: rows - 1 }, (_, row) => line(asCell(text[row] ?? '', columns))),
  ];
}
