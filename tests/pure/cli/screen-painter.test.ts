import { describe, expect, it } from 'vitest';
import { ScreenPainter } from '../../../src/cli/screen-painter.js';
import type { TextScreen } from '../../../src/machine/screen.js';

interface Written {
  readonly [row: number]: string;
}

/** A screen with texts in some rows, light grey on black. */
function screenWith(written: Written, cursor?: { row: number; column: number }, attributes = {}): TextScreen {
  const rows = Array.from({ length: 25 }, (_, row) =>
    [...(written[row] ?? '').padEnd(80)].map((character) => ({
      code: character.charCodeAt(0),
      character,
      foreground: 7,
      background: 0,
      blink: false,
      ...attributes,
    })),
  );
  return { rows, text: '', cursor: cursor && { ...cursor, firstLine: 13, lastLine: 14 } };
}

const ESCAPE = '\x1b';
/** A control sequence, or a character. */
const PIECES = new RegExp(`${ESCAPE}\\[([?0-9;]*)([A-Za-z])|(.)`, 'gs');

/** What a terminal shows: of the control sequences, those that a painter sends. */
class Terminal {
  readonly lines: string[];
  cursor = '';
  #row = 0;
  #column = 0;

  constructor(readonly size: { rows: number; columns: number }) {
    this.lines = Array.from({ length: size.rows }, () => '?'.repeat(size.columns));
  }

  take(bytes: string): void {
    for (const [, parameters = '', last, character] of bytes.matchAll(PIECES)) {
      if (character !== undefined) this.#put(character);
      else this.#control(parameters, last ?? '');
    }
  }

  get text(): string[] {
    return this.lines.map((line) => line.trimEnd());
  }

  #control(parameters: string, last: string): void {
    const [row = 1, column = 1] = parameters.split(';').map(Number);
    if (last === 'H') [this.#row, this.#column] = [row - 1, column - 1];
    else if (last === 'K') this.#put(' '.repeat(this.size.columns - this.#column), false);
    else if (last === 'h') this.cursor = `${this.#row},${this.#column}`;
    else if (last === 'l') this.cursor = 'hidden';
    else if (last !== 'm') throw new Error(`unexpected: ${last}`);
  }

  #put(text: string, moves = true): void {
    const line = this.lines[this.#row] ?? '';
    if (this.#column + text.length > this.size.columns) throw new Error('beyond the right edge');
    this.lines[this.#row] = line.slice(0, this.#column) + text + line.slice(this.#column + text.length);
    if (moves) this.#column += text.length;
  }
}

describe('a screen on a terminal', () => {
  it('fills its place, and leaves the rest of a large terminal empty', () => {
    const terminal = new Terminal({ rows: 30, columns: 100 });
    terminal.take(
      new ScreenPainter().paint(screenWith({ 0: 'top', 24: 'bottom' }, { row: 24, column: 6 }), terminal.size),
    );
    expect(terminal.text).toEqual(['top', ...Array(23).fill(''), 'bottom', ...Array(5).fill('')]);
    expect(terminal.cursor).toBe('24,6');
  });

  it('sends rows that changed, and nothing where none did', () => {
    const painter = new ScreenPainter();
    const size = { rows: 25, columns: 80 };
    const terminal = new Terminal(size);
    terminal.take(painter.paint(screenWith({ 3: 'three' }), size));
    expect(painter.paint(screenWith({ 3: 'three' }), size)).toBe('');
    const change = painter.paint(screenWith({ 3: 'three', 5: 'five' }), size);
    expect(change).toContain('five');
    expect(change).not.toContain('three');
    terminal.take(change);
    expect(terminal.text.slice(3, 6)).toEqual(['three', '', 'five']);
    terminal.take(painter.paint(screenWith({ 3: 'three', 5: 'five' }, { row: 0, column: 2 }), size));
    expect(terminal.cursor).toBe('0,2');
    painter.forget();
    expect(painter.paint(screenWith({ 3: 'three' }), size)).toContain('three');
  });

  it('is cut at the right of a narrow terminal', () => {
    const terminal = new Terminal({ rows: 25, columns: 60 });
    const wide = screenWith({ 0: `${'x'.repeat(59)}yz` }, { row: 0, column: 60 });
    terminal.take(new ScreenPainter().paint(wide, terminal.size));
    expect([terminal.lines[0], terminal.cursor]).toEqual([`${'x'.repeat(59)}y`, 'hidden']);
  });

  it('shows the rows around the cursor where a terminal is low', () => {
    const painter = new ScreenPainter();
    const terminal = new Terminal({ rows: 3, columns: 80 });
    const rows = Object.fromEntries(Array.from({ length: 25 }, (_, row) => [row, `row ${row}`]));
    const shown = (row?: number) => {
      terminal.take(painter.paint(screenWith(rows, row === undefined ? undefined : { row, column: 0 }), terminal.size));
      return [...terminal.text, terminal.cursor];
    };
    expect(shown(0)).toEqual(['row 0', 'row 1', 'row 2', '0,0']);
    expect(shown(24)).toEqual(['row 22', 'row 23', 'row 24', '2,0']);
    expect(shown(23)).toEqual(['row 22', 'row 23', 'row 24', '1,0']);
    expect(shown(10)).toEqual(['row 10', 'row 11', 'row 12', '0,0']);
    expect(shown()).toEqual(['row 10', 'row 11', 'row 12', 'hidden']);
    terminal.take(painter.paint(screenWith(rows, { row: 12, column: 0 }), { rows: 1, columns: 80 }));
    expect(terminal.text[0]).toBe('row 12');
  });

  it('has a note in the last row while there is one', () => {
    const painter = new ScreenPainter();
    const terminal = new Terminal({ rows: 2, columns: 10 });
    const screen = screenWith({ 0: 'one', 1: 'two' });
    terminal.take(painter.paint(screen, terminal.size, 'a note that is too long'));
    expect(terminal.text).toEqual(['one', 'a note tha']);
    terminal.take(painter.paint(screen, terminal.size));
    expect(terminal.text).toEqual(['one', 'two']);
  });

  it('has 16 colours and blinks', () => {
    const colours = (attributes: object) =>
      new ScreenPainter().paint(screenWith({ 0: 'x' }, undefined, attributes), { rows: 1, columns: 1 });
    expect(colours({ foreground: 1, background: 4 })).toContain('\x1b[0;34;41mx');
    expect(colours({ foreground: 12, background: 14, blink: true })).toContain('\x1b[0;91;103;5mx');
  });
});
