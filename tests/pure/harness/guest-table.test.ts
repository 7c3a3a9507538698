import { describe, expect, it } from 'vitest';
import { rowsIn, withRows } from '../../nested/guest-table.js';

const BEGIN = '<!-- The table is written by `npm run test:long`: tests/nested/guest-table.test.ts -->';
const END = '<!-- End of the table. -->';
const ROWS = [
  ['guest', 'here', '`there`'],
  ['one', '', '"hello", halted'],
  ['another', 'not tried', ''],
];
const TEXT = `before

${BEGIN}

| guest   | here      | \`there\`         |
| ------- | --------- | --------------- |
| one     |           | "hello", halted |
| another | not tried |                 |

${END}
after
`;

describe('the table of guests in a Markdown text', () => {
  it('is read between its marks', () => expect(rowsIn(TEXT)).toEqual(ROWS));

  it('is written in columns, and all around it stays', () => {
    const other = withRows(TEXT, [['guest'], ['two']]);
    expect(other).toBe(`before\n\n${BEGIN}\n\n| guest |\n| ----- |\n| two   |\n\n${END}\nafter\n`);
    expect(withRows(other, ROWS)).toBe(TEXT);
  });

  it('is missed where its marks are', () => {
    expect(() => rowsIn('| guest |')).toThrow('the marks of the table of guests are missing');
    expect(() => rowsIn(`${BEGIN}\n\n| guest |`)).toThrow('missing');
  });
});
