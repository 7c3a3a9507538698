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

it('[qemu] vmlaunch bench gives each engine a figure or a reason, and all samples as JSON', async () => {
  const file = path.join(directory, 'result.json');
  const argv = ['--engines', 'native,qemu-tcg', ...WORKLOADS, '--budget', '20', '--json', file];
  using command = new Run(argv, { command: 'bench' });
  const { status, stdout, stderr } = await command.ended();
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/^exits\.out .*\n {2}qemu-tcg +[\d.]+ [nµ]s .* reference .*\n {2}no figure: native \[1\]$/m);
  const { engines, rounds } = readBenchResult(file);
  expect(rounds).toBeGreaterThan(0);
  const [native, qemu] = engines;
  expect(native?.cells['exits.out']?.outcome).toBe('unsupported');
  for (const cell of [native?.cells['cpu.integer'], qemu?.cells['cpu.integer'], qemu?.cells['exits.out']]) {
    if (cell?.outcome !== 'measured') throw new Error(JSON.stringify(cell));
    expect(cell.samples).toHaveLength(rounds);
    expect(cell.median).toBeGreaterThan(0);
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
