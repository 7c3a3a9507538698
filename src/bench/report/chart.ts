/** The workloads of one kind as a chart: a strip for each, all on one axis, whose steps are powers of ten. */
import { type Html, html } from '../../trace/html/escape.js';
import type { BenchKind, BenchUnit } from '../result.js';
import type { Figure, Gap, Group, Row } from './figures.js';
import { hasInterval, KIND_TITLES, rateOf, ratioText, tickText, timeText } from './words.js';

/** Of the chart's width, left and right of the axis: a name of a tick has room there. */
const MARGIN = 9;
const ROW = 24;
const AXIS = 26;
/** Words are right of what is in the left half, and left of the rest, if they have room there. */
const HALF = 50;
const ROOM = 40;
const MOST_TICKS_NARROW = 6;

export interface ChartOptions {
  readonly unit: BenchUnit;
  /** Places of engines in the result's list, for their marks. */
  readonly places: ReadonlyMap<string, number>;
}

/** As many as there are marks and colours; further engines share them. */
export const MARKS = 6;

/** Around 0, about 11 dots wide; told apart by shape. */
const SHAPES = [
  'M0-5.5A5.5 5.5 0 1 1 0 5.5A5.5 5.5 0 1 1 0-5.5Z',
  'M-5-5H5V5H-5Z',
  'M0-7L7 0L0 7L-7 0Z',
  'M0-6.5L6.5 5H-6.5Z',
  'M0 6.5L6.5-5H-6.5Z',
  'M-6-3L-3-6L0-3L3-6L6-3L3 0L6 3L3 6L0 3L-3 6L-6 3L-3 0Z',
] as const satisfies { length: typeof MARKS };

/** For the page to define once. */
export function markDefinitions(): Html {
  const paths = SHAPES.map((path, at) => html`<path id="mark-${at}" d="${path}"/>`);
  return html`<svg class="definitions" aria-hidden="true"><defs>${paths}</defs></svg>`;
}

const markOf = (place: number): Html => html`<use class="mark m${place % MARKS}" href="#mark-${place % MARKS}"/>`;

/** A mark by itself, before its engine's name. */
export function legendMark(place: number): Html {
  return html`<svg class="swatch" viewBox="-11 -7 22 14" aria-hidden="true">${markOf(place)}</svg>`;
}

/** @param id of its title, and the beginning of those within */
export function chart(id: string, { kind, rows, gaps }: Group, options: ChartOptions): Html {
  const scale = scaleOf(rows);
  const title = html`<h2 id="${id}">${KIND_TITLES[kind]}</h2>`;
  const strips = rows.map((row, at) => strip(`${id}-${at}`, row, scale, options));
  const axis = scale === undefined ? html`` : axisOf(scale, options.unit);
  return html`<section class="logchart" aria-labelledby="${id}">${title}
${axis}${gaps.map(gapWords)}${strips}</section>\n`;
}

/** An axis from one power of ten to another. */
interface Scale {
  readonly from: number;
  readonly to: number;
}

function scaleOf(rows: readonly Row[]): Scale | undefined {
  const ends = rows.flatMap(({ figures }) => figures.flatMap(({ cell }) => [cell.interval.low, cell.interval.high]));
  if (ends.length === 0) return undefined;
  const from = Math.floor(Math.log10(Math.min(...ends)));
  return { from, to: Math.max(from + 1, Math.ceil(Math.log10(Math.max(...ends)))) };
}

/** Per cent of the width. */
function percentOf(value: number, { from, to }: Scale): number {
  return MARGIN + ((Math.log10(value) - from) / (to - from)) * (100 - 2 * MARGIN);
}

const percent = (place: number): string => `${place.toFixed(3)}%`;

function ticksOf({ from, to }: Scale): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => 10 ** (from + at));
}

