import { describe, expect, it } from 'vitest';
import { benchMarkdown } from '../../../../src/bench/report/markdown.js';
import { benchPage } from '../../../../src/bench/report/page.js';
import type { BenchResult } from '../../../../src/bench/result.js';
import { memoryTable } from '../../../../src/cli/bench-memory-table.js';
import { memoryResult } from './made-up.js';

const table = (result: BenchResult): string => memoryTable(result, { columns: 80, colour: false, ascii: false });
const lines = (result: BenchResult): string[] => table(result).split('\n');
const flowing = (result: BenchResult): string => table(result).replace(/\s+/g, ' ');

describe('the table of bench memory', () => {
  it('has a figure of each column, and its ratio to the first', () => {
    const all = lines(memoryResult());
    const at = all.findIndex((line) => line.startsWith('memory.churn'));
    expect(all.slice(at, at + 5).map((line) => line.slice(0, 46).trimEnd())).toEqual([
      "memory.churn  changes an entry of the guest's",
      '  EPT 4 KiB       100 ns  ±0.0 %  reference',
      '  EPT 2 MiB       100 ns  ±0.0 %      1.00×',
      '  shadow 4 KiB   5.00 µs  ±0.0 %      50.0×',
      '  shadow 2 MiB   5.00 µs  ±0.0 %      50.0×',
    ]);
  });

  it("has KVM's counters, with a dash for one that this KVM has not", () => {
    const all = lines(memoryResult(['EPT 4 KiB', 'EPT 2 MiB']));
    const at = all.findIndex((line) => line.startsWith("KVM's own counters"));
    expect(all.slice(at + 1, at + 5)).toEqual([
      '                    exits  pf_taken    invlpg  mmu_pte_write  pages_4k  pages_2m',
      'memory.first-touch',
      '  EPT 4 KiB         1.002         1         –              –      3000         0',
      '  EPT 2 MiB         1.002         1         –              –        40         7',
    ]);
    const without = memoryResult();
    const engines = without.engines.map(({ counters: _, ...engine }) => engine);
    expect(table({ ...without, engines })).toContain('This KVM has no counters to read.');
  });

  it('says why a column is missing', () => {
    const text = flowing(memoryResult(['EPT 4 KiB', 'EPT 2 MiB']));
    expect(text).toContain('no figure in any: shadow 4 KiB [1], shadow 2 MiB [2]');
    expect(text).toContain('[1] shadow 4 KiB: missing: loaded otherwise');
  });

  it('says what was measured in two hosts, where a clock counts, and where there were no large pages', () => {
    const here = memoryResult();
    expect(flowing(here)).not.toMatch(/two hosts|host vtx|no page of 2 MiB/);
    const there = memoryResult(undefined, { host: { kind: 'vtx' }, unit: 'instructions' });
    expect(flowing(there)).toMatch(/counts instructions, which miss no TLB.* of two hosts vtx, one after the other/);
    const engines = here.engines.map((engine) => ({ ...engine, counters: { 'memory.churn': { pages_2m: 0 } } }));
    const small = { ...here, engines };
    expect(flowing(small)).toMatch(/! EPT 2 MiB: KVM mapped .*! shadow 2 MiB: KVM mapped/);
    const pvm = flowing({ ...small, host: { ...small.host, flavour: 'kvm_pvm' } });
    expect(pvm).toMatch(/figures are the interpreter’s/);
    expect(pvm).not.toMatch(/KVM mapped/);
  });

  it('keeps to 80 columns', () => {
    expect(lines(memoryResult()).filter((line) => line.length > 80)).toEqual([]);
  });
});

describe('the page of bench memory', () => {
  it('has its own title and method', () => {
    const page = benchPage(memoryResult());
    expect(page).toContain('<h1>What EPT or NPT buys</h1>');
    expect(page).toContain('Each way of paging ran the same guest');
    expect(page).not.toContain('program of Linux');
  });

  it("has KVM's counters, and what it shows", () => {
    const page = benchPage(memoryResult());
    expect(page).toContain(
      '<th scope="row"><code>memory.first-touch</code></th><td class="text" data-name="column">EPT 4',
    );
    expect(page).toContain('data-name="pf_taken">1</td>');
    expect(page).toContain('That is what EPT saves.');
  });
});

describe('the Markdown of bench memory', () => {
  it("has KVM's counters in a table of their own", () => {
    expect(benchMarkdown(memoryResult())).toContain(
      [
        "KVM's own counters, for an iteration; the pages are those mapped at the end:",
        '',
        '| workload | column | exits | pf\\_taken | invlpg | mmu\\_pte\\_write | pages\\_4k | pages\\_2m |',
        '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
        '| `memory.first-touch` | EPT 4 KiB | 1.002 | 1 | – | – | 3000 | 0 |',
      ].join('\n'),
    );
  });
});
