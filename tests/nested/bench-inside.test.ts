import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BenchResult, readBenchResult } from '../../src/bench/result.js';
import { ENGINE_NAMES } from '../../src/cli/bench-engines.js';
import type { HostKind } from '../../src/host/kind.js';
import { FLAVOUR, Run } from './command.js';

let directory = '';
let next = 0;
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-inside-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The whole suite in a nested host, with every engine in it. */
async function bench(kind: HostKind, ...argv: string[]): Promise<BenchResult> {
  const file = path.join(directory, `${next++}.json`);
  using command = new Run(['--host', kind, '--no-text', '--json', file, ...argv], { command: 'bench' });
  const { status, stderr } = await command.ended();
  expect(status, stderr).toBe(0);
  const result = readBenchResult(file);
  expect(result.host).toMatchObject({ kind, flavour: FLAVOUR[kind] });
  return result;
}

/** `measured`, or why not, of each engine. */
const outcomesOf = ({ engines }: BenchResult, workload: string) =>
  Object.fromEntries(
    engines.map(({ name, cells }) => {
      const cell = cells[workload];
      return [name, cell?.outcome === 'measured' ? 'measured' : `${cell?.outcome}: ${cell?.why}`];
    }),
  );

const allMeasuredBut = (others: Readonly<Record<string, unknown>>) => ({
  ...Object.fromEntries(ENGINE_NAMES.map((name) => [name, 'measured'])),
  ...others,
});

it('[svm] vmlaunch bench measures every engine on one processor, in a nested host', async () => {
  const result = await bench('svm', '--workloads', 'exits.out,cpu.integer,boot.hello', '--budget', '60');
  expect(result.unit).toBe('ns');
  expect(outcomesOf(result, 'cpu.integer')).toEqual(allMeasuredBut({}));
  for (const workload of ['exits.out', 'boot.hello']) {
    expect(outcomesOf(result, workload)).toEqual(allMeasuredBut({ native: expect.stringMatching(/^unsupported: /) }));
  }
});

it('[vtx] vmlaunch bench counts instructions, the same in every run', async () => {
  const argv = ['--engines', 'native,kvm,qemu-tcg', '--workloads', 'exits.out,cpu.integer', '--budget', '12'];
  const first = await bench('vtx', ...argv);
  const second = await bench('vtx', ...argv);
  expect(first.unit).toBe('instructions');
  expect(outcomesOf(first, 'cpu.integer')).toEqual({ native: 'measured', kvm: 'measured', 'qemu-tcg': 'measured' });
  expect(second.engines).toEqual(first.engines);
});
