import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ScreenCell, TextScreen } from '../../../src/machine/screen.js';
import { FONT_BYTES, screenPng } from '../../../src/machine/screen-png.js';
import { fontIn } from '../../../src/setup/font.js';
import { thrownBy } from '../boot/bzimage.js';

/** Reads a PNG of 4 bits a dot without filters, as strict as it is small. */
function decoded(png: Uint8Array) {
  const bytes = Buffer.from(png);
  expect(bytes.toString('latin1', 0, 8)).toBe('\x89PNG\r\n\x1a\n');
  const chunks = new Map<string, Buffer>();
  let at = 8;
  while (at < bytes.length) {
    const end = at + 8 + bytes.readUInt32BE(at);
    expect(bytes.readUInt32BE(end)).toBe(zlib.crc32(bytes.subarray(at + 4, end)));
    chunks.set(bytes.toString('latin1', at + 4, at + 8), bytes.subarray(at + 8, end));
    at = end + 4;
  }
  expect([...chunks.keys()]).toEqual(['IHDR', 'PLTE', 'IDAT', 'IEND']);
  const [header, palette, data] = ['IHDR', 'PLTE', 'IDAT'].map((type) => chunks.get(type) ?? Buffer.alloc(0));
  const [width, height] = [header?.readUInt32BE(0) ?? 0, header?.readUInt32BE(4) ?? 0];
  expect([...(header?.subarray(8) ?? [])]).toEqual([4, 3, 0, 0, 0]);
  const lines = zlib.inflateSync(data ?? Buffer.alloc(0));
  expect(lines.length).toBe(height * (1 + width / 2));
  const dot = (x: number, y: number) => {
    const pair = lines[y * (1 + width / 2) + 1 + (x >> 1)] ?? 0;
    const colour = x % 2 === 0 ? pair >> 4 : pair & 0xf;
    return palette?.subarray(3 * colour, 3 * colour + 3).toString('hex');
  };
  return { width, height, dot };
}

const BLANK: ScreenCell = { code: 0x20, character: ' ', foreground: 7, background: 0, blink: false };
/** A blank screen but for one cell. */
function screenWith(row: number, column: number, cell: Partial<ScreenCell>, cursor?: TextScreen['cursor']): TextScreen {
  const rows = Array.from({ length: 25 }, () => new Array<ScreenCell>(80).fill(BLANK));
  rows[row]?.splice(column, 1, { ...BLANK, ...cell });
  return { rows, text: '', cursor };
}

/** Code 0xc4 and 0x41 have their second line lit at both ends. */
const font = new Uint8Array(FONT_BYTES);
for (const code of [0x41, 0xc4]) font[16 * code + 1] = 0x81;
const [BLACK, GREY, RED, YELLOW, BROWN] = ['000000', 'aaaaaa', 'aa0000', 'ffff55', 'aa5500'];

describe('a picture of the screen', () => {
  it('has 720 by 400 dots, nine for each eight of the font', () => {
    const { width, height, dot } = decoded(
      screenPng(screenWith(24, 79, { code: 0x41, foreground: 14, background: 4 }), font),
    );
    expect([width, height]).toEqual([720, 400]);
    const line = Array.from({ length: 9 }, (_, x) => dot(711 + x, 385));
    expect(line).toEqual([YELLOW, RED, RED, RED, RED, RED, RED, YELLOW, RED]);
    expect([dot(711, 384), dot(710, 385), dot(0, 0)]).toEqual([RED, BLACK, BLACK]);
  });

  it('continues line graphics in the ninth dot, and has brown in place of dark yellow', () => {
    const { dot } = decoded(screenPng(screenWith(0, 0, { code: 0xc4, foreground: 6 }), font));
    expect([0, 1, 7, 8, 9].map((x) => dot(x, 1))).toEqual([BROWN, BLACK, BROWN, BROWN, BLACK]);
  });

  it('has the cursor, in the colour of its character', () => {
    const cursor = { row: 1, column: 2, firstLine: 13, lastLine: 14 };
    const { dot } = decoded(screenPng(screenWith(0, 0, {}, cursor), font));
    expect([12, 13, 14, 15].map((line) => dot(18, 16 + line))).toEqual([BLACK, GREY, GREY, BLACK]);
    expect([17, 18, 26, 27].map((x) => dot(x, 29))).toEqual([BLACK, GREY, GREY, BLACK]);
  });

  it('refuses a font of another size', () => {
    const error = thrownBy(() => screenPng(screenWith(0, 0, {}), new Uint8Array(2048)));
    expect(error).toMatchObject({ code: 'OPTION_INVALID', kind: 'input' });
  });
});

describe("a VGA BIOS' font", () => {
  const face = [0, 0, 0x7e, 0x81, 0xa5, 0x81, 0x81, 0xbd, 0x99, 0x81, 0x81, 0x7e, 0, 0, 0, 0];
  const begins = [...new Array<number>(16).fill(0), ...face];

  it('is found by its first two characters, and is whole or not there', () => {
    const rom = Buffer.alloc(0x2000, 0xcc);
    rom.set(begins, 0x123);
    expect(fontIn(rom)).toEqual(new Uint8Array(rom.subarray(0x123, 0x123 + FONT_BYTES)));
    expect(fontIn(rom.subarray(0, 0x1000))).toBeUndefined();
    expect(fontIn(rom.subarray(0x200))).toBeUndefined();
  });
});
