import { describe, expect, it } from 'vitest';
import { ExitsPicture } from '../../../src/cli/exits-picture.js';
import { exitsTable } from '../../../src/cli/exits-table.js';
import { type ExitsNow, viewLines } from '../../../src/cli/exits-view.js';
import { Rates } from '../../../src/cli/rates.js';
import { costRows, type WatchCost } from '../../../src/cli/watch-cost.js';
import { HardwareTally } from '../../../src/trace/hardware-tally.js';
import { Summary } from '../../../src/trace/summary.js';
import { exitEvent, madeUpRun, UART_WRITE } from '../trace/events.js';

const ESC = '\x1b';
const HOSTILE = '\x1b[2J\u202e\u009b31m日本';
const wordsOf = (rip: string) => ({ symbol: rip === '0x100000' ? HOSTILE : 'uart_write+0x10', text: 'out dx,al' });

function madeUp(count: number) {
  const summary = new Summary();
  const hardware = new HardwareTally();
  for (const event of madeUpRun(count, 2)) {
    summary.add(event);
    hardware.add(event);
  }
  return { summary: summary.result(), hardware: hardware.byReason };
}

const NOW: ExitsNow = {
  title: `kernel${HOSTILE}`,
  where: 'vtx, kvm_intel',
  cpus: 2,
  runMs: 62_345,
  ...madeUp(500),
  rates: new Map([['IO', 1234.5]]),
  wordsOf,
  kernelMissing: undefined,
  console: (lines) => ['hello', 'world'].slice(-lines),
};
const NOTHING: ExitsNow = {
  ...NOW,
  title: '',
  summary: new Summary().result(),
  hardware: {},
  rates: new Map(),
  kernelMissing: `none here: ${'x'.repeat(200)}`,
  console: () => [],
};

const textOf = (now: ExitsNow, columns: number, rows: number) =>
  viewLines(now, { columns, rows }).map((line) => line.map(({ text }) => text).join(''));

const SIZES = [
  [80, 24],
  [120, 40],
  [60, 20],
  [200, 60],
  [20, 5],
  [10, 3],
  [1, 1],
] as const;

describe.each(SIZES)('the live view on %i columns and %i rows', (columns, rows) => {
  it.each([
    ['of a machine', NOW],
    ['of one that has made no exit', NOTHING],
  ])('%s fits, and holds nothing that a terminal would obey', (_, now) => {
    const lines = textOf(now, columns, rows);
    expect(lines).toHaveLength(rows);
    for (const line of lines) {
      expect(line.length).toBeLessThanOrEqual(columns);
      expect(line).toMatch(/^[^\p{C}]*$/u);
    }
  });
});

describe('the live view', () => {
  it('shows counts, rates, modes, accesses, instructions and the console', () => {
    const text = textOf(NOW, 80, 24).join('\n');
    for (const part of [
      'vtx, kvm_intel  2 vCPUs',
      '1:02.3 ',
      '1,000 exits, 1,235 a second',
      'CPL at exits, a sample: ring 0',
      '█ guest',
      'IO_INSTRUCTION',
      'out 0x3f8',
      'uart_write+0x10  out dx,al',
      'hello',
    ])
      expect(text).toContain(part);
  });

  it('has room for each kind of table on 60 columns and 20 rows', () => {
    const text = textOf(NOW, 60, 20).join('\n');
    for (const title of ['returns of KVM_RUN', 'hardware exits', 'accesses', 'instructions'])
      expect(text).toContain(title);
  });

  it('has no colours where there are to be none, and draws what changed alone', () => {
    let runMs = 0;
    const picture = (colours: boolean) => new ExitsPicture(() => ({ ...NOW, runMs }), { colours });
    const size = { columns: 80, rows: 24 };
    const colour = new RegExp(`${ESC}\\[3\\d`);
    const places = new RegExp(`${ESC}\\[\\d+;1H`, 'g');
    expect(picture(true).paint(size)).toMatch(colour);
    const plain = picture(false);
    expect(plain.paint(size)).not.toMatch(colour);
    expect(plain.paint(size)).toBe('');
    runMs = 1000;
    expect(plain.paint(size).match(places)).toEqual(['\x1b[1;1H']);
    plain.forget();
    expect(plain.paint(size).match(places)).toHaveLength(24);
    expect(plain.drawingNs).toBeGreaterThan(0);
  });
});

