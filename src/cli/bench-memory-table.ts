/** What `vmlaunch bench memory` has measured, for people. */
import { EVENTS, PAGES } from '../bench/memory/counters.js';
import type { BenchEngine, BenchResult } from '../bench/result.js';
import { padEnd, padStart, wrap } from '../trace/printf/columns.js';
import { benchTable, type TableOptions } from './bench-table.js';
import { Pen } from './pen.js';
import { printable } from './printable.js';

const WIDTH = 80;
const NAME = 15;
const COUNTER = 10;
/** Of a counter that only rises, for an iteration. */
const DIGITS = 2;

const WORDS = [
  'EPT (Intel) and NPT (AMD) are a second set of page tables, which the processor walks by itself: from guest-physical ' +
    'addresses to the host’s. Shadow paging does without: KVM keeps tables that lead from the guest’s linear addresses ' +
    'straight to the host’s, and changes them as the guest changes its own.',
  'first-touch: with either a page that nobody has touched is a fault that KVM takes, and gets memory for. With 2 MiB ' +
    'behind it, that is one for 512 pages.',
  'churn: with EPT or NPT the guest changes its tables without an exit. With shadow paging INVLPG is an exit, what was ' +
    'changed has to be found, and the access faults. That is what EPT saves.',
  'stride: a miss of the TLB costs up to 4 references to memory with shadow paging, and up to 24 with EPT or NPT, as each ' +
    'address in the guest’s tables is walked too: 5 walks of 4, and the 4 entries. That is what EPT costs; 2 MiB behind it ' +
    'makes those walks one shorter, and they take less of the TLB.',
];
const COUNTED =
  'On the host vtx a clock counts instructions, which miss no TLB: stride and re-touch show nothing there.';

/** Ends with "\n". */
export function memoryTable(result: BenchResult, options: TableOptions): string {
  const pen = new Pen(options);
  const lines = [
    ...counterLines(result, pen),
    '',
    pen.bold('what it shows'),
    ...[...WORDS, ...hostWords(result)].flatMap((words) => wrap(words, WIDTH)),
  ];
  return `${benchTable(result, options)}${pen.plain(lines.join('\n'))}\n`;
}

function hostWords({ host, unit, engines }: BenchResult): string[] {
  return [
    ...(unit === 'instructions' ? [COUNTED] : []),
    ...(host.kind === 'local' ? [] : [`The two ways of paging are of two hosts ${host.kind}, one after the other.`]),
    ...engines.filter(hasNoLargePage).map(({ name }) => `! ${name}: KVM mapped no page of 2 MiB, so it is 4 KiB too.`),
  ];
}

const LARGE = '2 MiB';

function hasNoLargePage({ name, counters }: BenchEngine): boolean {
  return (
    name.endsWith(LARGE) &&
    counters !== undefined &&
    Object.values(counters).every(({ pages_2m = 0 }) => pages_2m === 0)
  );
}

function counterLines({ workloads, engines }: BenchResult, pen: Pen): string[] {
  const counted = engines.filter(({ counters }) => counters !== undefined);
  if (counted.length === 0) return ['', 'This KVM has no counters to read.'];
  const head = [...EVENTS, ...PAGES].map((name) => padStart(name, name.length < COUNTER ? COUNTER : name.length + 2));
  const row = ({ name, counters = {} }: BenchEngine, workload: string): string[] => {
    const values = counters[workload];
    if (values === undefined) return [];
    const cells = [
      ...EVENTS.map((event) => values[event]?.toFixed(DIGITS)),
      ...PAGES.map((pages) => values[pages]?.toString()),
    ];
    const text = cells.map((cell, at) => padStart(cell ?? '–', head[at]?.length ?? 0));
    return [`  ${padEnd(printable(name), NAME - 2)}${text.join('')}`];
  };
  return [
    '',
    pen.bold("KVM's own counters, for an iteration; the pages are those mapped at the end"),
    pen.dim(`${' '.repeat(NAME)}${head.join('')}`),
    ...workloads.flatMap(({ name }) => {
      const rows = counted.flatMap((engine) => row(engine, name));
      return rows.length === 0 ? [] : [pen.bold(name), ...rows];
    }),
  ];
}
