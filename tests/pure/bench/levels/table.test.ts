import { describe, expect, it } from 'vitest';
import { LEVELS, type LevelsResult } from '../../../../src/bench/levels/levels.js';
import type { LevelCell } from '../../../../src/bench/levels/measure.js';
import { levelsTable } from '../../../../src/cli/bench-levels-table.js';

const measured = (ns: number, speed: number | null): LevelCell => ({
  outcome: 'measured',
  ns,
  speed: speed === null ? null : { median: speed, interval: { low: speed * 0.9, high: speed * 1.1 } },
  samples: [],
});
const missing = (why: string): LevelCell => ({ outcome: 'missing', why });

function row(engine: string, cells: readonly [LevelCell, LevelCell, LevelCell], more: object = {}) {
  const level = LEVELS.find((one) => one.engine === engine) ?? LEVELS[0];
  const [cpu, calls, files] = cells;
  const start = { outcome: 'measured', ns: 2.5e6, samples: [2.5e6] } as const;
  return { ...level, version: '1.2', start, parts: { cpu, calls, files }, clock: 1, ...more };
}

const alike = (cell: LevelCell) => [cell, cell, cell] as const;
const result: LevelsResult = {
  schema: 1,
  version: '0.1.0',
  date: '2026-01-01T00:00:00.000Z',
  host: { kind: 'svm', flavour: 'kvm_amd', processor: 'QEMU', kernel: '6.1.0' },
  budgetS: 60,
  rounds: 7,
  levels: [
    row('native', alike(measured(4, 1))),
    row('wine', alike(missing('not measured')), { version: null, start: missing('not measured'), clock: null }),
    row('container', [measured(4, 0.984), measured(5, 0.5), measured(6, 1.5)]),
    row('vmlaunch', [measured(4, 0.95), { outcome: 'failed', why: 'it broke' }, measured(6, 0.012)], { clock: 0.5 }),
  ],
};

const table = (columns: number, more: object = {}) =>
  levelsTable(result, { colour: false, ascii: false, columns, ...more });

describe('the table of bench levels', () => {
  it('has figures, reasons below, and what each level isolates and runs', () => {
    expect(table(80).split('\n').slice(0, 16)).toEqual([
      'The same program at each level of virtualization: speed, where native is 1',
      'Host svm (kvm_amd), QEMU, Linux 6.1.0. Medians of 7 rounds and half of their 95',
      '% interval. Files are written to a tmpfs everywhere, so that levels and not',
      'disks are compared; a start is that of the program, with all that has to start',
      'before it.',
      '',
      'level            engine               CPU  system calls         files      start',
      'none             native            1             1             1         2.50 ms',
      'library          wine               – [1]         – [1]         – [1]          –',
      'operating system container     0.98 ±10 %    0.50 ±10 %    1.50 ±10 %    2.50 ms',
      'hardware         vmlaunch      0.95 ±10 %         – [2]   0.012 ±10 %    2.50 ms',
      '[1] wine: not measured',
      '[2] vmlaunch: failed: it broke',
      "vmlaunch: in a second of the host's clock its own, by which it was measured,",
      'goes 0.50 s.',
      '',
    ]);
    expect(table(80)).toContain('\ncontainer (1.2)\n  isolates  users, processes, files, network');
    expect(table(80)).toContain('\nwine\n  isolates  nothing: another interface');
  });

  it('has bars where there is room, of which native fills its own', () => {
    const lines = table(120).split('\n');
    expect(lines.find((line) => line.startsWith('none'))).toContain('1      ████████████ ');
    expect(lines.find((line) => line.includes('container  '))).toMatch(
      /0\.98 ±10 % ███████████▊ .* 0\.50 ±10 % ██████ +1\.50 ±10 % █{12} /,
    );
  });

  it.each([20, 80, 100, 120, 300])('keeps its lines to the columns that there are, from 80 on: %i', (columns) => {
    for (const line of table(columns).split('\n')) {
      expect(line.length).toBeLessThanOrEqual(Math.min(Math.max(columns, 80), 120));
      expect(line).toBe(line.trimEnd());
    }
  });

  it('has times in place of speeds where there is no native run', () => {
    const levels = [row('container', alike(measured(4000, null)))];
    expect(levelsTable({ ...result, levels }, { colour: false, ascii: false, columns: 80 })).toContain(
      'container        4.00 µs       4.00 µs       4.00 µs    2.50 ms',
    );
  });

  it('uses attributes only where it may, and ASCII where nothing else can be shown', () => {
    expect(table(120)).not.toContain('\x1b');
    expect(table(120, { colour: true })).toContain('\x1b[1m');
    expect(table(120, { ascii: true })).toMatch(/^[\n -~]+$/);
  });
});
