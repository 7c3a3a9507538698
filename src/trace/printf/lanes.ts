import { type Html, html } from '../html/escape.js';
import type { PrintfStep } from './result.js';
import type { ChainMode } from './timeline.js';

/** The lanes of text and page, from the guest's program to this one. */
export const LANES = ['nonRootRing3', 'nonRootRing0', 'rootRing0', 'rootRing3'] as const;
export type Lane = (typeof LANES)[number];

/** Letters that tell the lanes apart: program, kernel, host's kernel, vmlaunch. */
export const LANE_MARKS: Readonly<Record<Lane, string>> = {
  nonRootRing3: 'P',
  nonRootRing0: 'K',
  rootRing0: 'H',
  rootRing3: 'V',
};

/** A mode is in one lane, or in two that cannot be told apart. */
export const LANES_OF: Readonly<Record<ChainMode, readonly number[]>> = {
  nonRootRing3: [0],
  nonRootRing0: [1],
  inside: [1, 2],
  rootRing0: [2],
  rootRing3: [3],
};

/** The lane on whose side a way from or to the mode is. */
export function laneOf(mode: ChainMode, side: 'from' | 'to'): number {
  const lanes = LANES_OF[mode];
  return (side === 'from' ? lanes.at(-1) : lanes[0]) ?? 0;
}

/** The modes' colours and patterns in pages. */
export const MODE_CSS: Readonly<Record<ChainMode, string>> = {
  nonRootRing3: 'nonroot3',
  nonRootRing0: 'nonroot',
  inside: 'inside',
  rootRing0: 'ring0',
  rootRing3: 'ring3',
};

/** Per cent of the width. */
const LANE = 100 / LANES.length;
const middle = (lane: number): string => `${(lane + 0.5) * LANE}%`;

const background = (): Html[] =>
  LANES.map((_, lane) => html`<line class="lane" x1="${middle(lane)}" x2="${middle(lane)}" y1="0" y2="100%"/>`);

const vertical = (lane: number, from: string, to: string): Html =>
  html`<line class="path" x1="${middle(lane)}" x2="${middle(lane)}" y1="${from}" y2="${to}"/>`;

const drawing = (...parts: readonly Html[]): Html =>
  html`<div class="lanes"><svg aria-hidden="true">${background()}${parts}</svg></div>`;

/** The lanes where nothing is in any. */
export const emptyLanes = (): Html => drawing();

/** The lanes of a detail below a step: the way goes on through it. */
export const lanesBelow = ({ mode, thread, summed }: PrintfStep): Html =>
  thread === 'main' || summed !== undefined
    ? drawing()
    : drawing(...LANES_OF[mode].slice(0, 1).map((lane) => vertical(lane, '0', '100%')));

/** The lanes of a step: a box in that of its mode; one with a broken edge on another thread, beside the way. */
export function stepLanes({ mode, thread, summed }: PrintfStep): Html {
  const lanes = LANES_OF[mode];
  const [first = 0] = lanes;
  const css = MODE_CSS[mode];
  const box = html`x="${(first + 0.12) * LANE}%" width="${(lanes.length - 0.24) * LANE}%" y="12%" height="76%" rx="4"`;
  const marks = lanes.map((lane) => LANE_MARKS[LANES[lane] ?? 'rootRing3']).join(' ');
  const letter = (on: string): Html =>
    html`<text class="on-${on}" x="${(first + lanes.length / 2) * LANE}%" y="50%">${marks}</text>`;
  if (thread === 'main') return drawing(html`<rect class="beside" ${box}/>`, letter('beside'));
  return drawing(
    // What is added up has no way through it.
    ...(summed === undefined ? [vertical(first, '0', '100%')] : []),
    html`<rect class="fill-${css}" ${box}/>`,
    html`<rect fill="url(#pattern-${css})" ${box}/>`,
    letter(css),
  );
}

/** The lanes of a way from one mode to another, with an arrow. */
export function crossingLanes(from: ChainMode, to: ChainMode): Html {
  const [start, end] = [laneOf(from, 'from'), laneOf(to, 'to')];
  const arrow = start < end ? 'M1 0l-8-5v10z' : 'M-1 0l8-5v10z';
  return drawing(
    vertical(start, '0', '50%'),
    html`<line class="path" x1="${middle(start)}" x2="${middle(end)}" y1="50%" y2="50%"/>`,
    vertical(end, '50%', '100%'),
    html`<svg x="${middle(end)}" y="50%"><path class="head" d="${arrow}"/></svg>`,
  );
}
