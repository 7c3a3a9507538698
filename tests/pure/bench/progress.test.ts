import { describe, expect, it } from 'vitest';
import { BenchProgress } from '../../../src/cli/bench-progress.js';

function progressOn(columns: number | undefined) {
  const written: string[] = [];
  const time = { s: 5 };
  const progress = new BenchProgress({
    write: (text) => void written.push(text),
    columns,
    now: () => time.s * 1e9,
    budgetS: 120,
  });
  return { progress, written, time };
}

describe('the progress of bench', () => {
  it('on a terminal is one line that is painted anew, and goes at the end', () => {
    const { progress, written, time } = progressOn(60);
    progress.take({ engine: 'kvm', round: undefined });
    time.s += 34;
    progress.repaint();
    progress.take({ engine: 'qemu-tcg', round: 4 });
    progress[Symbol.dispose]();
    expect(written).toEqual([
      '\r\x1b[Kvmlaunch: calibrating kvm; 0 s gone, at most 120 s left',
      '\r\x1b[Kvmlaunch: calibrating kvm; 34 s gone, at most 86 s left',
      '\r\x1b[Kvmlaunch: round 4: qemu-tcg; 34 s gone, at most 86 s left'.slice(0, 4 + 59),
      '\r\x1b[K',
    ]);
  });

  it('elsewhere is a line for each calibration, and for a round every ten seconds', () => {
    const { progress, written, time } = progressOn(undefined);
    for (const engine of ['kvm', 'qemu-tcg']) progress.take({ engine, round: undefined });
    for (let round = 1; round <= 30; round++) {
      for (const engine of ['kvm', 'qemu-tcg']) {
        progress.take({ engine, round });
        time.s += 0.5;
      }
    }
    time.s += 200;
    progress.take({ engine: 'kvm', round: 31 });
    progress[Symbol.dispose]();
    expect(written).toEqual([
      'vmlaunch: calibrating kvm; 0 s gone, at most 120 s left\n',
      'vmlaunch: calibrating qemu-tcg; 0 s gone, at most 120 s left\n',
      'vmlaunch: round 1; 0 s gone, at most 120 s left\n',
      'vmlaunch: round 11; 10 s gone, at most 110 s left\n',
      'vmlaunch: round 21; 20 s gone, at most 100 s left\n',
      'vmlaunch: round 31; 230 s gone, at most 0 s left\n',
    ]);
  });

  it('that was told of nothing leaves the terminal alone', () => {
    const { progress, written } = progressOn(80);
    progress.repaint();
    progress[Symbol.dispose]();
    expect(written).toEqual([]);
  });
});
