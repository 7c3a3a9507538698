import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readBenchResult } from '../../src/bench/result.js';
import { ensurePackages } from '../../src/setup/packages.js';
import { Run } from './command.js';

/** `vmlaunch bench` with engines that every machine has. */
let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-suite-'));
  await ensurePackages(['qemu-system-x86'], () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const WORKLOADS = ['--workloads', 'exits.out,cpu.integer'];

it('[emulators] vmlaunch bench gives each engine a figure or a reason, and all samples as JSON', async () => {
  const file = path.join(directory, 'result.json');
  const workloads = 'exits.out,cpu.integer,boot.first-instruction,boot.hello';
  const engineNames = ['native', 'qemu-tcg', 'bochs', 'v86'];
  const argv = ['--engines', engineNames.join(), '--workloads', workloads, '--budget', '20', '--json', file];
  using command = new Run(argv, { command: 'bench' });
  const { status, stdout, stderr } = await command.ended();
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^exits\.out .*\n {2}qemu-tcg +[\d.]+ \S+s .* reference /m);
  expect(stdout).toMatch(/^ {2}no figure: native \[1\]$/m);
  const { engines, rounds } = readBenchResult(file);
  expect(rounds).toBeGreaterThan(0);
  expect(engines.map(({ name }) => name)).toEqual(engineNames);
  for (const { name, cells } of engines) {
    for (const [workload, cell] of Object.entries(cells)) {
      if (name === 'native' && workload !== 'cpu.integer') {
        expect(cell.outcome).toBe('unsupported');
        continue;
      }
      if (cell.outcome !== 'measured') throw new Error(`${name}, ${workload}: ${cell.why}`);
      // On a busy machine both ends of a workload may come in one piece: then the round has no time of it.
      if (workload.startsWith('boot.')) expect(cell.samples).toHaveLength(rounds);
      else expect(cell.samples.length).toBeLessThanOrEqual(rounds);
      expect(cell.median).toBeGreaterThan(0);
    }
  }
});

it('[qemu] vmlaunch bench leaves no engine behind when it is stopped', async () => {
  const argv = ['--engines', 'qemu-tcg', ...WORKLOADS, '--budget', '60'];
  using command = new Run(argv, { command: 'bench' });
  const isOurs = (pid: string): boolean => {
    try {
      return readlinkSync(`/proc/${pid}/exe`).includes('qemu') && parentOf(pid) === command.process.pid;
    } catch {
      return false;
    }
  };
  const engines = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isOurs(name));
  await expect.poll(engines, { timeout: 30_000 }).toHaveLength(1);
  const [pid = ''] = engines();
  command.process.kill('SIGINT');
  const { status, stderr } = await command.ended();
  expect([status, stderr]).toEqual([130, expect.stringContaining('stopped by SIGINT')]);
  expect(isOurs(pid)).toBe(false);
});

const parentOf = (pid: string): number =>
  Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
