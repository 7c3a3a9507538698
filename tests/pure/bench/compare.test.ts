import { describe, expect, it } from 'vitest';
import { compareResults } from '../../../src/bench/report/compare.js';
import type { BenchResult } from '../../../src/bench/result.js';
import { benchCompare, comparisonText } from '../../../src/cli/bench-compare.js';
import { madeUpBench } from './made-up-result.js';

const changesOf = (a: BenchResult, b: BenchResult, workload: string) =>
  Object.fromEntries(
    compareResults(a, b)
      .workloads.find(({ name }) => name === workload)
      ?.engines.map(({ engine, change }) => [engine, change]) ?? [],
  );

/** The result with the samples of one engine's cells taking so many times as long. */
function slowed(result: BenchResult, engine: string, factor: number): BenchResult {
  const slow = madeUpBench({ factor }).engines.find(({ name }) => name === engine);
  return { ...result, engines: result.engines.map((one) => (one.name === engine && slow ? slow : one)) };
}

const SVM = { kind: 'svm', flavour: 'kvm_amd' } as const;

describe('two results of one machine', () => {
  it('are compared by their times, each with an interval, and what is certain is called by its name', () => {
    const a = madeUpBench();
    const comparison = compareResults(a, slowed(slowed(a, 'kvm', 1.1), 'v86', 0.5));
    expect([comparison.by, comparison.apart, comparison.changed]).toEqual(['times', [], []]);
    const integer = comparison.workloads.find(({ name }) => name === 'cpu.integer');
    const verdicts = integer?.engines.map(({ engine, change }) => [engine, change?.verdict]);
    expect(verdicts).toEqual([
      ['native', 'no difference'],
      ['kvm', 'slower'],
      ['qemu-kvm', 'no difference'],
      ['qemu-tcg', 'no difference'],
      ['bochs', 'no difference'],
      ['v86', 'faster'],
    ]);
    const kvm = integer?.engines.find(({ engine }) => engine === 'kvm')?.change;
    expect(kvm?.ratio).toBeCloseTo(1.1, 6);
    expect(kvm?.interval.low).toBeGreaterThan(1.05);
    expect(kvm?.interval.high).toBeLessThan(1.15);
  });

  it('with two rounds are not judged', () => {
    const few = (factor: number) => {
      const result = madeUpBench({ engines: ['kvm'], factor });
      const cut = (cell: BenchResult['engines'][number]['cells'][string]) =>
        cell.outcome === 'measured' ? { ...cell, samples: cell.samples.slice(0, 2) } : cell;
      const engines = result.engines.map((engine) => ({
        ...engine,
        cells: Object.fromEntries(Object.entries(engine.cells).map(([name, cell]) => [name, cut(cell)])),
      }));
      return { ...result, engines };
    };
    expect(changesOf(few(1), few(2), 'cpu.integer').kvm).toMatchObject({ verdict: 'too few rounds' });
  });

  it('say what else has changed, and what only one of them has', () => {
    const a = madeUpBench({ engines: ['kvm', 'bochs'] });
    const b = madeUpBench({
      engines: ['kvm'],
      workloads: a.workloads.slice(1),
      host: { kernel: '6.13.0-amd64', governor: null, mitigations: {} },
    });
    const { by, changed, onlyIn, workloads } = compareResults(a, b);
    expect(by).toBe('times');
    expect(changed).toEqual([
      { what: 'kernel', a: '6.12.0-amd64', b: '6.13.0-amd64' },
      { what: 'governor', a: 'performance', b: 'none' },
      { what: 'mitigations', a: 'spectre_v2: Mitigation: Retpolines', b: 'none' },
      { what: 'bochs', a: '10.0.8', b: 'none' },
    ]);
    expect(onlyIn).toEqual({ a: ['exits.out'], b: [] });
    const bochs = workloads.find(({ name }) => name === 'cpu.integer')?.engines[1];
    expect(bochs).toMatchObject({ engine: 'bochs', b: undefined, change: undefined });
    expect(bochs?.a).toBeGreaterThan(80);
  });
});

