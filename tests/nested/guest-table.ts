/**
 * The table of guests in a Markdown text, between two comments. A row is its cells; the first row is the head. No cell
 * has a `|`.
 */
export type Rows = readonly (readonly string[])[];

const BEGIN = '<!-- The table is written by `npm run test:long`: tests/nested/guest-table.test.ts -->\n\n';
const END = '\n<!-- End of the table. -->';

/** Where the table begins and ends. */
function span(markdown: string): readonly [number, number] {
  const begin = markdown.indexOf(BEGIN) + BEGIN.length;
  const end = markdown.indexOf(END, begin);
  if (begin < BEGIN.length || end < 0) throw new Error('the marks of the table of guests are missing');
  return [begin, end];
}

export function rowsIn(markdown: string): Rows {
  const lines = markdown
    .slice(...span(markdown))
    .trimEnd()
    .split('\n');
  const rows = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return rows.filter((_, index) => index !== 1); // the rule below the head
}

/** The text with this table in place of its own. */
export function withRows(markdown: string, rows: Rows): string {
  const [begin, end] = span(markdown);
  const [head = [], ...body] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |\n`;
  const rule = widths.map((width) => '-'.repeat(width));
  return markdown.slice(0, begin) + [head, rule, ...body].map(line).join('') + markdown.slice(end);
}
