import { duration, moment } from '../format.js';
import { button, element } from './dom.js';
import { type Gestures, listen } from './input.js';
import { GLYPHS, isMark, type Lane, type PlacedLane, place } from './lane.js';
import { AXIS_HEIGHT, Painter } from './painter.js';
import { View } from './view.js';

export interface Selection {
  /** Indexes of the lane, and of the slice in it. */
  readonly lane: number;
  readonly slice: number;
}

export interface TimelineOptions {
  readonly lanes: readonly Lane[];
  /** What the chart is, for who does not see it. */
  readonly label: string;
  /** A slice was chosen. @param wantsDetail by Enter: the detail should take the focus */
  onSelect(selection: Selection, wantsDetail: boolean): void;
  /** Another stretch of time is in view. */
  onView(view: View): void;
}

const ZOOM = 0.6;
const REACH = 8;
const KEYS: readonly (readonly [keys: string, words: string])[] = [
  ['← →', 'pan'],
  ['+ −', 'zoom'],
  ['0', 'the whole run'],
  ['↑ ↓', 'lane'],
  ['n p', 'next and previous slice'],
  ['Enter', 'its detail'],
  ['Escape', 'back'],
];

/** Lanes of slices over time, on a canvas: by wheel, drag, pinch, buttons and keys. */
export class Timeline {
  readonly view: View;
  readonly #options: TimelineOptions;
  readonly #lanes: readonly PlacedLane[];
  readonly #chart = element('div', { class: 'chart' });
  readonly #canvas = element('canvas', { tabindex: '0', role: 'application', 'aria-describedby': 'timeline-keys' });
  readonly #space = element('div', { class: 'space' });
  readonly #shown = element('span', { class: 'view' });
  readonly #painter = new Painter(this.#canvas);
  #selected: Selection | undefined;
  #current = 0;
  #isDirty = false;

