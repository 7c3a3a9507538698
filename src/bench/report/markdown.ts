/** A suite's result for a README: tables of GitHub's Markdown, a workload in each row and an engine in each column. */
import { visible } from '../../trace/html/escape.js';
import { COUNTERS, COUNTERS_TITLE, counterRows } from '../memory/counter-table.js';
import type { BenchResult } from '../result.js';
import { checkClocks } from './clocks.js';
import { type Figure, figuresOf, type Group, meansOf, placeOf, type Row } from './figures.js';
import { factsOf, KIND_TITLES, rateOf, ratioText, spreadText, timeText } from './words.js';

/** Ends with "\n". */
export function benchMarkdown(result: BenchResult): string {
  const { groups, notes } = figuresOf(result);
  const versions = result.engines.map(({ name, version }) => `${name} ${version ?? '–'}`).join(', ');
  const facts = [...factsOf(result), ['engines', versions] as const];
  const off = checkClocks(result).filter(({ agrees }) => agrees === false);
  const parts = [
    facts.map(([what, value]) => `- ${what}: ${escaped(value)}`),
    ...groups.map((group) => groupLines(group, result)),
    ...counterLines(result),
    ['The median of an iteration, half of its 95 % interval, and its multiple of the reference’s, which is bold.'],
    ...(off.length === 0
      ? []
      : [off.map(({ engine, words }) => `- Clocks of guest and host, ${escaped(engine)}: ${escaped(words)}`)]),
    // Footnotes in HTML: a list would be numbered anew by its reader.
    ...(notes.length === 0 ? [] : [notes.map((note, at) => `[${at + 1}] ${escaped(note)}<br>`)]),
  ];
  return parts.map((lines) => `${lines.join('\n')}\n`).join('\n');
}

function groupLines(group: Group, { engines, unit }: BenchResult): string[] {
  const { kind, rows } = group;
  const title = unit === 'ns' ? KIND_TITLES[kind] : `${KIND_TITLES[kind]}, in instructions`;
  const names = engines.map(({ name }) => name);
  const row = (of: Row): string => {
    const cells = names.map((name) => {
      const place = placeOf(group, of, name);
      if (place === undefined) return '–';
      return 'cell' in place ? cellText(place, kind, unit) : `– [${place.note}]`;
    });
    return tableLine([`\`${of.workload.name}\``, ...cells]);
  };
  const head = [tableLine([title, ...names.map(escaped)]), tableLine(['---', ...names.map(() => '---:')])];
  return [...head, ...rows.map(row), ...meanLines(group, names)];
}

/** Of `vmlaunch bench memory` alone. */
function counterLines(result: BenchResult): string[][] {
  const rows = counterRows(result);
  if (rows.length === 0) return [];
  const names = ['workload', 'column', ...COUNTERS];
  const head = [tableLine(names.map(escaped)), tableLine(names.map((_, at) => (at < 2 ? '---' : '---:')))];
  const lines = rows.map(({ workload, engine, values }) => tableLine([`\`${workload}\``, escaped(engine), ...values]));
  return [[`${COUNTERS_TITLE}:`], [...head, ...lines]];
}

function meanLines(group: Group, names: readonly string[]): string[] {
  const means = meansOf(group);
  const cells = names.map((name) => {
    const mean = means.find(({ engine }) => engine === name);
    return mean === undefined ? '' : `${ratioText(mean.ratio)} of ${mean.count}`;
  });
  return means.length === 0 ? [] : [tableLine([`geometric mean, ${escaped(means[0]?.reference ?? '')} = 1`, ...cells])];
}

function cellText(
  { cell, ratio, reference }: Figure,
  kind: Row['workload']['kind'],
  unit: BenchResult['unit'],
): string {
  const time = timeText(cell.median, unit, kind);
  const rate = rateOf(kind, cell, unit);
  const spread = [spreadText(cell), ...(rate === undefined ? [] : [rate])].filter((text) => text !== '').join(', ');
  const words = `${reference === undefined ? `**${time}**` : time} ${spread}`.trim();
  return reference === undefined ? words : `${words} (${ratioText(ratio)})`;
}

const tableLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** Text that anybody wrote: nothing in it is markup, ends its cell or its line. */
function escaped(text: string): string {
  const inOneLine = visible(text.replace(/\s+/g, ' '));
  return inOneLine.replace(/[\\`*_{}[\]<>|#~&]/g, (letter) => ENTITIES[letter] ?? `\\${letter}`);
}

const ENTITIES: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;' };
