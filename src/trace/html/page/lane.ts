import type { Slices } from './slices.js';

/** A colour of the theme by its variable: `--ring0`, with `--on-ring0` for text on it. */
export type Colour = 'nonroot' | 'nonroot3' | 'inside' | 'ring0' | 'ring3';

/** ▲ and △ are below a lane's bar, ▼ is above it, × on it. */
export const GLYPHS = ['▲', '△', '▼', '×'] as const;

/** Moments that a lane marks. */
export interface Marks {
  readonly glyph: (typeof GLYPHS)[number];
  readonly words: string;
  readonly times: Float64Array;
}

/** Glyphs in the colour for marks: the others have that of text. */
export const isMark = (glyph: Marks['glyph']): boolean => glyph === '▼' || glyph === '×';

/** A row of the timeline. */
export interface Lane {
  /** What it belongs to: lanes of one group are below one another, under its name. */
  readonly group: string;
  readonly title: string;
  readonly colour: Colour;
  readonly slices: Slices;
  readonly marks: readonly Marks[];
  /** What is written on a slice where it is wide enough. */
  label(index: number): string;
}

/** A lane's place in the chart, in CSS pixels from the top of all lanes. */
export interface PlacedLane {
  readonly lane: Lane;
  /** Where the group's name is, for its first lane. */
  readonly groupTop: number | undefined;
  readonly top: number;
  readonly barTop: number;
  readonly bottom: number;
}

const GROUP_HEIGHT = 24;
const TITLE_HEIGHT = 18;
export const BAR_HEIGHT = 22;
export const MARK_HEIGHT = 10;
const GAP = 5;

/** Places lanes from above to below. */
export function place(lanes: readonly Lane[]): PlacedLane[] {
  let y = 0;
  let group: string | undefined;
  return lanes.map((lane) => {
    const groupTop = lane.group === group ? undefined : y;
    group = lane.group;
    if (groupTop !== undefined) y += GROUP_HEIGHT;
    const top = y;
    const has = (...glyphs: readonly Marks['glyph'][]) => lane.marks.some(({ glyph }) => glyphs.includes(glyph));
    const barTop = top + TITLE_HEIGHT + (has('▼') ? MARK_HEIGHT : 0);
    const below = has('▲', '△') ? MARK_HEIGHT : 0;
    y = barTop + BAR_HEIGHT + below + GAP;
    return { lane, groupTop, top, barTop, bottom: y };
  });
}