  constructor(host: HTMLElement, options: TimelineOptions) {
    this.#options = options;
    this.#lanes = place(options.lanes);
    const ends = options.lanes.map(({ slices }) => (slices.length === 0 ? 0 : slices.end(slices.length - 1)));
    const starts = options.lanes.flatMap(({ slices }) => (slices.length === 0 ? [] : [slices.start(0)]));
    this.view = new View(Math.min(...starts, ends.length === 0 ? 0 : Math.max(...ends)), Math.max(...ends, 0));
    this.#canvas.setAttribute('aria-label', options.label);
    this.#chart.append(this.#canvas, this.#space);
    host.append(this.#tools(), this.#chart, this.#legend(), keysLine(), fingersLine());
    this.#listen();
  }

  get selected(): Selection | undefined {
    return this.#selected;
  }

  /** Chooses a slice and brings it into view. */
  select(selection: Selection, wantsDetail = false): void {
    const slices = this.#options.lanes[selection.lane]?.slices;
    if (slices === undefined || selection.slice < 0 || selection.slice >= slices.length) return;
    this.#selected = selection;
    this.#current = selection.lane;
    this.view.reveal(slices.start(selection.slice), slices.end(selection.slice));
    this.#scrollTo(selection.lane);
    this.#options.onSelect(selection, wantsDetail);
    this.#changed();
  }

  /** The slice before or after the chosen one, in its lane. */
  step(by: 1 | -1): void {
    if (this.#selected === undefined) this.#selectAt(this.#middle(), false);
    else this.select({ lane: this.#selected.lane, slice: this.#selected.slice + by });
  }

  focus(): void {
    this.#canvas.focus();
  }

  #tools(): HTMLElement {
    const act = (words: string, label: string, action: () => void) =>
      button(words, label, () => {
        action();
        this.#changed();
      });
    const tools = element('div', { class: 'tools', role: 'group', 'aria-label': 'View' });
    tools.append(
      act('−', 'Zoom out', () => this.view.zoom(1 / ZOOM, this.#middle())),
      act('+', 'Zoom in', () => this.view.zoom(ZOOM, this.#middle())),
      act('←', 'Earlier', () => this.view.pan(-0.5)),
      act('→', 'Later', () => this.view.pan(0.5)),
      act('Whole run', 'Whole run', () => this.view.reset()),
      this.#shown,
    );
    return tools;
  }

  #legend(): HTMLElement {
    const list = element('ul', { class: 'legend' });
    const words = new Map(this.#options.lanes.flatMap(({ marks }) => marks).map((marks) => [marks.glyph, marks.words]));
    for (const glyph of GLYPHS.filter((name) => words.has(name))) {
      const item = element('li');
      item.append(element('b', isMark(glyph) ? { class: 'mark' } : {}, glyph), ` ${words.get(glyph) ?? ''}`);
      list.append(item);
    }
    if (words.size > 0) list.append(element('li', {}, 'A dash stands for several marks.'));
    list.append(element('li', {}, 'Where slices are thinner than a dot, the bar’s height is their share of the time.'));
    return list;
  }

  #listen(): void {
    listen(this.#canvas, this.#gestures());
    this.#canvas.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.#key(event.key, event.shiftKey)) return;
      event.preventDefault();
      this.#changed();
    });
    for (const name of ['focus', 'blur']) this.#canvas.addEventListener(name, () => this.#draw());
    this.#chart.addEventListener('scroll', () => this.#draw());
    new ResizeObserver(() => this.#resize()).observe(this.#chart);
    const repaint = () => {
      this.#painter.readColours();
      this.#draw();
    };
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
    const paper = (isPaper: boolean) => {
      document.documentElement.classList.toggle('paper', isPaper);
      this.#painter.readColours();
      this.#paint();
    };
    addEventListener('beforeprint', () => paper(true));
    addEventListener('afterprint', () => paper(false));
  }

  #gestures(): Gestures {
    return {
      zoom: (factor, at) => {
        this.view.zoom(factor, this.view.from + at * this.view.span);
        this.#changed();
      },
      pan: (share) => {
        this.view.pan(share);
        this.#changed();
      },
      click: (x, y) => this.#click(x, y),
      isWhole: () => this.view.isWhole,
    };
  }

  #click(x: number, y: number): void {
    const inLanes = y - AXIS_HEIGHT + this.#chart.scrollTop;
    const lane = this.#lanes.findIndex(({ top, bottom }) => inLanes >= top && inLanes < bottom);
    if (lane < 0) return;
    this.#current = lane;
    const perPixel = this.view.span / this.#painter.width;
    const slice = this.#lanes[lane]?.lane.slices.nearest(this.view.from + x * perPixel, REACH * perPixel) ?? -1;
    if (slice >= 0) this.#choose({ lane, slice });
    this.#changed();
  }

  /** Chooses without moving what is in view: the hand is on it. */
  #choose(selection: Selection): void {
    this.#selected = selection;
    this.#options.onSelect(selection, false);
  }

  /** @returns whether the key means something here */
  #key(key: string, shift: boolean): boolean {
    const far = shift ? 0.5 : 0.1;
    const actions: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.view.pan(-far),
      ArrowRight: () => this.view.pan(far),
      PageUp: () => this.view.pan(-0.9),
      PageDown: () => this.view.pan(0.9),
      ArrowUp: () => this.#changeLane(-1),
      ArrowDown: () => this.#changeLane(1),
      '+': () => this.view.zoom(ZOOM, this.#middle()),
      '=': () => this.view.zoom(ZOOM, this.#middle()),
      '-': () => this.view.zoom(1 / ZOOM, this.#middle()),
      '0': () => this.view.reset(),
      Home: () => this.view.reset(),
      End: () => this.view.moveTo(this.view.wholeTo),
      n: () => this.step(1),
      p: () => this.step(-1),
      Enter: () => this.#enter(),
    };
    const action = Object.hasOwn(actions, key) ? actions[key] : undefined;
    action?.();
    return action !== undefined;
  }

  #enter(): void {
    if (this.#selected !== undefined && this.#isInView(this.#selected)) this.select(this.#selected, true);
    else this.#selectAt(this.#middle(), true);
  }

  /** To another lane; what was chosen goes along, to what is there at that time. */
  #changeLane(by: 1 | -1): void {
    const middle = this.#middle();
    const wasChosen = this.#selected !== undefined && this.#isInView(this.#selected);
    this.#current = Math.min(Math.max(this.#current + by, 0), this.#lanes.length - 1);
    this.#scrollTo(this.#current);
    if (wasChosen) this.#selectAt(middle, false);
  }

  /** The slice of the current lane that is nearest to a moment. */
  #selectAt(time: number, wantsDetail: boolean): void {
    const slices = this.#options.lanes[this.#current]?.slices;
    if (slices === undefined) return;
    this.select({ lane: this.#current, slice: slices.nearest(time, Number.POSITIVE_INFINITY) }, wantsDetail);
  }

  /** The middle of the chosen slice where it is in view, else of the view: zooming keeps it in place. */
  #middle(): number {
    const selected = this.#selected;
    const slices = selected && this.#options.lanes[selected.lane]?.slices;
    if (selected === undefined || slices === undefined || !this.#isInView(selected))
      return (this.view.from + this.view.to) / 2;
    return (
      (Math.max(slices.start(selected.slice), this.view.from) + Math.min(slices.end(selected.slice), this.view.to)) / 2
    );
  }

  #isInView({ lane, slice }: Selection): boolean {
    const slices = this.#options.lanes[lane]?.slices;
    return (
      lane === this.#current &&
      slices !== undefined &&
      slices.start(slice) < this.view.to &&
      slices.end(slice) > this.view.from
    );
  }

  #scrollTo(lane: number): void {
    const placed = this.#lanes[lane];
    if (placed === undefined) return;
    const top = placed.groupTop ?? placed.top;
    const room = this.#chart.clientHeight - AXIS_HEIGHT;
    if (top < this.#chart.scrollTop) this.#chart.scrollTop = top;
    else if (placed.bottom > this.#chart.scrollTop + room) this.#chart.scrollTop = placed.bottom - room;
  }

  #changed(): void {
    const { from, to, span } = this.view;
    this.#shown.textContent = `${moment(from)} to ${moment(to)}: ${duration(span)}`;
    this.#options.onView(this.view);
    this.#draw();
  }

  /** The canvas is as high as what is seen of the chart, and stays in place while the space below it scrolls. */
  #resize(): void {
    const whole = (this.#lanes.at(-1)?.bottom ?? 0) + AXIS_HEIGHT;
    const height = Math.min(whole, Math.floor(innerHeight * 0.7) - 2);
    this.#space.style.height = `${whole - height}px`;
    this.#painter.resize(this.#chart.clientWidth, height, devicePixelRatio);
    this.#changed();
  }

  #draw(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    requestAnimationFrame(() => {
      this.#isDirty = false;
      this.#paint();
    });
  }

  #paint(): void {
    this.#painter.paint({
      view: this.view,
      lanes: this.#lanes,
      scroll: this.#chart.scrollTop,
      selected: this.#selected,
      current: document.activeElement === this.#canvas ? this.#current : undefined,
    });
  }
}

function keysLine(): HTMLElement {
  const line = element('p', { class: 'keys', id: 'timeline-keys' });
  line.append('Keys: ');
  KEYS.forEach(([keys, words], at) => {
    if (at > 0) line.append(', ');
    line.append(element('kbd', {}, keys), ` ${words}`);
  });
  line.append('. Mouse: the wheel zooms, with Shift it pans; drag pans; a click shows a slice’s detail.');
  return line;
}

/** In place of the keys where there are none. */
function fingersLine(): HTMLElement {
  return element('p', { class: 'fingers' }, 'Drag pans, two fingers zoom, a tap shows a slice’s detail.');
}
