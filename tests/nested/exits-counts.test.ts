import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOST_KINDS } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { type DemoGuest, demoGuest } from '../../src/setup/demo.js';
import type { ExitSummary } from '../../src/trace/summary.js';
import { type Outcome, Run } from './command.js';
import { ROOT } from './host-support.js';

/**
 * What `vmlaunch exits` counts: of Linux, whose exits are of every kind; and on vtx of one run as of the other, with the
 * guest's time split by ring, since it stamps its own ways between them.
 */
const WAIT = { timeout: 15 * 60_000 };

let directory = '';
let demo: DemoGuest;
beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-counts-'));
  demo = await demoGuest(() => {});
  for (const kind of HOST_KINDS) await prepareHost(kind, () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function counted(name: string, argv: readonly string[]): Promise<Outcome & { report: ExitSummary }> {
  const file = path.join(directory, `${name}.json`);
  using command = new Run([...argv, `--report=${file}`], { command: 'exits' });
  const outcome = await command.ended();
  return { ...outcome, report: JSON.parse(readFileSync(file, 'utf8')) as ExitSummary };
}

describe.each(HOST_KINDS)('[%s] the exits of Linux', (kind) => {
  it('are as many as KVM counts: recorded − continued + kept by KVM', WAIT, async () => {
    const guest = [demo.kernel, `--initrd=${demo.initrd}`, `--append=${demo.commandLine}`];
    const { status, stdout, stderr, report } = await counted(`linux-${kind}`, [...guest, '--host', kind]);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('Hello from Linux inside vmlaunch.');
    const { recorded, continued, lost, kvm, byHardwareReason = {} } = report;
    expect(lost).toBe(0);
    expect(kvm.keptByKvm).toBeGreaterThan(1000);
    expect(recorded - continued + (kvm.keptByKvm ?? Number.NaN)).toBe(kvm.exits);
    const hardware = Object.values(byHardwareReason).reduce((sum, count) => sum + count, 0);
    expect(hardware).toBe(kvm.exits);
  });
});

describe('[vtx] the exits of a guest', () => {
  it('are the same in every run, and take the same time', WAIT, async () => {
    const argv = [path.join(ROOT, 'build/guest-images/printf.elf'), '--host=vtx', '--clock=fixed'];
    const first = await counted('first', argv);
    const second = await counted('second', argv);
    expect(first.report.recorded).toBeGreaterThan(0);
    expect(second.report).toEqual(first.report);
    const { nonRoot = 0, nonRootRing3 = 0, nonRootRing0 = 0 } = first.report.modes;
    expect(nonRootRing3).toBeGreaterThan(0);
    expect(nonRootRing0).toBeGreaterThan(0);
    expect(Math.abs(nonRootRing3 + nonRootRing0 - nonRoot)).toBeLessThan(0.02 * nonRoot);
  });
});
