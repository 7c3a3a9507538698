import type { ScreenCell, TextScreen } from '../machine/screen.js';
import { HIDE_CURSOR, LinePainter, place } from './line-painter.js';
import type { TerminalSize } from './terminal.js';

const CSI = '\x1b[';
const SHOW_CURSOR = `${CSI}?25h`;

/** ANSI's colours have red in bit 0 and blue in bit 2, VGA's the other way round. */
const ANSI = [0, 4, 2, 6, 1, 5, 3, 7] as const;
const sgrColour = (colour: number, plain: number, bright: number): number =>
  (ANSI[colour & 7] ?? 0) + (colour < 8 ? plain : bright);

/**
 * Draws a text screen on a terminal.
 * A terminal that is too small shows the left of it, and those rows where the cursor is.
 */
export class ScreenPainter {
  readonly #painter = new LinePainter();
  #top = 0;
  /** What each row is on a terminal of so many columns. */
  #lines = new WeakMap<readonly ScreenCell[], string>();
  #columns = 0;

  /** The terminal no longer shows what was drawn. */
  forget(): void {
    this.#painter.forget();
  }

  /**
   * The bytes to send; none where nothing has changed.
   * @param note a line in place of the terminal's last
   */
  paint(screen: TextScreen, { rows, columns }: TerminalSize, note?: string): string {
    this.#follow(screen, rows);
    if (columns !== this.#columns) this.#lines = new WeakMap();
    this.#columns = columns;
    const lines = Array.from({ length: rows }, (_, row) => this.#line(screen.rows[this.#top + row] ?? []));
    return this.#painter.paint(lines, { rows, columns }, this.#cursor(screen, { rows, columns }), note);
  }

  #line(row: readonly ScreenCell[]): string {
    const line = this.#lines.get(row) ?? lineOf(row.slice(0, this.#columns));
    this.#lines.set(row, line);
    return line;
  }

  #cursor({ cursor }: TextScreen, { rows, columns }: TerminalSize): string {
    if (cursor === undefined || cursor.column >= columns || cursor.row - this.#top >= rows) return HIDE_CURSOR;
    return place(cursor.row - this.#top, cursor.column) + SHOW_CURSOR;
  }

  #follow({ rows: all, cursor }: TextScreen, rows: number): void {
    const row = cursor?.row ?? this.#top;
    this.#top = Math.min(Math.max(this.#top, row - rows + 1), row, Math.max(all.length - rows, 0));
  }
}

function lineOf(cells: readonly ScreenCell[]): string {
  let line = '';
  let current = '';
  for (const cell of cells) {
    const attributes = sgr(cell);
    if (attributes !== current) line += attributes;
    current = attributes;
    line += cell.character;
  }
  return line;
}

function sgr({ foreground, background, blink }: ScreenCell): string {
  return `${CSI}0;${sgrColour(foreground, 30, 90)};${sgrColour(background, 40, 100)}${blink ? ';5' : ''}m`;
}
