import { expect, it } from 'vitest';
import { sizeReport } from '../../../src/cli/key-input.js';
import { SizeFilter } from '../../../src/cli/size-filter.js';

it.each([[[0, 100]], [[0, 7, 8, 9, 10, 11, 12, 13, 14, 100]]])(
  'the terminal’s size is taken out of what is typed, in pieces cut at %o',
  async (cuts) => {
    const typed = `a\x1b[A${sizeReport({ rows: 40, columns: 132 })}b\x1b`;
    const sizes: unknown[] = [];
    const filter = new SizeFilter((size) => sizes.push(size));
    for (const [i, cut] of cuts.slice(1).entries()) filter.write(typed.slice(cuts[i], cut));
    filter.end();
    const passed: Buffer[] = await filter.toArray();
    expect([Buffer.concat(passed).toString(), sizes]).toEqual(['a\x1b[Ab\x1b', [{ rows: 40, columns: 132 }]]);
  },
);
