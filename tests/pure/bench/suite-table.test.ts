import { describe, expect, it } from 'vitest';
import { benchMarkdown } from '../../../src/bench/report/markdown.js';
import { benchTable, type TableOptions } from '../../../src/cli/bench-table.js';
import { plainOptionsOf } from '../../../src/cli/pen.js';
import { random } from '../boot/bzimage.js';
import { type MadeUp, madeUpBench } from './made-up-result.js';

const PLAIN: TableOptions = { columns: 80, colour: false, ascii: false };
const table = (made: MadeUp = {}, options: Partial<TableOptions> = {}) =>
  benchTable(madeUpBench({ noise: 0, ...made }), { ...PLAIN, ...options });
/** The lines from the one that begins so to the next block. */
const block = (text: string, start: string): string[] => {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(start));
  const end = lines.findIndex((line, index) => index > at && !line.startsWith('  '));
  return lines.slice(at, end);
};

/** Of a clock that goes differently at each look: from half to once and a half as fast. */
function noisyRate(): () => number {
  const next = random(3);
  return () => 0.5 + next(1000) / 1000;
}

describe('the table of bench', () => {
  it('has for each workload a figure of each engine, its interval, and its ratio to the reference', () => {
    expect(block(table(), 'cpu.integer')).toEqual([
      'cpu.integer  multiplication, shifts and division, each step on the one before',
      '  native     2.40 ns  ±0.0 %     0.980×      │',
      '  kvm        2.45 ns  ±0.0 %  reference      │',
      '  qemu-kvm   2.44 ns  ±0.0 %     0.996×      │',
      '  qemu-tcg   9.10 ns  ±0.0 %      3.71×      │████████████▌',
      '  bochs      88.0 ns  ±0.0 %      35.9×      │██████████████████████████████████',
      '  v86        31.0 ns  ±0.0 %      12.7×      │████████████████████████▎',
    ]);
  });

  it('has bars to the left for what is faster, below an axis of powers of ten', () => {
    const lines = block(table({ engines: ['kvm', 'qemu-tcg'] }), 'exits.cpuid');
    expect(lines.slice(1)).toEqual([
      '  kvm         950 ns  ±0.0 %  reference                                        │',
      '  qemu-tcg   95.0 ns  ±0.0 %     0.100×            ████████████████████████████│',
    ]);
    const axis = table({ engines: ['kvm', 'qemu-tcg'] })
      .split('\n')
      .find((line) => line.startsWith('VM exits'));
    expect([axis?.lastIndexOf('1×'), axis?.indexOf('0.1×')]).toEqual([78, 49]);
  });

  it('puts the workloads of a kind together, over those that the reference has too', () => {
    const text = table({ engines: ['native', 'kvm', 'qemu-tcg', 'v86'] });
    const lines = text.slice(text.indexOf('\nProcessor')).split('\n');
    const at = lines.indexOf('together  geometric mean over the workloads that kvm has too');
    // √(2.4 / 2.45 · 410 / 610) and √(9.1 / 2.45 · 5200 / 610); v86 has one of the two.
    expect(lines.slice(at + 1, at + 4)).toEqual([
      expect.stringMatching(/^ {2}native +of 2 +0\.811× {2} +▐?█+│$/),
      expect.stringMatching(/^ {2}qemu-tcg +of 2 +5\.63× {2} +│█+.?$/),
      '',
    ]);
    expect(text.slice(text.indexOf('Serial'))).not.toContain('together');
  });

  it('takes kvm as the reference, else native, else the first', () => {
    const reference = (engines: readonly string[]) =>
      block(table({ engines }), 'cpu.integer')
        .find((line) => line.includes('reference'))
        ?.trim()
        .split(' ')[0];
    expect(reference(['native', 'qemu-tcg', 'kvm'])).toBe('kvm');
    expect(reference(['qemu-tcg', 'native'])).toBe('native');
    expect(reference(['bochs', 'qemu-tcg'])).toBe('bochs');
  });

  it('has bytes a second of the serial console, and boots in milliseconds', () => {
    expect(block(table(), 'serial.bytes')[1]).toMatch(/^ {2}kvm +7\.90 µs +±0\.0 % {2}reference +127 kB\/s /);
    expect(block(table(), 'boot.linux')[4]).toMatch(/^ {2}bochs +3,100 ms +±0\.0 % +64\.6× /);
  });

  it('on vtx has instructions, and no bytes a second', () => {
    const text = table({ unit: 'instructions', host: { kind: 'vtx' } });
    expect(block(text, 'serial.bytes')[1]).toMatch(/^ {2}kvm +7\.90 k +±0\.0 % {2}reference +│/);
    expect(text).toContain('in instructions');
    expect(text).toContain('ticks of the guest’s TSC an instruction'.replace('’', "'"));
    expect(text).not.toMatch(/B\/s|\d ns/);
  });

  it('gives each reason once, below', () => {
    const text = table({ engines: ['native', 'kvm'], why: 'needs \x1b[31mring 0\nand more' });
    expect(text).toMatch(/^VM exits .*\n {2}no figure in any: native \[1\]\nexits\.out /m);
    expect(text.match(/no figure: native \[1\]/g)).toHaveLength(2);
    expect(text).toContain('[1] native: unsupported: needs ·[31mring 0·and more');
    expect(text).not.toContain('\x1b');
    expect(text.match(/needs/g)).toHaveLength(1);
  });

  it('has no interval of two rounds', () => {
    const text = table({ engines: ['kvm', 'qemu-tcg'], rounds: 2 });
    expect(block(text, 'cpu.integer')[2]).toMatch(/^ {2}qemu-tcg +9\.10 ns {14}3\.71× /);
    expect(text).not.toContain('±');
  });

  it('of nothing measured has the reasons alone', () => {
    const text = table({ engines: ['v86'], workloads: [{ name: 'cpu.unknown', kind: 'processor', shows: 'nothing' }] });
    expect(text).toContain('cpu.unknown  nothing\n  no figure: v86 [1]\n');
    expect(text).not.toMatch(/NaN|undefined|Infinity|clocks/);
  });

  it('says what the machine is', () => {
    const text = table({ host: { governor: null, load: { before: null, after: 2 } } });
    for (const words of [
      'processor   Imaginary Processor 7 at 3.00 GHz, 8 CPUs\n',
      'kernel      6.12.0-amd64; KVM: kvm_intel; host: local\n',
      'mitigations spectre_v2; not affected by 1 other\n',
      'governor    none\n',
      'load        not known before, 2.00 after\n',
      'measured    2026-02-03 04:05 UTC by vmlaunch 0.1.0\n',
      'suite       all; 9 rounds in 99 s of at most 120 s\n',
    ])
      expect(text).toContain(words);
  });

  it('says of each engine whether the clocks agree, and flags those that do not', () => {
    const text = table({
      engines: ['native', 'kvm', 'v86'],
      clockRate: (engine, workload) => (engine === 'v86' && workload === 'cpu.integer' ? 0.8 : 1),
    });
    expect(text).toContain("  kvm     agree within 0.0 %; 3.00 ticks of the guest's TSC a nanosecond\n");
    expect(text).toContain("! v86     disagree: cpu.integer (the guest's ran 20 % slower); else 3.00 ticks");
    const noisy = table({ engines: ['kvm'], clockRate: noisyRate() });
    expect(noisy).toMatch(/^ {2}kvm {2}differ by up to \d+ %, which is their noise; \d\.\d\d ticks/m);
    const alone = table({ engines: ['kvm'], workloads: madeUpBench().workloads.slice(0, 1) });
    expect(alone).toContain('  kvm  not checked: it takes two workloads with three rounds each; 3.00 ticks');
    expect(table({ engines: ['kvm'], clockRate: () => 0 })).toContain("! kvm  disagree: the guest's clock stood still");
  });

  it.each([80, 100, 120, 200])('keeps to a terminal of %i columns, and ends no line with a blank', (columns) => {
    for (const ascii of [false, true]) {
      const lines = table({}, { columns, ascii }).split('\n');
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(Math.min(columns, 140));
      expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
      const marks = block(lines.join('\n'), 'cpu.integer')
        .slice(1)
        .map((line) => line.indexOf(ascii ? '|' : '│'));
      expect(new Set(marks).size).toBe(1);
    }
  });

  it('is ASCII where nothing else can be shown, and without colours has no control sequence', () => {
    const ascii = table({}, { ascii: true });
    expect(ascii).toMatch(/^[\n -~]+$/);
    expect(block(ascii, 'cpu.integer')[4]).toBe('  qemu-tcg   9.10 ns +-0.0 %      3.71x      |#############');
    expect(table()).not.toContain('\x1b');
    const coloured = table({}, { colour: true });
    expect(coloured).toContain('\x1b[1mcpu.integer\x1b[0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
    expect(coloured.replace(/\x1b\[\d+m/g, '').replace(/ +$/gm, '')).toBe(table());
  });
});

describe('what standard output can show', () => {
  it.each([
    [true, { LANG: 'en_US.UTF-8', TERM: 'xterm-256color' }, { colour: true, ascii: false }],
    [true, { TERM: 'xterm' }, { colour: true, ascii: false }],
    [true, { LC_ALL: 'C', LANG: 'en_US.UTF-8', TERM: 'xterm' }, { colour: true, ascii: true }],
    [true, { LANG: 'C.utf8', TERM: 'xterm', NO_COLOR: '1' }, { colour: false, ascii: false }],
    [true, { LANG: 'C.UTF-8', TERM: 'linux' }, { colour: true, ascii: true }],
    [true, { TERM: 'dumb' }, { colour: false, ascii: true }],
    [false, { LANG: 'de_DE.UTF-8', TERM: 'linux' }, { colour: false, ascii: false }],
    [false, { LC_CTYPE: 'POSIX' }, { colour: false, ascii: true }],
  ] as const)('terminal %s, %o: %o', (isTerminal, env, options) =>
    expect(plainOptionsOf(isTerminal, env)).toEqual(options),
  );
});

describe('the tables for a README', () => {
  const markdown = (made: MadeUp = {}) => benchMarkdown(madeUpBench({ noise: 0, ...made }));

  it('have a row a workload and a column an engine', () => {
    const lines = markdown({ engines: ['native', 'kvm', 'qemu-tcg'] }).split('\n');
    const at = lines.indexOf('| Processor | native | kvm | qemu-tcg |');
    expect(lines.slice(at + 1, at + 4)).toEqual([
      '| --- | ---: | ---: | ---: |',
      '| `cpu.integer` | 2.40 ns ±0.0 % (0.980×) | **2.45 ns** ±0.0 % | 9.10 ns ±0.0 % (3.71×) |',
      '| `cpu.page-faults` | 410 ns ±0.0 % (0.672×) | **610 ns** ±0.0 % | 5.20 µs ±0.0 % (8.52×) |',
    ]);
    expect(lines).toContain('| `exits.cpuid` | – [1] | **950 ns** ±0.0 % | 95.0 ns ±0.0 % (0.100×) |');
    expect(lines).toContain(
      '| `serial.bytes` | – [1] | **7.90 µs** ±0.0 %, 127 kB/s | 480 ns ±0.0 %, 2.08 MB/s (0.0608×) |',
    );
    expect(lines).toContain('| geometric mean, kvm = 1 | 0.811× of 2 |  | 5.63× of 2 |');
    expect(lines).toContain('[1] native: unsupported: ring 3 of Linux cannot do it<br>');
    expect(lines).toContain('- mitigations: spectre\\_v2; not affected by 1 other');
  });

  it('keep text of engines out of their markup', () => {
    const text = markdown({ why: 'a | b\n<img src=x> `c` [d](e)\u202e' });
    expect(text).toContain('a \\| b &lt;img src=x&gt; \\`c\\` \\[d\\](e)\\\\u\\{202e\\}');
    expect(text).not.toMatch(/<img|\u202e/);
  });

  it('name the engines whose clocks disagree', () => {
    expect(markdown()).not.toContain('disagree');
    expect(markdown({ engines: ['kvm'], clockRate: () => 0 })).toContain('- Clocks of guest and host, kvm: disagree');
  });
});
