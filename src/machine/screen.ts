import type { TextView } from '../devices/vga.js';
import type { GuestMemory } from '../memory/guest-memory.js';

export const SCREEN_COLUMNS = 80;
export const SCREEN_ROWS = 25;
/** A character's code and its attribute. */
const ROW_BYTES = SCREEN_COLUMNS * 2;
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
  /** Undefined while it is off or not on the screen. */
  readonly cursor: ScreenCursor | undefined;
  /** The characters: a line for each row, without the blanks at its end. */
  readonly text: string;
}

/** Reads what a VGA in text mode shows. Rows that are as they were are the same objects, so that looking often is cheap. */
export class ScreenReader {
  readonly #bytes = new Uint8Array(SCREEN_ROWS * ROW_BYTES);
  readonly #before = new Uint8Array(SCREEN_ROWS * ROW_BYTES);
  #last: Snapshot | undefined;
  #blinked = false;

  constructor(private readonly memory: GuestMemory) {}

  /** All that `view` holds is the guest's. */
  read(view: TextView): TextScreen {
    this.#before.set(this.#bytes);
    this.#readCharacters(view.start);
    const known = this.#blinked === view.blinks ? this.#last?.rows : undefined;
    const rows = Array.from({ length: SCREEN_ROWS }, (_, row) => {
      const start = row * ROW_BYTES;
      const bytes = this.#bytes.subarray(start, start + ROW_BYTES);
      const same = known !== undefined && Buffer.compare(bytes, this.#before.subarray(start, start + ROW_BYTES)) === 0;
      return (same ? known[row] : undefined) ?? cellsOf(bytes, view.blinks);
    });
    this.#blinked = view.blinks;
    this.#last = new Snapshot(rows, cursorOf(view));
    return this.#last;
  }

  /** Text memory goes on at its start. */
  #readCharacters(start: number): void {
    const first = 2 * wrapped(start);
    const count = Math.min(this.#bytes.length, 2 * TEXT_CHARACTERS - first);
    this.memory.read(TEXT_MEMORY + first, this.#bytes.subarray(0, count));
    this.memory.read(TEXT_MEMORY, this.#bytes.subarray(count));
  }
}

class Snapshot implements TextScreen {
  constructor(
    readonly rows: TextScreen['rows'],
    readonly cursor: ScreenCursor | undefined,
  ) {}

  get text(): string {
    return this.rows.map((row) => `${textOf(row).trimEnd()}\n`).join('');
  }
}

const wrapped = (place: number): number => place & (TEXT_CHARACTERS - 1);
const textOf = (row: readonly ScreenCell[]): string => row.map(({ character }) => character).join('');

const cellsOf = (bytes: Uint8Array, blinks: boolean): readonly ScreenCell[] =>
  Array.from({ length: SCREEN_COLUMNS }, (_, column) =>
    cellOf(bytes[2 * column] ?? 0, bytes[2 * column + 1] ?? 0, blinks),
  );

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
