/** The three kinds of addresses side by side, and how one leads to the next. */
import { endOf, type Mapping, type Mappings } from '../../memory/mappings.js';
import { type Html, html } from '../html/escape.js';
import type { MapRow } from './view.js';
import { digits, type Region, regionsOf, rightsWords, sizeWords } from './words.js';

const MOST_REGIONS = 26;
/** Lines of a region that is in many pieces. */
const MOST_LINES = 6;
const TOP = 34;
const ROW = 40;
const GAP = 6;
/** Of RAM, so that lines show whereabouts. */
const TALL = 104;
/** Columns, in per cents of the width: left edge, and width. */
const COLUMNS = [
  { title: 'guest-virtual', x: 0, width: 28 },
  { title: 'guest-physical', x: 38, width: 26 },
  { title: 'slots: host-virtual', x: 74, width: 26 },
] as const;

/** What a line's colour stands for: who may do what. */
export const RIGHTS = [
  { css: 'code', words: 'executable, read-only' },
  { css: 'data', words: 'writable' },
  { css: 'both', words: 'writable and executable' },
  { css: 'constant', words: 'read-only' },
] as const;

const kindOf = ({ writable, executable }: Pick<Mapping, 'writable' | 'executable'>): string =>
  writable ? (executable ? 'both' : 'data') : executable ? 'code' : 'constant';

interface Box {
  readonly top: number;
  readonly height: number;
}

interface PlacedRow extends Box {
  readonly row: MapRow;
}

export function picture(map: readonly MapRow[], mappings: Mappings | undefined): Html {
  const regions = regionsOf(mappings?.ranges ?? []);
  const shown = regions.slice(0, MOST_REGIONS);
  const rows = placeRows(map);
  const left = shown.map((region, i) => ({ region, top: TOP + i * (ROW + GAP), height: ROW }));
  const bottom = [...left, ...rows].reduce((most, { top, height }) => Math.max(most, top + height), TOP);
  const lines = left.flatMap(({ region, top }) => linesOf(region, mappings?.ranges ?? [], top + ROW / 2, rows));
  const slots = rows.filter(({ row }) => row.hostVirtual !== undefined);
  const rest = regions.length - shown.length;
  return html`<svg class="map" width="100%" height="${bottom + 28}" role="img" aria-label="Guest-virtual regions, guest-physical ranges and slots; the tables below have them in words">
${COLUMNS.map(({ title, x }) => html`<text class="head" x="${x}%" y="18">${title}</text>`)}
${lines}${slots.map((slot) => band(slot))}
${left.map(({ region, top }) => regionBox(region, top))}
${rows.map((placed) => rowBox(placed))}
${slots.map((slot) => slotBox(slot))}
${rest > 0 ? html`<text x="0" y="${bottom + 20}">and ${rest} more regions: see the table</text>` : ''}
</svg>`;
}

function placeRows(map: readonly MapRow[]): PlacedRow[] {
  let top = TOP;
  return map.map((row) => {
    const height = row.slot !== undefined && row.e820 === 'RAM' && row.end - row.start > 0x100000 ? TALL : ROW;
    const placed = { row, top, height };
    top += height + GAP;
    return placed;
  });
}

function box(column: number, { top, height }: Box, css: string, words: readonly [string, string], more: string): Html {
  const { x, width } = COLUMNS[column] ?? COLUMNS[0];
  return html`<svg x="${x}%" y="${top}" width="${width}%" height="${height}"><title>${more}</title><rect class="${css}" width="100%" height="100%" rx="4"/><text x="8" y="16">${words[0]}</text><text class="small" x="8" y="32">${words[1]}</text></svg>`;
}

function regionBox(region: Region, top: number): Html {
  const { linear, pages, pageSize } = region;
  const size = sizeWords(pages * pageSize);
  const last = endOf(region) - 1n;
  const words = [digits(linear, linear > 0xffff_ffffn ? 16 : 8), `${size}  ${rightsWords(region)}`] as const;
  const more = `${digits(linear, 8)}-${digits(last, 8)}: ${pages} pages of ${sizeWords(pageSize)}`;
  return box(0, { top, height: ROW }, `box edge-${kindOf(region)}`, words, more);
}

function rowBox(placed: PlacedRow): Html {
  const { start, end, e820, slot, device } = placed.row;
  const size = sizeWords(end - start);
  const what = device ?? (slot === undefined ? 'none: exits' : e820 === 'RAM' ? 'RAM' : 'memory, reserved');
  const css = slot === undefined ? (device === undefined ? 'box hole' : 'box device') : 'box ram';
  return box(
    1,
    placed,
    css,
    [digits(start, 9), `${size}  ${what}`],
    `${digits(start, 9)}-${digits(end - 1, 9)}: ${what}`,
  );
}

function slotBox(placed: PlacedRow): Html {
  const { slot = 0, hostVirtual = 0, readOnly } = placed.row;
  const words = [digits(hostVirtual, 12), `slot ${slot}${readOnly ? ', read-only' : ''}`] as const;
  return box(2, placed, 'box ram', words, `slot ${slot} at host-virtual ${digits(hostVirtual, 12)}`);
}

function band({ top, height }: Box): Html {
  const y = top + height / 2;
  const { x, width } = COLUMNS[1];
  return html`<line class="line slot" x1="${x + width}%" y1="${y}" x2="${COLUMNS[2].x}%" y2="${y}"/>`;
}

/** From a region to where its pieces are. */
function linesOf(region: Region, ranges: readonly Mapping[], y: number, rows: readonly PlacedRow[]): Html[] {
  const end = endOf(region);
  const pieces = ranges.filter(({ linear }) => linear >= region.linear && linear < end);
  const every = Math.ceil(pieces.length / MOST_LINES);
  const places = pieces.filter((_, i) => i % every === 0).map(({ physical }) => placeOf(Number(physical), rows));
  const seen = [...new Set(places.filter((place) => place !== undefined).map((place) => Math.round(place)))];
  const { x, width } = COLUMNS[0];
  return seen.map(
    (to) =>
      html`<line class="line edge-${kindOf(region)}" x1="${x + width}%" y1="${y}" x2="${COLUMNS[1].x}%" y2="${to}"/>`,
  );
}

function placeOf(physical: number, rows: readonly PlacedRow[]): number | undefined {
  const found = rows.find(({ row }) => physical >= row.start && physical < row.end);
  if (found === undefined) return undefined;
  const { row, top, height } = found;
  return top + 6 + ((physical - row.start) / (row.end - row.start)) * (height - 12);
}
