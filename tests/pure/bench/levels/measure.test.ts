import { describe, expect, it } from 'vitest';
import { type EngineFigures, type MeasureOptions, measureLevels } from '../../../../src/bench/levels/measure.js';
import { checksumOf, PART_NAMES, type PartName } from '../../../../src/bench/levels/parts.js';
import { FakeEngine, FakeTime } from './fake-engine.js';

const ROUND_NS = 1e6;

function measure(time: FakeTime, engines: readonly FakeEngine[], options: Partial<MeasureOptions> = {}) {
  const signal = new AbortController().signal;
  return measureLevels({ engines, budgetS: 10, roundNs: ROUND_NS, now: time.now, signal, ...options });
}

const slower = (factor: number): Record<PartName, number> => ({
  cpu: 4 * factor,
  calls: 100 * factor,
  files: 1000 * factor,
});

function speedOf({ parts }: EngineFigures, part: PartName): number | undefined {
  const cell = parts[part];
  return cell.outcome === 'measured' ? cell.speed?.median : undefined;
}

describe('the method of vmlaunch bench levels', () => {
  it('gives the speed of each part relative to the first engine, in turns, and stops when that is exact', async () => {
    const time = new FakeTime();
    const engines = ['native', 'b', 'c'].map((name, i) => new FakeEngine(name, time, { ns: slower(4 ** i) }));
    const { rounds, engines: figures } = await measure(time, engines);
    expect(rounds).toBe(5);
    for (const [i, one] of figures.entries()) {
      expect([one.name, one.version]).toEqual([engines[i]?.name, '1.0']);
      for (const part of PART_NAMES) {
        expect(speedOf(one, part)).toBeCloseTo(4 ** -i, 10);
        const cell = one.parts[part];
        expect(cell.outcome === 'measured' && cell.samples.map(({ round }) => round)).toEqual([0, 1, 2, 3, 4]);
      }
    }
  });

  it('gives each part as many iterations as take a round’s time there', async () => {
    const time = new FakeTime();
    const fast = new FakeEngine('fast', time, { ns: slower(1) });
    const slow = new FakeEngine('slow', time, { ns: slower(1000) });
    await measure(time, [fast, slow]);
    expect(fast.asked.slice(-3)).toEqual(['cpu 250000', 'calls 10000', 'files 1000']);
    expect(slow.asked.slice(-3)).toEqual(['cpu 250', 'calls 10', 'files 1']);
  });

  it('starts what starts quickly several times, and what boots once', async () => {
    const time = new FakeTime();
    const quick = new FakeEngine('quick', time, { startNs: 3e6 });
    const slow = new FakeEngine('slow', time, { startNs: 60e9 });
    const { engines } = await measure(time, [quick, slow], { budgetS: 1 });
    expect(engines.map(({ start }) => start)).toEqual([
      { outcome: 'measured', ns: 3e6, samples: [3e6, 3e6, 3e6, 3e6, 3e6] },
      { outcome: 'measured', ns: 60e9, samples: [60e9] },
    ]);
    expect([quick.starts, slow.starts, quick.running, slow.running]).toEqual([5, 1, 0, 0]);
  });

  it('keeps what goes wrong in its own cells', async () => {
    const time = new FakeTime();
    const native = new FakeEngine('native', time);
    const broken = [
      new FakeEngine('absent', time, { missing: 'there is none' }),
      new FakeEngine('mute', time, { greeting: 'panic\n' }),
      new FakeEngine('wrong', time, { instead: (part, n) => (part === 'calls' ? `calls failed ${n}\n` : undefined) }),
      new FakeEngine('crash', time, { instead: (part) => (part === 'calls' ? 'end' : undefined) }),
    ];
    const { engines } = await measure(time, [native, ...broken], { startLimitMs: 50 });
    const words = engines.map(({ parts }) =>
      PART_NAMES.map((part) => {
        const cell = parts[part];
        return cell.outcome === 'measured' ? 'measured' : `${cell.outcome}: ${cell.why}`;
      }),
    );
    const mute = 'failed: no answer for 0.05 s; its last line: panic';
    const crashed = 'failed: ended with status 139; its last line: begin calls 500';
    expect(words).toEqual([
      ['measured', 'measured', 'measured'],
      ['missing: there is none', 'missing: there is none', 'missing: there is none'],
      [mute, mute, mute],
      ['measured', expect.stringMatching(/^failed: \d+$/), 'measured'],
      [crashed, crashed, crashed],
    ]);
    expect(engines.map(({ start }) => start.outcome)).toEqual([
      'measured',
      'missing',
      'failed',
      'measured',
      'measured',
    ]);
    expect([native, ...broken].map(({ running }) => running)).toEqual([0, 0, 0, 0, 0]);
  });

  it('keeps what was measured before a crash', async () => {
    const time = new FakeTime();
    const crash = new FakeEngine('crash', time, { instead: (_part, asked) => (asked > 20 ? 'end' : undefined) });
    const { rounds, engines } = await measure(time, [new FakeEngine('native', time), crash]);
    expect(rounds).toBe(5);
    const outcomes = PART_NAMES.map((part) => engines[1]?.parts[part].outcome);
    expect(outcomes.filter((outcome) => outcome === 'failed')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'measured')).toHaveLength(2);
  });

  it('has figures, and no speeds, without the first engine', async () => {
    const time = new FakeTime();
    const engines = [new FakeEngine('native', time, { missing: 'not built' }), new FakeEngine('b', time)];
    const { engines: figures } = await measure(time, engines);
    expect(figures[1]?.parts.cpu).toMatchObject({ outcome: 'measured', speed: null });
  });

  it('tells by how much an engine’s clock is wrong, where it was asked for long enough', async () => {
    const time = new FakeTime();
    const ns = slower(1000);
    const pair = [new FakeEngine('native', time, { ns }), new FakeEngine('b', time, { ns, clock: 0.25 })];
    const { engines } = await measure(time, pair, { roundNs: 1e9 });
    expect(engines.map(({ clock }) => clock)).toEqual([1, expect.closeTo(0.25, 6)]);
    const short = await measure(time, pair, { roundNs: 1e6 });
    expect(short.engines.map(({ clock }) => clock)).toEqual([null, null]);
  });

  it('takes a count for enough only when it was so twice', async () => {
    const time = new FakeTime();
    const slowAtFirst = new FakeEngine('slow at first', time, {
      instead: (part, asked) =>
        asked === 1 ? `${part} 500 ${checksumOf('cpu', 500)} ${ROUND_NS} ${ROUND_NS}\n` : undefined,
    });
    await measure(time, [slowAtFirst]);
    expect(slowAtFirst.asked.at(-3)).toBe('cpu 250000');
  });

  it('spends no more than its budget on rounds, and makes at least one', async () => {
    const time = new FakeTime();
    let asked = 0;
    const noisy = new FakeEngine('noisy', time, {
      instead: () => {
        time.ns += ++asked % 2 === 0 ? 1e8 : 0;
        return undefined;
      },
    });
    const result = await measure(time, [new FakeEngine('native', time), noisy], { budgetS: 2 });
    expect(time.ns / 1e9).toBeLessThan(2.5);
    expect(result.rounds).toBeGreaterThan(0);
    const none = await measure(time, [new FakeEngine('native', time)], { budgetS: 0 });
    expect([none.rounds, none.engines[0]?.parts.cpu.outcome]).toEqual([1, 'measured']);
  });

  it('stops where it is told to, with nothing left', async () => {
    const time = new FakeTime();
    const controller = new AbortController();
    const engine = new FakeEngine('a', time, {
      instead: (_part, asked) => {
        if (asked === 5) controller.abort(new Error('enough'));
        return undefined;
      },
    });
    await expect(measure(time, [engine], { signal: controller.signal })).rejects.toThrow('enough');
    expect(engine.running).toBe(0);
  });
});
