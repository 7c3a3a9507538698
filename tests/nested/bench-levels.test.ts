import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEVELS, type LevelsResult } from '../../src/bench/levels/levels.js';
import { PART_NAMES } from '../../src/bench/levels/parts.js';
import { levelsTable } from '../../src/cli/bench-levels-table.js';
import { levelsGuest } from '../../src/cli/levels-guest.js';
import { prepareHost } from '../../src/host/prepare.js';
import { localFlavour } from '../../src/kvm/flavour.js';
import { ensurePackages } from '../../src/setup/packages.js';
import { Run } from './command.js';

let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-levels-'));
  await ensurePackages(['qemu-system-x86', 'qemu-user-static'], () => {});
  await levelsGuest(() => {});
  await prepareHost('svm', () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Row = LevelsResult['levels'][number];

/** `measured`, or the reason of each part that has none. */
const outcomeOf = ({ parts }: Row): string => {
  const reasons = PART_NAMES.flatMap((part) => {
    const cell = parts[part];
    return cell.outcome === 'measured' ? [] : [`${cell.outcome}: ${cell.why}`];
  });
  return reasons.length === 0 ? 'measured' : reasons.join('; ');
};

/** Runs it, and gives what each engine's row has come to. */
async function levels(host: string, budgetS: number) {
  const file = path.join(directory, `${host}.json`);
  using command = new Run(['levels', '--host', host, '--budget', `${budgetS}`, '--json', file], { command: 'bench' });
  const { status, stdout, stderr } = await command.ended();
  expect(status, stderr).toBe(0);
  const result = JSON.parse(readFileSync(file, 'utf8')) as LevelsResult;
  expect(Buffer.from(stdout, 'latin1').toString()).toBe(
    levelsTable(result, { colour: false, ascii: false, columns: 80 }),
  );
  expect(result.rounds).toBeGreaterThan(0);
  expect(result.levels.map(({ engine }) => engine)).toEqual(LEVELS.map(({ engine }) => engine));
  const [native] = result.levels;
  for (const part of PART_NAMES) {
    expect(native?.parts[part]).toMatchObject({ speed: { median: 1, interval: { low: 1, high: 1 } } });
  }
  return { result, outcomes: Object.fromEntries(result.levels.map((row) => [row.engine, outcomeOf(row)])) };
}

const NOT_PERMITTED =
  /^(measured|failed: .*\((no namespaces may be made|a tmpfs|\/proc\/\S+): .*(permitted|denied)\).*)$/;
const hasJava = (process.env.PATH ?? '').split(':').some((place) => existsSync(path.join(place, 'java')));

it('[qemu] vmlaunch bench levels measures here what needs no KVM, and has reasons for the rest', async () => {
  const { outcomes } = await levels('local', 3);
  const { flavour } = localFlavour();
  const hasVirtualization = flavour === 'kvm_intel' || flavour === 'kvm_amd';
  expect(outcomes).toEqual({
    native: 'measured',
    jvm: hasJava ? 'measured' : expect.stringContaining('there is no java on the PATH'),
    wine: expect.stringContaining("missing: not measured: it runs Windows's programs"),
    container: expect.stringMatching(NOT_PERMITTED),
    vmlaunch: hasVirtualization ? 'measured' : expect.stringMatching(/^missing: .*(kvm_pvm|\/dev\/kvm)/),
    'qemu-user': 'measured',
    'qemu-tcg': 'measured',
  });
});

it('[svm] vmlaunch bench levels has a figure or a reason for each level, where the native program is on a nested host', async () => {
  const { result, outcomes } = await levels('svm', 10);
  expect(result.host).toMatchObject({ kind: 'svm', flavour: 'kvm_amd' });
  expect(outcomes).toEqual({
    native: 'measured',
    jvm: expect.stringContaining('missing: no JVM is taken into a nested host'),
    wine: expect.stringContaining('missing: not measured'),
    container: 'measured',
    vmlaunch: 'measured',
    'qemu-user': 'measured',
    // An emulator on an emulator may take longer to boot Linux than it is given.
    'qemu-tcg': expect.stringMatching(/^measured$|^failed: no answer for 60 s/),
  });
  const guest = result.levels.find(({ engine }) => engine === 'vmlaunch');
  expect(guest?.start.outcome === 'measured' && guest.start.ns).toBeGreaterThan(0);
});

it('[qemu] vmlaunch bench levels leaves nothing behind when it is stopped', async () => {
  const before = [readFileSync('/proc/self/mounts', 'utf8'), ...readdirSync('/dev/shm')];
  using command = new Run(['levels', '--host', 'local', '--budget', '60'], { command: 'bench' });
  const ofIt = () => descendants(command.process.pid ?? 0);
  await expect.poll(() => /^vmlaunch: round 2,/m.test(command.stderr), { timeout: 120_000 }).toBe(true);
  const engines = ofIt();
  expect(engines.length).toBeGreaterThan(3);
  command.process.kill('SIGINT');
  const { status, stderr } = await command.ended();
  expect([status, stderr]).toEqual([130, expect.stringContaining('stopped by SIGINT')]);
  // One whose parent has ended first goes when init has been told.
  const isThere = (pid: number): boolean => existsSync(`/proc/${pid}`);
  await expect.poll(() => engines.filter(isThere), { timeout: 30_000 }).toEqual([]);
  expect([readFileSync('/proc/self/mounts', 'utf8'), ...readdirSync('/dev/shm')]).toEqual(before);
});

/** Processes that it has started, and theirs. */
function descendants(of: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    parents.set(Number(name), parentOf(name));
  }
  const children = (parent: number): number[] =>
    [...parents].flatMap(([pid, its]) => (its === parent ? [pid, ...children(pid)] : []));
  return children(of);
}

function parentOf(pid: string): number {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0; // it has ended
  }
}
