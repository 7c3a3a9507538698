import { BAR_HEIGHT, type Colour, isMark, MARK_HEIGHT, type Marks, type PlacedLane } from './lane.js';
import { lowerBound } from './slices.js';
import { tickStep, type View } from './view.js';

export const AXIS_HEIGHT = 26;
const FONT = '12px system-ui, "Segoe UI", Roboto, "Liberation Sans", "DejaVu Sans", sans-serif';
/** A slice that is narrower, in dots, is drawn with its neighbours as their share of the time. */
const NARROW = 2;
const LEAST_LABEL = 28;

export interface Scene {
  readonly view: View;
  readonly lanes: readonly PlacedLane[];
  /** CSS pixels by which the lanes are scrolled up. */
  readonly scroll: number;
  readonly selected: { readonly lane: number; readonly slice: number } | undefined;
  /** The lane that the keyboard is at; undefined while the chart has no focus. */
  readonly current: number | undefined;
}

/** Draws a scene. Its work grows with the width in dots, not with the number of slices. */
export class Painter {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  #colours = new Map<string, string>();
  #width = 0;
  #height = 0;
  #scale = 1;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('this browser has no canvas');
    this.#context = context;
  }

  get width(): number {
    return this.#width;
  }

  /** After the theme has changed. */
  readColours(): void {
    this.#colours = new Map();
  }

  /** @param width in CSS pixels, as `height` */
  resize(width: number, height: number, scale: number): void {
    this.#width = width;
    this.#height = height;
    this.#scale = scale;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    this.#canvas.style.height = `${height}px`;
  }

  paint(scene: Scene): void {
    const context = this.#context;
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0);
    context.clearRect(0, 0, this.#width, this.#height);
    context.font = FONT;
    context.textBaseline = 'middle';
    context.save();
    context.beginPath();
    context.rect(0, AXIS_HEIGHT, this.#width, this.#height - AXIS_HEIGHT);
    context.clip();
    this.#grid(scene.view);
    scene.lanes.forEach((placed, index) => {
      const offset = AXIS_HEIGHT - scene.scroll;
      if ((placed.groupTop ?? placed.top) + offset < this.#height && placed.bottom + offset > AXIS_HEIGHT) {
        this.#lane(placed, offset, scene, index);
      }
    });
    context.restore();
    this.#axis(scene.view);
  }

  #colour(name: string): string {
    const known = this.#colours.get(name);
    if (known !== undefined) return known;
    const colour = getComputedStyle(this.#canvas).getPropertyValue(`--${name}`).trim();
    this.#colours.set(name, colour);
    return colour;
  }

  #x(view: View, time: number): number {
    return ((time - view.from) / view.span) * this.#width;
  }

  /** Moments on the axis that are in view, with the step between them. */
  #ticks(view: View): { times: number[]; step: number } {
    const step = tickStep(view.span, Math.max(this.#width / 110, 2));
    const first = Math.ceil(view.from / step);
    const count = Math.floor(view.to / step) - first + 1;
    return { times: Array.from({ length: count }, (_, at) => (first + at) * step), step };
  }

  #grid(view: View): void {
    this.#context.fillStyle = this.#colour('line');
    for (const time of this.#ticks(view).times) {
      this.#context.fillRect(Math.round(this.#x(view, time)), AXIS_HEIGHT, 1, this.#height);
    }
  }

  #axis(view: View): void {
    const context = this.#context;
    context.fillStyle = this.#colour('line');
    context.fillRect(0, AXIS_HEIGHT - 1, this.#width, 1);
    context.fillStyle = this.#colour('muted');
    const { times, step } = this.#ticks(view);
    for (const time of times) {
      const text = tickText(time, step);
      const x = Math.round(this.#x(view, time));
      context.fillRect(x, AXIS_HEIGHT - 6, 1, 5);
      const width = context.measureText(text).width;
      if (x + 4 + width <= this.#width) context.fillText(text, x + 4, AXIS_HEIGHT / 2);
    }
  }

  #lane(placed: PlacedLane, offset: number, { view, selected, current }: Scene, index: number): void {
    const context = this.#context;
    const { lane, groupTop, top, barTop } = placed;
    const y = barTop + offset;
    if (groupTop !== undefined) {
      context.fillStyle = this.#colour('ink');
      context.font = `600 ${FONT}`;
      context.fillText(lane.group, 6, groupTop + offset + 14);
      context.font = FONT;
    }
    context.globalAlpha = 0.6; // the grid shines through
    context.fillStyle = this.#colour('grid');
    context.fillRect(0, y, this.#width, BAR_HEIGHT);
    context.globalAlpha = 1;
    this.#bar(placed, y, view);
    for (const marks of lane.marks) this.#marks(marks, y, view);
    const title = `${index === current ? '▸ ' : ''}${lane.title}`;
    context.fillStyle = this.#colour('card');
    context.fillRect(3, top + offset + 1, context.measureText(title).width + 7, 16);
    context.fillStyle = this.#colour(index === current ? 'accent' : 'muted');
    context.fillText(title, 6, top + offset + 9);
    if (selected?.lane === index)
      this.#outline(lane.slices.start(selected.slice), lane.slices.end(selected.slice), y, view);
  }

  #bar({ lane }: PlacedLane, y: number, view: View): void {
    const { slices } = lane;
    const context = this.#context;
    const dot = 1 / this.#scale;
    context.fillStyle = this.#colour(lane.colour);
    let at = slices.firstEndingAfter(view.from);
    while (at < slices.length && slices.start(at) < view.to) {
      const left = Math.max(this.#x(view, slices.start(at)), 0);
      const right = Math.min(this.#x(view, slices.end(at)), this.#width);
      if (right - left >= NARROW * dot) {
        // A dot between neighbours, where there is room for one.
        context.fillRect(left, y, right - left - (right - left > 5 * dot ? dot : 0), BAR_HEIGHT);
        if (right - left >= LEAST_LABEL) this.#label(lane.label(at), lane.colour, left, right, y);
        at++;
        continue;
      }
      const column = Math.floor(left / dot);
      const until = view.from + (((column + 1) * dot) / this.#width) * view.span;
      const share = slices.coverage(view.from + ((column * dot) / this.#width) * view.span, until);
      const height = Math.max(share * BAR_HEIGHT, 2);
      context.fillRect(column * dot, y + BAR_HEIGHT - height, dot, height);
      at = Math.max(slices.firstFrom(until), at + 1);
    }
  }

  #label(text: string, colour: Colour, left: number, right: number, y: number): void {
    const context = this.#context;
    const room = right - left - 9;
    let shown = text;
    if (context.measureText(text).width > room) {
      const most = Math.floor((text.length * room) / context.measureText(text).width) - 1;
      if (most < 2) return;
      shown = `${text.slice(0, most)}…`;
    }
    context.fillStyle = this.#colour(`on-${colour}`);
    context.fillText(shown, left + 4, y + BAR_HEIGHT / 2 + 0.5);
    context.fillStyle = this.#colour(colour);
  }

  /** Those that would touch one another are a dash together. */
  #marks({ glyph, times }: Marks, y: number, view: View): void {
    this.#context.fillStyle = this.#colour(isMark(glyph) ? 'mark' : 'ink');
    this.#context.strokeStyle = this.#context.fillStyle;
    const apart = (view.span / this.#width) * 7;
    for (let at = lowerBound(times, view.from, false); at < times.length; ) {
      const time = times[at] ?? Number.POSITIVE_INFINITY;
      if (time > view.to) return;
      const next = lowerBound(times, time + apart, false);
      if (next === at + 1 || glyph === '×') this.#glyph(glyph, this.#x(view, time), y);
      else this.#dash(glyph, this.#x(view, time), y);
      at = next;
    }
  }

  #dash(glyph: Marks['glyph'], x: number, y: number): void {
    const [offset, height] = glyph === '▼' ? [-6, 2] : glyph === '▲' ? [BAR_HEIGHT + 3, 2] : [BAR_HEIGHT + 7, 1];
    this.#context.fillRect(x, y + offset, 5, height);
  }

  #glyph(glyph: Marks['glyph'], x: number, y: number): void {
    const context = this.#context;
    context.beginPath();
    if (glyph === '▼') {
      context.moveTo(x - 4, y - 8);
      context.lineTo(x + 4, y - 8);
      context.lineTo(x, y - 1);
    } else if (glyph === '×') {
      for (const side of [-4, 4]) {
        context.moveTo(x - side, y + 6);
        context.lineTo(x + side, y + 14);
      }
      context.lineWidth = 2;
      context.stroke();
      return;
    } else {
      const bottom = y + BAR_HEIGHT + MARK_HEIGHT - 1;
      context.moveTo(x - 3.5, bottom);
      context.lineTo(x + 3.5, bottom);
      context.lineTo(x, y + BAR_HEIGHT + 2);
    }
    context.closePath();
    context.lineWidth = 1;
    if (glyph === '△') context.stroke();
    else context.fill();
  }

  #outline(start: number, end: number, y: number, view: View): void {
    const left = Math.max(this.#x(view, start), -4);
    const right = Math.min(this.#x(view, end), this.#width + 4);
    if (right < 0 || left > this.#width) return;
    const width = Math.max(right - left, 3);
    this.#context.lineWidth = 2;
    this.#context.strokeStyle = this.#colour('card');
    this.#context.strokeRect(left - 1, y - 1, width + 2, BAR_HEIGHT + 2);
    this.#context.strokeStyle = this.#colour('ink');
    this.#context.strokeRect(left - 2, y - 2, width + 4, BAR_HEIGHT + 4);
  }
}

const UNITS = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
  ['ns', 1],
] as const;

/** "1.25 ms": as many digits as tell one step from the next. */
function tickText(time: number, step: number): string {
  const [unit, size] = UNITS.find(([, least]) => Math.max(time, step) >= least) ?? (['ns', 1] as const);
  const digits = Math.max(Math.ceil(Math.log10(size / step) - 1e-9), 0);
  return `${(time / size).toFixed(digits)} ${unit}`;
}
