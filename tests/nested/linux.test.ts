import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DemoGuest, demoGuest } from '../../src/setup/demo.js';

const COMMAND = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));
const MINUTES = 60_000;

let guest: DemoGuest;
let directory = '';

beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-linux-'));
  guest = await demoGuest(() => {});
}, 5 * MINUTES);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the command as a person would; resolves to its status and standard output. */
async function vmlaunch(...args: readonly string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, output };
}

const boot = (host: string, report: string, append = guest.commandLine) =>
  vmlaunch('run', guest.kernel, '--initrd', guest.initrd, '--append', append, '--host', host, '--report', report);

describe.each([
  ['svm', 'kvm_amd', 'AuthenticAMD'],
  ['vtx', 'kvm_intel', 'GenuineIntel'],
])('[%s] the unmodified Debian kernel', (host, flavour, vendor) => {
  test('boots to /init, sees its hypervisor and powers off by ACPI', { timeout: 5 * MINUTES }, async () => {
    const report = path.join(directory, `${host}.json`);
    const { status, output } = await boot(host, report);
    expect(output).toMatch(new RegExp(`vendor_id\\s*: ${vendor}`));
    expect(output).toMatch(/flags\s*:.* hypervisor /);
    expect(status).toBe(0);
    const written = JSON.parse(readFileSync(report, 'utf8'));
    expect(written).toMatchObject({ host, flavour, end: { reason: 'power-off', status: 0 } });
    expect(written.exits.total).toBeGreaterThan(0);
    expect(written.kvm.exits).toBeGreaterThanOrEqual(written.exits.total);
  });
});

describe('[svm] a kernel that cannot go on', () => {
  test('panics: the machine ends as panic, whether the kernel resets or not', { timeout: 5 * MINUTES }, async () => {
    const report = path.join(directory, 'panic.json');
    const { status } = await boot('svm', report, `${guest.commandLine} rdinit=/missing root=/dev/none panic=-1`);
    expect(status).toBe(12);
    expect(JSON.parse(readFileSync(report, 'utf8')).end.reason).toBe('panic');
  });
});
