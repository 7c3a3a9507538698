import { describe, expect, it } from 'vitest';
import type { TextView } from '../../../src/devices/vga.js';
import { ScreenReader, type TextScreen } from '../../../src/machine/screen.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';

const TEXT_MEMORY = 0xb8000;
const HOME: TextView = { start: 0, cursor: 0, cursorOn: true, cursorLines: [13, 14], blinks: true };

const memory = (): GuestMemory => {
  const size = 0x100000;
  return new GuestMemory([{ start: 0, size, buffer: new SharedArrayBuffer(size), offset: 0 }]);
};

const readScreen = (from: GuestMemory, view: TextView): TextScreen => new ScreenReader(from).read(view);

/** Writes a text at a place counted in characters. */
function put(to: GuestMemory, place: number, text: string, attribute = 0x07): void {
  to.write(TEXT_MEMORY + 2 * place, Uint8Array.from([...text].flatMap((c) => [c.charCodeAt(0), attribute])));
}

describe('the text screen', () => {
  it('is 25 rows of 80 cells: a line for each, without its last blanks', () => {
    const guest = memory();
    put(guest, 0, 'first  ');
    put(guest, 80 * 24 + 78, 'xy');
    const { rows, text } = readScreen(guest, HOME);
    expect([rows.length, rows.every((row) => row.length === 80)]).toEqual([25, true]);
    expect(text).toBe(`first\n${'\n'.repeat(23)}${' '.repeat(78)}xy\n`);
  });

  it('gives each cell its colours, and blinking or a bright background as the screen is set', () => {
    const guest = memory();
    put(guest, 0, 'a', 0x9e);
    const cell = { code: 0x61, character: 'a', foreground: 14 };
    expect(readScreen(guest, HOME).rows[0]?.[0]).toEqual({ ...cell, background: 1, blink: true });
    const bright = readScreen(guest, { ...HOME, blinks: false });
    expect(bright.rows[0]?.[0]).toEqual({ ...cell, background: 9, blink: false });
  });

  it('shows all of code page 437', () => {
    const guest = memory();
    put(guest, 0, String.fromCharCode(...Array.from({ length: 256 }, (_, code) => code)));
    const shown = readScreen(guest, HOME)
      .rows.flat()
      .slice(0, 256)
      .map(({ character }) => character);
    expect(shown.every((character) => character.length === 1)).toBe(true);
    expect(shown.slice(0x20, 0x7f).join('')).toBe(String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 32 + i)));
    const some = [0x01, 0x1f, 0x7f, 0x80, 0x9b, 0xb0, 0xc4, 0xdb, 0xe1, 0xe4, 0xfb, 0xfe].map((code) => shown[code]);
    expect(some.join('')).toBe('☺▼⌂Ç¢░─█ßΣ√■');
    expect([shown[0x00], shown[0xff]]).toEqual([' ', ' ']);
    expect(new Set(shown).size).toBe(256 - 2);
  });

  it('begins where the CRTC says, and wraps at the end of text memory', () => {
    const guest = memory();
    put(guest, 0x4000 - 2, 'at');
    put(guest, 0, ' the end');
    for (const start of [0x4000 - 2, 0xffff - 1]) {
      expect(readScreen(guest, { ...HOME, start }).text.split('\n')[0]).toBe('at the end');
    }
  });

  it('has a cursor while it is on and on the screen', () => {
    const guest = memory();
    const cursor = (view: Partial<TextView>) => readScreen(guest, { ...HOME, ...view }).cursor;
    expect(cursor({ cursor: 80 * 24 + 79 })).toEqual({ row: 24, column: 79, firstLine: 13, lastLine: 14 });
    expect(cursor({ start: 160, cursor: 241 })).toEqual({ row: 1, column: 1, firstLine: 13, lastLine: 14 });
    expect(cursor({ start: 0x3fff, cursor: 0 })).toEqual({ row: 0, column: 1, firstLine: 13, lastLine: 14 });
    expect(cursor({ start: 0xffff, cursor: 0 })).toEqual({ row: 0, column: 1, firstLine: 13, lastLine: 14 });
    expect(cursor({ cursor: 80 * 25 })).toBeUndefined();
    expect(cursor({ start: 1, cursor: 0 })).toBeUndefined();
    expect(cursor({ cursorOn: false })).toBeUndefined();
    expect(cursor({ cursorLines: [15, 14] })).toBeUndefined();
  });

  it('has the rows of the look before, where they are as they were', () => {
    const guest = memory();
    put(guest, 0, 'same');
    put(guest, 80, 'old');
    const reader = new ScreenReader(guest);
    const before = reader.read(HOME);
    put(guest, 80, 'new');
    const after = reader.read(HOME);
    expect(after.rows.map((row, i) => row === before.rows[i])).toEqual([true, false, ...Array(23).fill(true)]);
    expect([before.text, after.text]).toEqual([`same\nold\n${'\n'.repeat(23)}`, `same\nnew\n${'\n'.repeat(23)}`]);
    const bright = reader.read({ ...HOME, blinks: false });
    expect(bright.rows[0]).not.toBe(after.rows[0]);
    expect(reader.read({ ...HOME, start: 80 }).text).toBe(`new\n${'\n'.repeat(24)}`);
  });
});