describe('two results of different machines', () => {
  it('are compared by ratios within each, of which a faster machine changes none', () => {
    const a = madeUpBench({ noise: 0 });
    const b = slowed(madeUpBench({ noise: 0, factor: 0.2, host: SVM }), 'bochs', 0.4);
    const comparison = compareResults(a, b);
    expect(comparison.by).toBe('ratios');
    expect(comparison.apart.map(({ what }) => what)).toEqual(['host', 'KVM']);
    const integer = comparison.workloads.find(({ name }) => name === 'cpu.integer');
    expect(integer?.reference).toBe('kvm');
    const tcg = integer?.engines.find(({ engine }) => engine === 'qemu-tcg');
    expect(tcg?.a).toBeCloseTo(9.1 / 2.45, 6);
    expect(tcg?.b).toBeCloseTo(9.1 / 2.45, 6);
    expect(tcg?.change?.ratio).toBeCloseTo(1, 6);
    const { kvm, bochs } = changesOf(a, b, 'cpu.integer');
    expect(kvm).toBeUndefined();
    expect(bochs?.verdict).toBe('slower');
    expect(bochs?.ratio).toBeGreaterThan(1.9);
  });

  it('take a reference that both have measured, and none where there is none', () => {
    const a = madeUpBench({ engines: ['kvm', 'qemu-tcg'] });
    const b = madeUpBench({ engines: ['qemu-tcg', 'bochs'], unit: 'instructions', host: { kind: 'vtx' } });
    const { apart, workloads } = compareResults(a, b);
    expect(apart.map(({ what }) => what)).toEqual(['unit', 'host']);
    expect(workloads.map(({ reference }) => reference)).toEqual(workloads.map(() => 'qemu-tcg'));
    const none = compareResults(a, madeUpBench({ engines: ['v86'], host: SVM }));
    expect(none.workloads.map(({ reference }) => reference)).toEqual(workloads.map(() => undefined));
    expect(none.workloads.flatMap(({ engines }) => engines.map(({ change }) => change)).every((one) => !one)).toBe(
      true,
    );
  });
});

describe('the text of a comparison', () => {
  const PLAIN = { colour: false, ascii: false };
  const names = { a: 'before.json', b: 'after.json' };
  const a = madeUpBench({ noise: 0 });
  const text = (b: BenchResult, options = PLAIN) => comparisonText({ a, b }, names, options);

  it('has both figures, how many times as long the second takes, and what is certain', () => {
    const lines = text(slowed(a, 'kvm', 2)).split('\n');
    expect(lines.slice(0, 5)).toEqual([
      'a            before.json: 2026-02-03 04:05 UTC, vmlaunch 0.1.0, rounds: 9',
      'b            after.json: 2026-02-03 04:05 UTC, vmlaunch 0.1.0, rounds: 9',
      '',
      'An iteration takes:',
      '                    a          b        b/a         95 % interval',
    ]);
    const at = lines.indexOf('cpu.integer');
    expect(lines.slice(at + 1, at + 3)).toEqual([
      '  native      2.40 ns    2.40 ns      1.00×        1.00× to 1.00×',
      expect.stringMatching(/^ {2}kvm {9}2\.45 ns {4}(4\.9|5\.0)\d ns {6}2\.0\d× {8}\S+ to \S+ {2}slower$/),
    ]);
    expect(lines.at(-3)).toMatch(/^0 faster, 6 slower, 24 with an interval that holds 1\./);
  });

  it('of different machines says so, and has ratios', () => {
    const other = text(madeUpBench({ noise: 0, factor: 3, host: SVM }));
    expect(other).toContain('host         a: local; b: svm\n');
    expect(other).toContain('! They were measured on different machines.');
    expect(other).toContain('cpu.integer  reference: kvm\n');
    expect(other).toContain('  qemu-tcg      3.71×      3.71×      1.00×        1.00× to 1.00×\n');
    expect(other).not.toMatch(/\d [nµm]s |faster$/m);
  });

  it('keeps to 80 columns and lets no control character through', () => {
    const hostile = madeUpBench({ host: { ...SVM, processor: '\x1b[31mred\x07', kernel: '\x1b]0;title\x07' } });
    const shown = text(hostile);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(shown).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    expect(Math.max(...shown.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text(hostile, { colour: false, ascii: true })).toMatch(/^[\n -~]+$/);
    expect(text(slowed(a, 'v86', 0.5), { colour: true, ascii: false })).toContain('\x1b[32mfaster\x1b[0m');
  });

  it.each([[['a.json']], [['a.json', 'b.json', 'c.json']]])('takes two files, not %o', (files) =>
    expect(() => benchCompare(files)).toThrow(`--compare takes two files, not ${files.length}`),
  );
});
