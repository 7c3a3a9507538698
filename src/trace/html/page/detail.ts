import { button, element } from './dom.js';

/** What is shown of a slice: words that name it, where it is, and what is known, in groups. */
export interface Detail {
  readonly title: string;
  readonly where: string;
  readonly groups: readonly DetailGroup[];
}

export interface DetailGroup {
  readonly title: string;
  readonly rows: readonly DetailRow[];
}

export interface DetailRow {
  readonly name: string;
  readonly value: string;
  /** Addresses, code and numbers of the machine: in letters of one width. */
  readonly isCode?: boolean;
}

/** The panel below the chart, and the line that is read out when another slice is chosen. */
export class DetailPanel {
  readonly #title = element('h3', { tabindex: '-1' }, 'No slice is chosen');
  readonly #where = element('p', { class: 'where' }, 'Click one, or press Enter on the timeline.');
  readonly #groups = element('div', { class: 'groups' });
  readonly #spoken = element('p', { class: 'hidden', role: 'status' });

  /** @param step asked for the slice before or after; @param back asked to go back to the chart */
  constructor(host: HTMLElement, step: (by: 1 | -1) => void, back: () => void) {
    const panel = element('div', { class: 'detail', role: 'region', 'aria-label': 'Detail of the chosen slice' });
    const steps = element('div', { class: 'steps' });
    steps.append(
      button('‹ previous', 'Previous slice of this lane', () => step(-1)),
      button('next ›', 'Next slice of this lane', () => step(1)),
    );
    panel.append(steps, this.#title, this.#where, this.#groups);
    panel.addEventListener('keydown', ({ key }) => {
      if (key === 'Escape') back();
    });
    host.append(panel, this.#spoken);
  }

  show({ title, where, groups }: Detail, takeFocus: boolean): void {
    this.#title.textContent = title;
    this.#where.textContent = where;
    this.#groups.replaceChildren(...groups.map(group));
    this.#spoken.textContent = `${title}. ${where}`;
    if (takeFocus) this.#title.focus();
  }
}

function group({ title, rows }: DetailGroup): HTMLElement {
  const made = element('section');
  const list = element('dl');
  list.append(...rows.map(row));
  made.append(element('h4', {}, title), list);
  return made;
}

function row({ name, value, isCode = false }: DetailRow): HTMLElement {
  const line = element('div');
  line.append(element('dt', {}, name), element('dd', isCode ? { class: 'mono' } : {}, value));
  return line;
}
