import zlib from 'node:zlib';
import { VmError } from '../errors.js';
import { SCREEN_COLUMNS, SCREEN_ROWS, type TextScreen } from './screen.js';

/** A VGA's characters are 8 dots wide in the font, and 9 on the screen. */
const CELL_WIDTH = 9;
const CELL_HEIGHT = 16;
const WIDTH = SCREEN_COLUMNS * CELL_WIDTH;
const HEIGHT = SCREEN_ROWS * CELL_HEIGHT;
/** Bytes of a font: a scan line each, the leftmost dot in bit 7. */
export const FONT_BYTES = 256 * CELL_HEIGHT;
/** Horizontal lines of these characters go on in the ninth dot (VGA, attribute mode control, bit 2). */
const LINE_GRAPHICS = { first: 0xc0, last: 0xdf } as const;

const DARK = 0xaa;
const LIGHT = 0x55;
/** VGA's 16 colours, as a BIOS sets them: red, green, blue. */
const PALETTE = Uint8Array.from(
  Array.from({ length: 16 }, (_, colour) => {
    const bright = (colour & 8) === 0 ? 0 : LIGHT;
    const part = (bit: number) => ((colour & bit) === 0 ? 0 : DARK) + bright;
    const brown = [DARK, LIGHT, 0];
    return colour === 6 ? brown : [part(4), part(2), part(1)];
  }).flat(),
);

/** PNG specification, third edition: section 11. */
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BIT_DEPTH = 4;
const COLOUR_TYPE_PALETTE = 3;
const FILTER_NONE = 0;

/**
 * A picture of a text screen, 720 by 400 dots, as a PNG file. What blinks is shown.
 * @param font 4096 bytes: 16 scan lines of 8 dots for each of 256 characters
 * @throws VmError OPTION_INVALID where the font has another size
 */
export function screenPng(screen: TextScreen, font: Uint8Array): Uint8Array {
  if (font.length !== FONT_BYTES) {
    throw new VmError('OPTION_INVALID', `a font of 8 by 16 dots has ${FONT_BYTES} bytes, not ${font.length}`);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  header.set([BIT_DEPTH, COLOUR_TYPE_PALETTE], 8); // deflate, the standard filters and no interlace are all 0
  return Buffer.concat([
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', header),
    chunk('PLTE', PALETTE),
    chunk('IDAT', zlib.deflateSync(scanLines(dotsOf(screen, font)))),
    chunk('IEND', new Uint8Array()),
  ]);
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(zlib.crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/** Two dots a byte, the left one in the high bits, and a filter's number before each line. */
function scanLines(dots: Uint8Array): Uint8Array {
  const lineBytes = 1 + WIDTH / 2;
  const lines = new Uint8Array(HEIGHT * lineBytes).fill(FILTER_NONE);
  dots.forEach((colour, i) => {
    const x = i % WIDTH;
    const at = Math.floor(i / WIDTH) * lineBytes + 1 + (x >> 1);
    lines[at] = (lines[at] ?? 0) | (colour << (x % 2 === 0 ? 4 : 0));
  });
  return lines;
}

/** A colour for each dot. */
function dotsOf({ rows, cursor }: TextScreen, font: Uint8Array): Uint8Array {
  const dots = new Uint8Array(WIDTH * HEIGHT);
  rows.forEach((cells, row) => {
    cells.forEach(({ code, foreground, background }, column) => {
      const isCursor = cursor?.row === row && cursor.column === column;
      for (let line = 0; line < CELL_HEIGHT; line++) {
        const solid = isCursor && line >= cursor.firstLine && line <= cursor.lastLine;
        const lit = solid ? -1 : litDots(code, font[code * CELL_HEIGHT + line] ?? 0);
        const at = (row * CELL_HEIGHT + line) * WIDTH + column * CELL_WIDTH;
        for (let x = 0; x < CELL_WIDTH; x++) dots[at + x] = (lit >> (CELL_WIDTH - 1 - x)) & 1 ? foreground : background;
      }
    });
  });
  return dots;
}

/** The nine dots of a character's scan line, the leftmost in bit 8. */
function litDots(code: number, bits: number): number {
  const goesOn = code >= LINE_GRAPHICS.first && code <= LINE_GRAPHICS.last;
  return (bits << 1) | (goesOn ? bits & 1 : 0);
}
