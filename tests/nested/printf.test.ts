import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { HostKind } from '../../src/host/kind.js';
import { printfPage } from '../../src/trace/printf/page.js';
import type { PrintfResult } from '../../src/trace/printf/result.js';
import { printfText } from '../../src/trace/printf/text.js';
import { ROOT } from './host-support.js';

const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-printf-'));
afterAll(() => rmSync(directory, { recursive: true }));

const LINE = 'hello, world, from ring 3\n';

async function printf(host: HostKind, ...argv: readonly string[]): Promise<{ stdout: string; result: PrintfResult }> {
  const json = join(directory, `${host}.json`);
  const words = [join(ROOT, 'dist/bundle/vmlaunch.cjs'), 'printf', '--host', host, '--json', json, ...argv];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return { stdout, result: JSON.parse(readFileSync(json, 'utf8')) as PrintfResult };
}

describe('[svm] vmlaunch printf', () => {
  it('prints the guest’s line and what was measured, and writes the same as data and as a page', async () => {
    const html = join(directory, 'printf.html');
    const { stdout, result } = await printf('svm', '--html', html, '--lang', 'zh');
    expect(result).toMatchObject({ host: 'svm', flavour: 'kvm_amd', output: LINE });
    expect(stdout).toBe(LINE + printfText(result, { language: 'zh', colour: false, columns: 80 }));
    expect(readFileSync(html, 'utf8')).toBe(printfPage(result, 'zh'));
  });
});

describe('[vtx] vmlaunch printf', () => {
  it('repeats to the nanosecond', async ({ skip }) => {
    if (process.env.VMLAUNCH_LONG !== '1') skip('takes minutes: only with npm run test:long');
    const [first, second] = [await printf('vtx', '--no-text'), await printf('vtx', '--no-text')];
    expect(first.stdout).toBe(LINE);
    expect(second).toEqual(first);
  });
});
