/** What `vmlaunch bench memory` has measured, for people. */
import { COUNTERS, COUNTERS_TITLE, type CounterRow, counterRows, NO_COUNTERS } from '../bench/memory/counter-table.js';
import { memoryWords } from '../bench/memory/words.js';
import type { BenchResult } from '../bench/result.js';
import { padEnd, padStart, wrap } from '../trace/printf/columns.js';
import { benchTable, type TableOptions } from './bench-table.js';
import { Pen } from './pen.js';
import { printable } from './printable.js';

const WIDTH = 80;
const NAME = 15;
const COUNTER = 10;

/** Ends with "\n". */
export function memoryTable(result: BenchResult, options: TableOptions): string {
  const pen = new Pen(options);
  const words = memoryWords(result).flatMap((paragraph) => wrap(paragraph, WIDTH));
  const lines = ['', ...counterLines(counterRows(result), pen), '', pen.bold('what it shows'), ...words];
  return `${benchTable(result, options)}${pen.plain(lines.join('\n'))}\n`;
}

function counterLines(rows: readonly CounterRow[], pen: Pen): string[] {
  if (rows.length === 0) return [NO_COUNTERS];
  const head = COUNTERS.map((name) => padStart(name, name.length < COUNTER ? COUNTER : name.length + 2));
  return [
    pen.bold(COUNTERS_TITLE),
    pen.dim(`${' '.repeat(NAME)}${head.join('')}`),
    ...rows.flatMap(({ workload, engine, values }, at) => {
      const text = values.map((value, column) => padStart(value, head[column]?.length ?? 0));
      const row = `  ${padEnd(printable(engine), NAME - 2)}${text.join('')}`;
      return rows[at - 1]?.workload === workload ? [row] : [pen.bold(workload), row];
    }),
  ];
}
