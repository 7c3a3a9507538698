import { htmlDocument } from '../../trace/html/document.js';
import { type Html, html } from '../../trace/html/escape.js';
import { table } from '../../trace/html/tables.js';
import { COUNTERS, COUNTERS_TITLE, counterRows } from '../memory/counter-table.js';
import { memoryWords } from '../memory/words.js';
import type { BenchEngine, BenchResult } from '../result.js';
import { type ChartOptions, chart, legendMark, markDefinitions } from './chart.js';
import { checkClocks } from './clocks.js';
import {
  type Figure,
  type Figures,
  figuresOf,
  type Group,
  meansOf,
  placeOf,
  type Row,
  ratioInterval,
} from './figures.js';
import { PAGE_STYLES } from './page-styles.js';
import { factsOf, hasInterval, intervalText, KIND_TITLES, rateOf, ratioText, timeText } from './words.js';

const TITLE = 'Hardware virtualization against software emulation';
const MEMORY_TITLE = 'What EPT or NPT buys';

const titleOf = ({ suite }: BenchResult): string => (suite === 'memory' ? MEMORY_TITLE : TITLE);

/** A suite's result as one page that needs no other file, no network and no script. */
export function benchPage(result: BenchResult): string {
  return htmlDocument({ title: titleOf(result), body: body(result), styles: PAGE_STYLES });
}

function body(result: BenchResult): Html {
  const { engines, unit, host } = result;
  const figures = figuresOf(result);
  const options: ChartOptions = {
    unit,
    places: new Map(engines.map(({ name }, at) => [name, at])),
  };
  const facts = factsOf(result).filter(([what]) => what !== 'mitigations');
  return html`<header><p class="kind">vmlaunch bench</p><h1>${titleOf(result)}</h1>
<dl class="facts">${facts.map(([what, value]) => html`<div><dt>${what}</dt><dd>${value}</dd></div>`)}</dl></header>
<main>${markDefinitions()}
<section aria-labelledby="method"><h2 id="method">How it was measured</h2>
${methodWords(result)}${clockWarnings(result)}<ul class="engines">${engines.map((engine, at) => engineItem(engine, at))}</ul></section>
${meansTable(figures.groups, engines)}
${figures.groups.map((group) => chart(`chart-${group.kind}`, group, options))}
${figures.groups.map((group) => figuresTable(group, result, figures))}
${result.suite === 'memory' ? memorySections(result) : ''}
${clockTable(result)}
${table('mitigations', 'Mitigations', ['vulnerability', 'what the kernel does'], Object.entries(host.mitigations))}
</main>
<footer><p>Made by vmlaunch ${result.version}. All times are of this one run; those of other runs, or other machines, are not to be compared with them.</p></footer>`;
}

function methodWords({ rounds, unit, suite }: BenchResult): Html {
  const who =
    suite === 'memory'
      ? 'Each way of paging ran the same guest; those of one host'
      : 'Every engine ran the same guest, and “native” the same loops as a program of Linux; they';
  return html`<p class="method">${who} took turns in ${rounds} ${rounds === 1 ? 'round' : 'rounds'}. A figure is the median of an iteration${unit === 'ns' ? '' : ', counted in instructions'}. The bar behind a mark is its 95 % bootstrap interval: where none is seen, it is narrower than the mark. “1.27×” is how many times the reference’s time: that of kvm where it has one, else of native, else of the first.</p>\n`;
}

/** What `vmlaunch bench memory` has beside its figures. */
function memorySections(result: BenchResult): Html {
  const rows = counterRows(result).map(({ workload, engine, values }) => [
    html`<code>${workload}</code>`,
    engine,
    ...values,
  ]);
  return html`${table('counters', COUNTERS_TITLE, ['workload', 'column', ...COUNTERS], rows)}
<section aria-labelledby="shows"><h2 id="shows">What it shows</h2>
${memoryWords(result).map((words) => html`<p class="method">${words}</p>\n`)}</section>`;
}

function clockWarnings(result: BenchResult): Html[] {
  return checkClocks(result)
    .filter(({ agrees }) => agrees === false)
    .map(
      ({ engine, words }) =>
        html`<p class="warning"><b>${engine}</b>: clocks of guest and host ${words}. Figures are the host’s.</p>\n`,
    );
}

function engineItem({ name, version }: BenchEngine, place: number): Html {
  return html`<li>${legendMark(place)}<b>${name}</b>${version ?? ''}</li>\n`;
}

/** Kinds of which two workloads or more can be put together. */
function meansTable(groups: readonly Group[], engines: readonly BenchEngine[]): Html {
  const rows = groups.flatMap((group) => {
    const means = meansOf(group);
    const [first] = means;
    if (first === undefined) return [];
    const cells = engines.map(({ name }) => {
      const mean = means.find(({ engine }) => engine === name);
      if (mean === undefined) return html`${name === first.reference ? 'reference' : '–'}`;
      return html`<div class="figure"><b>${ratioText(mean.ratio)}</b><span>of ${mean.count}</span></div>`;
    });
    return [[KIND_TITLES[group.kind], ...cells]];
  });
  if (rows.length === 0) return html``;
  const note = html`<p class="note">How many times the reference’s time, as the geometric mean over the workloads of which both have a figure, and how many those are. The reference is that of most of them.</p>`;
  return table(
    'together',
    'All workloads of a kind together',
    ['workloads', ...engines.map(({ name }) => name)],
    rows,
    note,
  );
}

function figuresTable(group: Group, { engines, unit }: BenchResult, { notes }: Figures): Html {
  const { kind, rows } = group;
  const used = new Set<number>();
  const cellOf = (row: Row, name: string): Html => {
    const place = placeOf(group, row, name);
    if (place === undefined) return html``;
    if ('cell' in place) return figureCell(place, kind, unit);
    used.add(place.note);
    return html`– [${place.note}]`;
  };
  const tableRows = rows.map((row) => [
    html`<code>${row.workload.name}</code>`,
    ...engines.map(({ name }) => cellOf(row, name)),
  ]);
  const reasons = [...used].sort((a, b) => a - b).map((note) => html`<li>[${note}] ${notes[note - 1] ?? ''}</li>`);
  const title = `${KIND_TITLES[kind]}: all figures`;
  const columns = ['workload', ...engines.map(({ name }) => name)];
  return table(`table-${kind}`, title, columns, tableRows, html`<ul class="reasons">${reasons}</ul>`);
}

function figureCell({ cell, ratio, reference }: Figure, kind: Group['kind'], unit: BenchResult['unit']): Html {
  const time = (value: number): string => timeText(value, unit, kind);
  const rate = rateOf(kind, cell, unit);
  const isCertain = hasInterval(cell) && (reference === undefined || hasInterval(reference));
  const lines = [
    ...(hasInterval(cell) ? [intervalText(cell.interval, time)] : ['too few rounds for an interval']),
    ...(rate === undefined ? [] : [rate]),
    reference === undefined
      ? 'reference'
      : `${ratioText(ratio)}${isCertain ? ` (${intervalText(ratioInterval(reference, cell), ratioText)})` : ''}`,
  ];
  return html`<div class="figure"><b>${time(cell.median)}</b>${lines.map((line) => html`<span>${line}</span>`)}</div>`;
}

function clockTable(result: BenchResult): Html {
  const rows = checkClocks(result).map(({ engine, agrees, words }) => [
    html`${engine}`,
    agrees === false ? html`<b>${words}</b>` : html`${words}`,
  ]);
  return table('clocks', 'Clocks of guest and host', ['engine', 'whether they agree'], rows);
}
