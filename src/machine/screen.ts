import type { TextView } from '../devices/vga.js';
import type { GuestMemory } from '../memory/guest-memory.js';

export const SCREEN_COLUMNS = 80;
export const SCREEN_ROWS = 25;
/** Where a VGA in text mode has its memory, and the characters there: the address counter of the CRTC wraps at its end. */
const TEXT_MEMORY = 0xb8000;
const TEXT_CHARACTERS = 0x4000;

/** What the IBM PC shows for codes below 0x20 and from 0x7f on; between them it is ASCII. Blank: 0x00, 0xff. */
const LOW = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const HIGH =
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ';
/** Unicode by code page 437: one UTF-16 unit each. */
const CODE_PAGE_437: readonly string[] = Array.from({ length: 256 }, (_, code) => {
  if (code < LOW.length) return LOW.charAt(code);
  return code < 0x7f ? String.fromCharCode(code) : HIGH.charAt(code - 0x7f);
});

/** One character of a text screen. Colours are VGA's: 0 black, 1 blue, 2 green, 4 red, their sums, 8 to 15 bright. */
export interface ScreenCell {
  /** Its code in the screen's font, 0 to 255. */
  readonly code: number;
  /** The same in Unicode, by code page 437. */
  readonly character: string;
  readonly foreground: number;
  readonly background: number;
  readonly blink: boolean;
}

/** A place on the screen, counted from 0, and which of the 16 scan lines there are lit. */
export interface ScreenCursor {
  readonly row: number;
  readonly column: number;
  readonly firstLine: number;
  readonly lastLine: number;
}

/** A text screen as it was at one moment. */
export interface TextScreen {
  /** 25 rows of 80 cells. */
  readonly rows: readonly (readonly ScreenCell[])[];
  /** Absent while it is off or not on the screen. */
  readonly cursor?: ScreenCursor;
  /** The characters: a line for each row, without the blanks at its end. */
  readonly text: string;
}

/** Reads what a VGA in text mode shows. All that `view` holds is the guest's. */
export function readScreen(memory: GuestMemory, view: TextView): TextScreen {
  const characters = new Uint8Array(TEXT_CHARACTERS * 2);
  memory.read(TEXT_MEMORY, characters);
  const rows = Array.from({ length: SCREEN_ROWS }, (_row, row) =>
    Array.from({ length: SCREEN_COLUMNS }, (_column, column) => {
      const at = 2 * wrapped(view.start + row * SCREEN_COLUMNS + column);
      return cellOf(characters[at] ?? 0, characters[at + 1] ?? 0, view.blinks);
    }),
  );
  const cursor = cursorOf(view);
  const text = rows.map((row) => `${textOf(row).trimEnd()}\n`).join('');
  return { rows, ...(cursor && { cursor }), text };
}

const wrapped = (place: number): number => place & (TEXT_CHARACTERS - 1);
const textOf = (row: readonly ScreenCell[]): string => row.map(({ character }) => character).join('');

/** Bit 7 is either the cell's blinking or the background's brightness, for the whole screen. */
function cellOf(code: number, attribute: number, blinks: boolean): ScreenCell {
  return {
    code,
    character: CODE_PAGE_437[code] ?? ' ',
    foreground: attribute & 0xf,
    background: (attribute >> 4) & (blinks ? 0x7 : 0xf),
    blink: blinks && (attribute & 0x80) !== 0,
  };
}

function cursorOf({ start, cursor, cursorOn, cursorLines: [firstLine, lastLine] }: TextView): ScreenCursor | undefined {
  const place = wrapped(cursor - start);
  if (!cursorOn || firstLine > lastLine || place >= SCREEN_COLUMNS * SCREEN_ROWS) return undefined;
  return { row: Math.floor(place / SCREEN_COLUMNS), column: place % SCREEN_COLUMNS, firstLine, lastLine };
}
