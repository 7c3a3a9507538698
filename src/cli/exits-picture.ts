import type { ExitsNow, Line, Style } from './exits-view.js';
import { viewLines } from './exits-view.js';
import { HIDE_CURSOR, LinePainter } from './line-painter.js';
import type { Picture } from './live-screen.js';
import type { TerminalSize } from './terminal.js';

/** Four times a second: faster nobody reads numbers. */
const FRAME_MS = 250;

/** Select graphic rendition (ECMA-48, 8.3.117): attributes, which are no colours, and colours. */
const ATTRIBUTES: Readonly<Partial<Record<Style, string>>> = { bold: '1', reverse: '7' };
const COLOURS: Readonly<Partial<Record<Style, string>>> = { guest: '32', inside: '36', kernel: '33', vmlaunch: '35' };

/** The live view as what is drawn on a terminal. */
export class ExitsPicture implements Picture {
  readonly frameMs = FRAME_MS;
  /** Spent on drawing so far. */
  drawingNs = 0;
  readonly #painter = new LinePainter();
  readonly #styles: Readonly<Partial<Record<Style, string>>>;

  constructor(
    private readonly now: () => ExitsNow,
    { colours }: { readonly colours: boolean },
  ) {
    this.#styles = colours ? { ...ATTRIBUTES, ...COLOURS } : ATTRIBUTES;
  }

  paint(size: TerminalSize, note?: string): string {
    const began = performance.now();
    const lines = viewLines(this.now(), size).map((line) => this.#bytesOf(line));
    const bytes = this.#painter.paint(lines, size, HIDE_CURSOR, note);
    this.drawingNs += (performance.now() - began) * 1e6;
    return bytes;
  }

  forget(): void {
    this.#painter.forget();
  }

  #bytesOf(line: Line): string {
    return line
      .map(({ text, style }) => {
        const code = this.#styles[style];
        return code === undefined || text === '' ? text : `\x1b[${code}m${text}\x1b[0m`;
      })
      .join('');
  }
}
