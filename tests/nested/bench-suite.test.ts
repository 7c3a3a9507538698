import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
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
/** Also where there is no KVM, whose place a nested host would else take, with the emulators in it. */
const HERE = ['--host', 'local'];

it('[emulators] vmlaunch bench gives each engine a figure or a reason, and all samples as JSON', async () => {
  const file = path.join(directory, 'result.json');
  const workloads = 'exits.out,cpu.integer,boot.first-instruction,boot.hello';
  const engineNames = ['native', 'qemu-tcg', 'bochs', 'v86'];
  const argv = [...HERE, '--engines', engineNames.join(), '--workloads', workloads, '--budget', '20', '--json', file];
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
      // The last round may be cut short, and where both ends of a workload come in one piece a round has no time of it.
      expect(cell.samples.length).toBeLessThanOrEqual(rounds);
      expect(cell.median).toBeGreaterThan(0);
    }
  }
});

for (const engine of ['qemu-tcg', 'bochs', 'v86']) {
  it(`[emulators] vmlaunch bench leaves no ${engine} behind when it is stopped`, async () => {
    using command = new Run([...HERE, '--engines', engine, ...WORKLOADS, '--budget', '60'], { command: 'bench' });
    // Past what it asks the engines for their versions by.
    await expect.poll(() => command.stderr, { timeout: 30_000 }).toContain('round 1');
    const pid = await vi.waitFor(() => {
      const [child] = childrenOf(command.process.pid);
      if (child === undefined) throw new Error('no engine runs');
      return child;
    }, 30_000);
    command.process.kill('SIGINT');
    const { status, stderr } = await command.ended();
    expect([status, stderr]).toEqual([130, expect.stringContaining('stopped by SIGINT')]);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
}

function childrenOf(parent: number | undefined): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === parent);
}

/** Undefined where it has ended. */
function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}