const COST: WatchCost = {
  runNs: 2e9,
  mainThreadNs: 1e8,
  drawingNs: 1e7,
  recorded: 1000,
  traced: 1200,
  recorder: {
    rounds: 16,
    exits: 128,
    plainNs: 32_000,
    recorder: { ns: 2_590, low: 2_500, high: 2_700 },
    kernelTrace: { ns: 400, low: -100, high: 900 },
  },
};

const RESULT = {
  ...NOW,
  end: { lostAtEnd: 0, keptByKvm: 200, continuedByKernel: 0, kernelEventsLost: 0 },
  summary: { ...NOW.summary, kvm: { exits: 1200, userspaceExits: 1000, keptByKvm: 200 } },
  cost: COST,
  leftOutOfTrace: 0,
};

describe('the final table', () => {
  it('has lines of at most 80 columns, and nothing that a terminal would obey', () => {
    const lines = exitsTable(RESULT).split('\n');
    for (const line of lines) {
      expect(line.length, line).toBeLessThanOrEqual(80);
      expect(line).toMatch(/^[^\p{C}]*$/u);
    }
    expect(lines.at(-1)).toBe('');
  });

  const words = (result: Parameters<typeof exitsTable>[0]) => exitsTable(result).replace(/\s+/g, ' ');

  it('holds what was recorded against what KVM counted', () => {
    expect(words(RESULT)).toContain("1,000 − 0 + 200 = 1,200 = 1,200 by KVM's count: it holds");
    const other = { ...RESULT, summary: { ...RESULT.summary, kvm: { ...RESULT.summary.kvm, exits: 1201 } } };
    expect(words(other)).toContain("1,000 − 0 + 200 = 1,200 ≠ 1,201 by KVM's count: it does not hold");
  });

  it.each([
    [{ kernelMissing: 'tracefs is not there' }, "kernel's side not recorded: tracefs is not there"],
    [{ summary: { ...NOW.summary, kvm: { exits: null, userspaceExits: 1000, keptByKvm: 0 } } }, 'cannot be read here'],
    [{ summary: { ...NOW.summary, kvm: { exits: 1, userspaceExits: 1000, keptByKvm: null } } }, 'events were lost'],
    [{ summary: { ...RESULT.summary, lost: 7 } }, 'lost 7: they came while the buffer was full'],
    [{ summary: { ...RESULT.summary, lost: 7 } }, "1,007 ≠ 1,000 that the vCPUs' loops counted"],
    [{ leftOutOfTrace: 3 }, 'not in the trace file 3: it is full'],
  ])('says what is missing: %#', (fields, text) => {
    expect(words({ ...RESULT, ...fields })).toContain(text);
  });

  it('says how many more there are of what it shows the first of', () => {
    const summary = new Summary();
    for (let number = 0; number < 30; number++) {
      summary.add(exitEvent({ number, rip: BigInt(number), access: { ...UART_WRITE, address: number } }));
    }
    expect(words({ ...RESULT, summary: summary.result() }).match(/and 18 more/g)).toHaveLength(2);
  });
});

describe('the cost of watching', () => {
  const words = (cost: WatchCost) => costRows(cost).map((row) => row.join(': '));

  it('is what was measured, as a share of the run', () => {
    expect(words(COST)).toEqual([
      'recorder, an exit: +2.59 µs (97.9 %: +2.50 µs to +2.70 µs)',
      '  of 1,000 exits: +2.59 ms, 0.1 % of the run',
      "kernel's trace, an exit: +400 ns (97.9 %: −100 ns to +900 ns)",
      '  of 1,200 exits: less than can be measured so',
      expect.stringContaining('such an exit takes 32.0 µs'),
      'main thread, CPU time: 100 ms, 5.0 % of the run, beside the vCPUs',
      '  of it drawing: 10.0 ms, 0.5 % of the run',
    ]);
  });

  it('is not made up where it was not measured', () => {
    expect(words({ ...COST, recorder: undefined, mainThreadNs: undefined })).toEqual([
      expect.stringContaining('recorder: not measured: '),
      'main thread: not measured: the kernel has no /proc/self/schedstat',
    ]);
  });
});

it('rates are those of the last second', () => {
  const rates = new Rates();
  expect(rates.of({ IO: 100 }, 0)).toEqual(new Map([['IO', 0]]));
  expect(rates.of({ IO: 150 }, 500)).toEqual(new Map([['IO', 100]]));
  rates.of({ IO: 200 }, 1000);
  expect(rates.of({ IO: 1200, MMIO: 10 }, 2000)).toEqual(
    new Map([
      ['IO', 1000],
      ['MMIO', 10],
    ]),
  );
});
