import { duration } from '../html/format.js';
import { padEnd, padStart, widthOf } from './columns.js';
import type { PrintfVariant } from './result.js';
import type { Words } from './words.js';

/** The variants' titles of columns and their cells: the first says which it is, the others are numbers. */
export function variantCells(variants: readonly PrintfVariant[], words: Words): readonly (readonly string[])[] {
  const { source, exits, hardware, syscalls, in: polls, out, outExits, time, ratio } = words.variantColumns;
  return [
    ['', source, exits, hardware, syscalls, polls, out, outExits, time, ratio],
    ...variants.map((variant) => [
      words.way(variant),
      String(variant.expectedExits),
      String(variant.exits),
      variant.hardwareExits === null ? '–' : String(variant.hardwareExits),
      String(variant.syscalls),
      String(variant.polls),
      String(variant.outInstructions),
      String(variant.outExits),
      duration(variant.ns),
      variant.ratio.toFixed(2),
    ]),
  ];
}

/** The same as lines of text. */
export function variantTable(variants: readonly PrintfVariant[], words: Words): string[] {
  const rows = variantCells(variants, words);
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => widthOf(row[at] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? padEnd(cell, widths[at] ?? 0) : padStart(cell, (widths[at] ?? 0) + 1)))
      .join('')
      .trimEnd(),
  );
}
