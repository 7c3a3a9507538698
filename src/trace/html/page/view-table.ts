import { duration, grouped, moment } from '../format.js';
import { button, element } from './dom.js';
import type { ExitLane } from './exit-lanes.js';
import type { Selection } from './timeline.js';
import type { View } from './view.js';

const ROWS = 50;
const COLUMNS = ['from', 'length', 'what', 'lane'];

/** The slices in view as a table: for who does not see the chart, and for copying. */
export class ViewTable {
  readonly #lanes: readonly ExitLane[];
  readonly #view: View;
  readonly #select: (selection: Selection) => void;
  readonly #details = element('details');
  readonly #body = element('tbody');
  readonly #count = element('p', { class: 'note' });

  constructor(host: HTMLElement, lanes: readonly ExitLane[], view: View, select: (selection: Selection) => void) {
    this.#lanes = lanes;
    this.#view = view;
    this.#select = select;
    const table = element('table');
    const head = element('tr');
    head.append(...COLUMNS.map((name) => element('th', { scope: 'col' }, name)));
    const top = element('thead');
    top.append(head);
    table.append(top, this.#body);
    const scroll = element('div', { class: 'scroll slices' });
    scroll.append(table);
    this.#details.append(element('summary', {}, 'Slices in view as a table'), this.#count, scroll);
    this.#details.addEventListener('toggle', () => this.update());
    host.append(this.#details);
  }

  /** Nothing is done while it is closed. */
  update(): void {
    if (!this.#details.open) return;
    const found = this.#lanes.flatMap((lane, index) => this.#slices(lane, index));
    found.sort((a, b) => a.start - b.start);
    const whole = this.#lanes.reduce((sum, { slices }) => {
      return sum + slices.firstFrom(this.#view.to) - slices.firstEndingAfter(this.#view.from);
    }, 0);
    const shown = found.slice(0, ROWS);
    this.#count.textContent = `The first ${shown.length} of ${grouped(whole)} slices in view.`;
    this.#body.replaceChildren(...shown.map(({ lane, slice }) => this.#row(lane, slice)));
  }

  #slices({ slices }: ExitLane, lane: number): { lane: number; slice: number; start: number }[] {
    const first = slices.firstEndingAfter(this.#view.from);
    const past = Math.min(slices.firstFrom(this.#view.to), first + ROWS);
    return Array.from({ length: Math.max(past - first, 0) }, (_, at) => {
      return { lane, slice: first + at, start: slices.start(first + at) };
    });
  }

  #row(index: number, slice: number): HTMLElement {
    const row = element('tr');
    const lane = this.#lanes[index];
    if (lane === undefined) return row;
    const [start, end] = [lane.slices.start(slice), lane.slices.end(slice)];
    const what = element('td');
    const words = lane.label(slice);
    const choose = button(words, `Detail: ${words}`, () => this.#select({ lane: index, slice }));
    choose.className = 'link';
    what.append(choose);
    row.append(
      element('th', { scope: 'row' }, moment(start)),
      element('td', { class: 'number' }, duration(end - start)),
      what,
      element('td', {}, `${lane.group}, ${lane.title}`),
    );
    return row;
  }
}
