import type { TerminalSize } from './terminal.js';

const CSI = '\x1b[';
const NO_ATTRIBUTES = `${CSI}0m`;
const REVERSE = `${CSI}7m`;
const ERASE_TO_END = `${CSI}K`;
export const HIDE_CURSOR = `${CSI}?25l`;
export const place = (row: number, column: number): string => `${CSI}${row + 1};${column + 1}H`;

/** Draws lines on a terminal with ECMA-48's control sequences: what has changed since, and all after `forget`. */
export class LinePainter {
  #drawn: string[] = [];

  /** The terminal no longer shows what was drawn. */
  forget(): void {
    this.#drawn = [];
  }

  /**
   * The bytes to send; none where nothing has changed.
   * @param lines as many as the terminal has rows, none wider than it but for control sequences
   * @param cursor what puts the cursor in its place
   * @param note a line in place of the terminal's last
   */
  paint(given: readonly string[], { rows, columns }: TerminalSize, cursor: string, note?: string): string {
    const lines = given.map((line, row) =>
      note !== undefined && row === rows - 1 ? `${REVERSE}${note.slice(0, columns)}` : line,
    );
    const changed = lines.flatMap((line, row) =>
      // Erased first: behind a line of the terminal's width that would take its last character.
      line === this.#drawn[row] ? [] : [place(row, 0) + NO_ATTRIBUTES + ERASE_TO_END + line + NO_ATTRIBUTES],
    );
    if (changed.length === 0 && cursor === this.#drawn[rows]) return '';
    this.#drawn = [...lines, cursor];
    return HIDE_CURSOR + changed.join('') + cursor;
  }
}