function axisOf(scale: Scale, unit: BenchUnit): Html {
  const ticks = ticksOf(scale);
  const isCrowded = ticks.length > MOST_TICKS_NARROW;
  const texts = ticks.map((tick, at) => {
    const css = isCrowded && at % 2 === 1 ? 'tick between' : 'tick';
    return html`<text class="${css}" x="${percent(percentOf(tick, scale))}" y="16">${tickText(tick, unit)}</text>`;
  });
  return html`<svg class="axis" height="${AXIS}" aria-hidden="true">${texts}</svg>\n`;
}

function strip(id: string, { workload, figures, gaps }: Row, scale: Scale | undefined, options: ChartOptions): Html {
  const { name, kind, shows } = workload;
  const picture =
    scale === undefined || figures.length === 0
      ? html``
      : html`<svg class="strip" height="${figures.length * ROW}" role="img" aria-labelledby="${id}-title ${id}-words"><title id="${id}-title">${name}: ${shows}</title><desc id="${id}-words">${figures.map((figure) => spoken(figure, kind, options.unit))}</desc>
${gridOf(scale)}${figures.map((figure, at) => figureRow(figure, at, kind, scale, options))}</svg>\n`;
  return html`<h3><code>${name}</code> <span>${shows}</span></h3>
${picture}${gaps.map(gapWords)}`;
}

function gridOf(scale: Scale): Html[] {
  return ticksOf(scale).map((tick) => {
    const x = percent(percentOf(tick, scale));
    return html`<line class="grid-line" x1="${x}" x2="${x}" y1="0" y2="100%"/>`;
  });
}

function gapWords({ engine, outcome, why }: Gap): Html {
  return html`<p class="note gap"><b>${engine}</b> – ${outcome}: ${why}</p>\n`;
}

function spoken({ engine, cell, ratio, reference }: Figure, kind: BenchKind, unit: BenchUnit): Html {
  const times = reference === undefined ? 'the reference' : `${ratioText(ratio)} the reference`;
  const time = (value: number): string => timeText(value, unit, kind);
  const between = hasInterval(cell) ? `, between ${time(cell.interval.low)} and ${time(cell.interval.high)}` : '';
  return html`${engine}: ${time(cell.median)}${between}; ${times}. `;
}

/** Interval and mark, and beside them in words what they are. */
function figureRow(figure: Figure, at: number, kind: BenchKind, scale: Scale, options: ChartOptions): Html {
  const { engine, cell, ratio, reference } = figure;
  const x = percentOf(cell.median, scale);
  const { low, high } = hasInterval(cell) ? cell.interval : { low: cell.median, high: cell.median };
  const [from, to] = [percentOf(low, scale), percentOf(high, scale)];
  const y = at * ROW + ROW / 2;
  const place = options.places.get(engine) ?? 0;
  const rate = rateOf(kind, cell, options.unit);
  const fits = { right: 100 - to >= ROOM, left: from >= ROOM };
  const isRight = x < HALF ? fits.right || !fits.left : fits.right && !fits.left;
  // Where its interval leaves no room on either side, the words are over it.
  const beside = isRight ? (fits.right ? to : x) : fits.left ? from : x;
  const times = reference === undefined ? '' : `, ${ratioText(ratio)}`;
  const label = html`<text class="label${isRight ? '' : ' before'}" x="${isRight ? 12 : -12}" y="4"><tspan class="engine">${engine}</tspan> ${timeText(cell.median, options.unit, kind)}<tspan class="more">${rate === undefined ? '' : `, ${rate}`}${times}</tspan></text>`;
  const bar = (css: string) =>
    html`<rect class="${css}" x="${percent(from)}" width="${percent(Math.max(0, to - from))}" y="${y - 3}" height="6"/>`;
  return html`${bar(`interval m${place % MARKS}`)}<svg class="at" x="${percent(x)}" y="${y}">${markOf(place)}</svg><svg class="at" x="${percent(beside)}" y="${y}">${label}</svg>\n`;
}
