import { describe, expect, it } from 'vitest';
import { makeBenchResult } from '../../../src/bench/make-result.js';
import { parseBenchResult, readBenchResult } from '../../../src/bench/result.js';
import { SUITES, workloadsOfSuite } from '../../../src/bench/suites.js';
import { WORKLOADS } from '../../../src/bench/workloads.js';
import { VmError } from '../../../src/errors.js';
import { madeUpBench } from './made-up-result.js';

function errorOf(action: () => unknown): Pick<VmError, 'code' | 'message'> {
  try {
    action();
  } catch (error) {
    if (error instanceof VmError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a written result', () => {
  it('is read back as it was', () => {
    const result = madeUpBench();
    expect(parseBenchResult(JSON.stringify(result), 'a.json')).toEqual(result);
  });

  const changed = (change: object) => JSON.stringify({ ...madeUpBench(), ...change });
  const [engine] = madeUpBench({ engines: ['kvm'] }).engines;
  const noSamples = { outcome: 'measured', median: 1, interval: { low: 1, high: 1 }, samples: [] };
  it.each([
    ['no JSON', '{"schema":1', 'a.json is no result of vmlaunch bench'],
    ['a number', '7', 'a.json is no result of vmlaunch bench'],
    ['another file', '{"host":"svm","rounds":[]}', 'a.json is no result of vmlaunch bench'],
    ['another version', changed({ schema: 2 }), 'a.json has schema version 2; this vmlaunch reads 1'],
    ['a strange version', changed({ schema: '1' }), 'a.json has schema version "1"; this vmlaunch reads 1'],
    ['no unit', changed({ unit: 'seconds' }), 'a.json is no sound result at unit: '],
    ['no date', changed({ date: 'yesterday' }), 'a.json is no sound result at date: '],
    [
      'a measured cell without samples',
      changed({ engines: [{ ...engine, cells: { 'exits.out': noSamples } }] }),
      'a.json is no sound result at engines.0.cells.exits.out.samples: ',
    ],
    [
      'a time that is none',
      changed({ engines: [{ ...engine, cells: { 'exits.out': { ...noSamples, median: 0 } } }] }),
      'a.json is no sound result at engines.0.cells.exits.out.median: ',
    ],
  ])('with %s is refused in one line', (_what, text, says) => {
    const { code, message } = errorOf(() => parseBenchResult(text, 'a.json'));
    expect(code).toBe('RESULT_INVALID');
    expect(message).toContain(says);
    expect(message).not.toContain('\n');
  });

  it('that is not there is told by its name', () => {
    const { code, message } = errorOf(() => readBenchResult('/nowhere/a.json'));
    expect([code, message]).toEqual(['FILE_UNREADABLE', expect.stringMatching(/^\/nowhere\/a\.json cannot be read: /)]);
  });
});

describe('what a suite has measured', () => {
  const cells = {
    'exits.out': {
      outcome: 'measured',
      ns: 32_000,
      interval: { low: 31_000, high: 33_000 },
      samples: [{ count: 10, hostNs: 32_000, guestTicks: 64_000 }],
    },
    'cpu.sse': { outcome: 'unsupported', why: 'no SSE' },
  } as const;
  const make = (kind: 'local' | 'vtx') =>
    makeBenchResult({
      version: '0.1.0',
      date: new Date(0),
      suite: 'all',
      host: { ...madeUpBench().host, kind },
      budgetS: 10,
      elapsedS: 9,
      workloads: WORKLOADS.filter(({ name }) => name in cells),
      result: {
        rounds: 1,
        engines: [
          { name: 'kvm', version: 'vmlaunch', cells, clock: { ticksPerNs: 2, spread: 0.01 } },
          { name: 'bochs', version: undefined, cells: {}, clock: undefined },
        ],
      },
    });

  it('is written in nanoseconds, and is a sound result', () => {
    const result = make('local');
    expect(parseBenchResult(JSON.stringify(result), 'a.json')).toEqual(result);
    expect(result).toMatchObject({
      schema: 1,
      date: '1970-01-01T00:00:00.000Z',
      unit: 'ns',
      workloads: [
        { name: 'exits.out', kind: 'exits' },
        { name: 'cpu.sse', kind: 'processor' },
      ],
    });
    const [kvm, bochs] = result.engines;
    expect(kvm?.cells['exits.out']).toMatchObject({ median: 32_000, samples: [{ host: 32_000, guestTicks: 64_000 }] });
    expect(kvm?.cells['cpu.sse']).toEqual({ outcome: 'unsupported', why: 'no SSE' });
    expect(bochs).toEqual({ name: 'bochs', version: null, clock: null, cells: {} });
  });

  it('on vtx is written in instructions, of which 100 million are a second', () => {
    const { unit, engines } = make('vtx');
    expect(unit).toBe('instructions');
    expect(engines[0]?.clock).toEqual({ ticksPerUnit: 20, spread: 0.01 });
    expect(engines[0]?.cells['exits.out']).toEqual({
      outcome: 'measured',
      median: 3200,
      interval: { low: 3100, high: 3300 },
      samples: [{ count: 10, host: 3200, guestTicks: 64_000 }],
    });
  });
});

describe('a suite', () => {
  it('has the workloads of its kind, or the first of each', () => {
    const kinds = SUITES.filter((name) => WORKLOADS.some(({ kind }) => kind === name));
    expect([...new Set(WORKLOADS.map(({ kind }) => kind))]).toEqual(kinds);
    for (const kind of kinds) {
      expect(workloadsOfSuite(kind, WORKLOADS)).toEqual(WORKLOADS.filter((workload) => workload.kind === kind));
    }
    expect(workloadsOfSuite('quick', WORKLOADS).map(({ kind }) => kind)).toEqual(kinds);
    expect(workloadsOfSuite('quick', WORKLOADS)[0]).toBe(WORKLOADS[0]);
    expect(workloadsOfSuite('all', WORKLOADS)).toEqual(WORKLOADS);
  });
});
