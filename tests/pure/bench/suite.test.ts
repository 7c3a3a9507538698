import { describe, expect, it } from 'vitest';
import { arrivalOf, type Engine, type Launch } from '../../../src/bench/engine.js';
import { runSuite, type SuiteOptions } from '../../../src/bench/suite.js';
import { FakeEngine, FakeTime, TICKS_PER_NS, workload } from './fake-engine.js';

const NAMES = ['exits.out', 'cpu.integer', 'cpu.branchy'];
const WORKLOADS = NAMES.map(workload);

const NS = { 'exits.out': 2000, 'cpu.integer': 3, 'cpu.branchy': 5 };

function suite(time: FakeTime, engines: readonly Engine[], options: Partial<SuiteOptions> = {}) {
  const signal = new AbortController().signal;
  return runSuite({ engines, workloads: WORKLOADS, budgetS: 10, roundNs: 2e5, now: time.now, signal, ...options });
}

describe('the suite', () => {
  it('measures each workload on each engine, in turns, and stops when the intervals are narrow', async () => {
    const time = new FakeTime();
    const order: string[] = [];
    const engine = (name: string, factor: number) => {
      const ns = Object.fromEntries(Object.entries(NS).map(([key, value]) => [key, value * factor]));
      const fake = new FakeEngine(name, time, { ns });
      const launch = fake.launch.bind(fake);
      fake.launch = (line, signal) => {
        order.push(name);
        return launch(line, signal);
      };
      return fake;
    };
    const { engines, rounds } = await suite(time, [engine('a', 1), engine('b', 10), engine('c', 100)]);
    expect(rounds).toBe(3);
    expect(order.slice(-9).join('')).toBe('abcbcacab');
    for (const [index, { cells, clock, version }] of engines.entries()) {
      expect(version).toBe('1.0');
      expect(clock?.ticksPerNs).toBeCloseTo(TICKS_PER_NS, 3);
      expect(clock?.spread).toBeLessThan(0.01);
      for (const [name, ns] of Object.entries(NS)) {
        const cell = cells[name];
        if (cell?.outcome !== 'measured') throw new Error(JSON.stringify(cell));
        expect(cell.ns).toBeCloseTo(ns * 10 ** index, 3);
        expect(cell.samples).toHaveLength(3);
      }
    }
  });

  it('gives each engine as many iterations as take a round’s time there', async () => {
    const time = new FakeTime();
    const fast = new FakeEngine('fast', time, { ns: { 'cpu.integer': 1 } });
    const slow = new FakeEngine('slow', time, { ns: { 'cpu.integer': 1000 } });
    await suite(time, [fast, slow], { workloads: [workload('cpu.integer')], roundNs: 20e6 });
    expect(fast.commandLines.at(-1)).toBe('cpu.integer=20000000');
    expect(slow.commandLines.at(-1)).toBe('cpu.integer=20000');
  });

  it('makes a round longer where the budget allows it, up to 200 ms', async () => {
    const counts: (string | undefined)[] = [];
    for (const budgetS of [1, 5, 1000]) {
      const time = new FakeTime();
      const engine = new FakeEngine('fast', time, { ns: { 'cpu.integer': 1000 } });
      const { signal } = new AbortController();
      await runSuite({ engines: [engine], workloads: [workload('cpu.integer')], budgetS, now: time.now, signal });
      counts.push(engine.commandLines.at(-1));
    }
    expect(counts).toEqual(['cpu.integer=25000', 'cpu.integer=125000', 'cpu.integer=200000']);
  });

  it('runs a workload that uses up memory always as often as its count says', async () => {
    const time = new FakeTime();
    const engine = new FakeEngine('fast', time, { ns: { 'memory.first-touch': 1 } });
    await suite(time, [engine], { workloads: [workload('memory.first-touch')], roundNs: 20e6 });
    expect(new Set(engine.commandLines)).toEqual(new Set(['memory.first-touch=2048']));
    expect(engine.commandLines.length).toBeGreaterThan(1);
  });

  it('runs once more what took too little time to be seen, though its time is over', async () => {
    const time = new FakeTime();
    const cold = { below: workload('cpu.integer').firstCount + 1, factor: 0 };
    const engine = new FakeEngine('fast', time, {
      ns: { 'cpu.integer': 7, 'memory.re-touch': 3 },
      startNs: 20e9,
      cold,
    });
    const { engines } = await suite(time, [engine], {
      workloads: ['cpu.integer', 'memory.re-touch'].map(workload),
    });
    expect(engine.commandLines).toHaveLength(2);
    expect(engine.commandLines[1]).toMatch(/^cpu\.integer=\d+$/);
    expect(engines[0]?.cells['cpu.integer']).toMatchObject({ outcome: 'measured', ns: 7 });
    expect(engines[0]?.cells['memory.re-touch']).toMatchObject({ outcome: 'measured', ns: 3 });
  });

  it('gives an emulator that compiles as it goes enough of a workload for that', async () => {
    const time = new FakeTime();
    const cold = { below: 70_000, factor: 40 };
    const engine = new FakeEngine('compiles', time, { ns: { 'cpu.integer': 50 }, cold });
    const { engines } = await suite(time, [engine], { workloads: [workload('cpu.integer')], roundNs: 20e6 });
    expect(engines[0]?.cells['cpu.integer']).toMatchObject({ outcome: 'measured', ns: 50 });
  });

  it('warms an engine up by as many exits as it needs, within two seconds, and counts by what it takes then', async () => {
    const time = new FakeTime();
    const ns = { 'exits.out': 50e3, 'exits.string-out': 2e6, 'exits.cpuid': 30e3 };
    const cold = { below: 3000, factor: 5, warmUp: true };
    const engine = Object.assign(new FakeEngine('compiles', time, { ns, cold }), { warmUpExits: 5000 });
    const workloads = Object.keys(ns).map(workload);
    const { engines } = await suite(time, [engine], { workloads, roundNs: 20e6, budgetS: 1000 });
    expect(engine.commandLines.at(-1)).toBe('exits.out=400/5000 exits.string-out=2/200 exits.cpuid=133');
    expect(engines[0]?.cells['exits.out']).toMatchObject({ outcome: 'measured', ns: 50e3 });
  });

  it('gives a workload more iterations where its calibration was held up', async () => {
    const time = new FakeTime();
    const ns = { 'cpu.integer': 1000 };
    const engine = new FakeEngine('fast', time, { ns });
    const launch = engine.launch.bind(engine);
    engine.launch = (start, signal) => {
      ns['cpu.integer'] = engine.launches === 0 ? 4000 : 1000;
      return launch(start, signal);
    };
    await suite(time, [engine], { workloads: [workload('cpu.integer')], roundNs: 20e6 });
    expect(engine.commandLines).toEqual([20000, 5000, 20000, 20000].map((count) => `cpu.integer=${count}`));
  });

  it('says why an engine is missing, in each of its cells', async () => {
    const time = new FakeTime();
    const { engines } = await suite(time, [new FakeEngine('qemu-kvm', time, { ns: NS, missing: 'no /dev/kvm' })]);
    for (const name of NAMES) expect(engines[0]?.cells[name]).toEqual({ outcome: 'missing', why: 'no /dev/kvm' });
  });

  it('keeps what goes wrong in its own cell: a wrong checksum, rubbish, a crash, a workload that is not there', async () => {
    const wrong = (text: string) => (name: string) => (name === 'cpu.integer' ? text : undefined);
    const broken = [
      [wrong('cpu.integer 1000 00000000 5'), 'failed', /checksum is 00000000|no result/],
      [wrong('%%% \u0000\u0007 rubbish'), 'failed', /no result|not end/],
      [wrong('crash'), 'failed', /the engine ended with status 139/],
      [wrong('cpu.integer unsupported no such instruction'), 'unsupported', /no such instruction/],
    ] as const;
    for (const [instead, outcome, why] of broken) {
      const time = new FakeTime();
      const { engines } = await suite(time, [
        new FakeEngine('broken', time, { ns: NS, instead }),
        new FakeEngine('sound', time, { ns: NS }),
      ]);
      const cell = engines[0]?.cells['cpu.integer'];
      expect(cell?.outcome).toBe(outcome);
      expect(cell !== undefined && 'why' in cell && cell.why).toMatch(why);
      for (const name of ['exits.out', 'cpu.branchy']) expect(engines[0]?.cells[name]?.outcome).toBe('measured');
      for (const name of NAMES) expect(engines[1]?.cells[name]?.outcome).toBe('measured');
    }
  });

  it('ends an engine that hangs, and runs the others', async () => {
    const time = new FakeTime();
    const instead = (name: string) => (name === 'cpu.integer' ? 'hang' : undefined);
    const { engines } = await suite(
      time,
      [new FakeEngine('hangs', time, { ns: NS, instead }), new FakeEngine('sound', time, { ns: NS })],
      { launchTimeoutMs: 50 },
    );
    const cell = engines[0]?.cells['cpu.integer'];
    expect(cell !== undefined && 'why' in cell && cell.why).toMatch(/the engine had not ended after 0.05 s/);
    expect(engines[0]?.cells['cpu.branchy']?.outcome).toBe('measured');
    for (const name of NAMES) expect(engines[1]?.cells[name]?.outcome).toBe('measured');
  });

  it('spends no more than its budget, and says what it had none left for', async () => {
    const time = new FakeTime();
    const engines = ['a', 'b'].map((name) => new FakeEngine(name, time, { ns: NS, startNs: 3e9 }));
    const result = await suite(time, engines, { budgetS: 20 });
    expect(time.ns / 1e9).toBeLessThan(26);
    expect(result.rounds).toBeGreaterThan(0);
    const late = new FakeTime();
    const none = await suite(late, [new FakeEngine('slow', late, { ns: NS, startNs: 30e9 })], { budgetS: 10 });
    expect(none.engines[0]?.cells['cpu.integer']?.outcome).toMatch(/over budget|measured/);
  });

  it('stops where it is told to', async () => {
    const time = new FakeTime();
    const controller = new AbortController();
    const engine = new FakeEngine('a', time, { ns: NS });
    const launch = engine.launch.bind(engine);
    engine.launch = (line, signal) => {
      controller.abort(new Error('enough'));
      return launch(line, signal);
    };
    await expect(suite(time, [engine], { signal: controller.signal })).rejects.toThrow('enough');
    expect(engine.launches).toBe(1);
  });
});

describe('when a byte came', () => {
  it('is when the piece came that it is in', () => {
    const launch: Launch = { text: 'abcdef', ends: [2, 5, 6], timesNs: [10, 20, 30], failure: undefined };
    expect([1, 2, 3, 5, 6].map((place) => arrivalOf(launch, place))).toEqual([10, 10, 20, 20, 30]);
  });
});
