import { describe, expect, it } from 'vitest';
import { BOOTS } from '../../../src/bench/boots.js';
import type { Cell } from '../../../src/bench/column.js';
import { runSuite, type SuiteOptions, type SuiteResult } from '../../../src/bench/suite.js';
import { FakeEngine, type FakeOptions, FakeTime, workload } from './fake-engine.js';

const INTEGER = workload('cpu.integer');
const SECOND = 1e9;

/** Engines by name, in time that they take; `slow` is by how much each is slower than the first. */
async function suite(
  engines: Readonly<Record<string, Omit<FakeOptions, 'ns'> & { readonly slow: number }>>,
  options: Partial<SuiteOptions> = {},
): Promise<(name: string, boot: string) => Cell | undefined> {
  const time = new FakeTime();
  const result: SuiteResult = await runSuite({
    engines: Object.entries(engines).map(
      ([name, { slow, ...rest }]) => new FakeEngine(name, time, { ns: { 'cpu.integer': slow }, ...rest }),
    ),
    workloads: [INTEGER, ...BOOTS],
    budgetS: 60,
    now: time.now,
    signal: new AbortController().signal,
    ...options,
  });
  return (name, boot) => result.engines.find((engine) => engine.name === name)?.cells[`boot.${boot}`];
}

const seconds = (cell: Cell | undefined) => (cell?.outcome === 'measured' ? cell.ns / SECOND : cell);

describe('boots', () => {
  it('are measured from the start of the engine, in every round', async () => {
    const cellOf = await suite({
      fast: { slow: 1, startNs: 0.02 * SECOND, linux: 'no 64-bit mode' },
      slow: { slow: 50, startNs: 0.3 * SECOND, linux: 'no 64-bit mode' },
    });
    for (const boot of ['first-instruction', 'hello']) {
      expect(seconds(cellOf('fast', boot))).toBe(0.02);
      expect(seconds(cellOf('slow', boot))).toBe(0.3);
    }
    expect(cellOf('slow', 'linux')).toEqual({ outcome: 'unsupported', why: 'no 64-bit mode' });
  });

  it('that are long are made where there is time, and told from another engine where there is none', async () => {
    const cellOf = await suite({ slow: { slow: 100, linux: 200 * SECOND }, fast: { slow: 2, linux: 4 * SECOND } });
    const fast = cellOf('fast', 'linux');
    if (fast?.outcome !== 'measured') throw new Error(JSON.stringify(fast));
    expect(fast).toMatchObject({
      ns: 4 * SECOND,
      samples: expect.arrayContaining([expect.objectContaining({ count: 1 })]),
    });
    expect(cellOf('slow', 'linux')).toEqual({
      outcome: 'over budget',
      why: "about 200 s, told from fast's 4.0 s, and its processor's workloads take 50 times as long",
    });
  });

  it('that are long are told from a workload where none was tried', async () => {
    const cellOf = await suite({ slow: { slow: 100, startNs: 2 * SECOND, linux: SECOND } }, { budgetS: 1 });
    const why = 'about 250 s, told from cpu.integer alone';
    expect(cellOf('slow', 'linux')).toEqual({ outcome: 'over budget', why });
  });

  it('that nobody comes to the end of are tried by the fastest alone', async () => {
    const cellOf = await suite({ slow: { slow: 100 }, fast: { slow: 2 } }, { budgetS: 1 });
    const [fast, slow] = [cellOf('fast', 'linux'), cellOf('slow', 'linux')];
    expect([fast?.outcome, slow?.outcome]).toEqual(['over budget', 'over budget']);
    expect(fast !== undefined && 'why' in fast && fast.why).toMatch(/^it had not come to that after 0\.\d+ s$/);
    expect(slow !== undefined && 'why' in slow && slow.why).toMatch(
      /^not tried: fast had not come to that after 0\.\d+ s$/,
    );
  });
});
