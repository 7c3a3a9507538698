import { describe, expect, it } from 'vitest';
import type { ExitBenchResult } from '../../../src/bench/exit.js';
import { exitTable } from '../../../src/cli/bench.js';

const result: ExitBenchResult = {
  host: 'svm',
  flavour: 'kvm_amd',
  unit: 'ns',
  exits: { cold: 5000, warm: 25000 },
  c: { cold: 42000.4, warm: 41000 },
  typescript: { cold: 63000.6, warm: 43050 },
  ratio: { cold: 1.5, warm: 1.05 },
  interval: { cold: { low: 1.4, high: 1.6 }, warm: { low: 1.0449, high: 1.0551 } },
  rounds: [
    { c: { cold: 42001, warm: 40000 }, typescript: { cold: 63000.6, warm: 43050 } },
    { c: { cold: 41000, warm: 41000 }, typescript: { cold: 70000, warm: 43000 } },
    { c: { cold: 42000.4, warm: 45000 }, typescript: { cold: 62000, warm: 44000.49 } },
  ],
};

describe('the table of bench exit', () => {
  it('has medians with their spread, and ratios with their interval, cold and warm apart', () => {
    expect(exitTable(result)).toBe(
      [
        'One exit in ns, host svm, kvm_amd: medians of 3 rounds (least–most)',
        '                      C                           TypeScript                  TypeScript/C (95 %)',
        'first 5000 exits      42000 (41000–42001)         63001 (62000–70000)         1.500 (1.400–1.600)',
        'next 25000 exits      41000 (40000–45000)         43050 (43000–44000)         1.050 (1.045–1.055)',
        '',
      ].join('\n'),
    );
  });

  it('shows instructions to a tenth: on vtx they are counted', () => {
    const lines = exitTable({ ...result, host: 'vtx', flavour: 'kvm_intel', unit: 'instructions' }).split('\n');
    expect(lines[0]).toBe('One exit in instructions, host vtx, kvm_intel: medians of 3 rounds (least–most)');
    expect(lines[2]).toContain('42000.4 (41000.0–42001.0)');
  });

  it('ends no line with a blank, and keeps its columns below each other', () => {
    const lines = exitTable(result).split('\n');
    for (const line of lines) expect(line).toBe(line.trimEnd());
    const at = lines[1]?.indexOf('TypeScript/C');
    expect(lines.slice(2, 4).map((line) => line.lastIndexOf('1.'))).not.toContain(-1);
    expect([lines[2]?.indexOf('1.500'), lines[3]?.indexOf('1.050')]).toEqual([at, at]);
  });
});
