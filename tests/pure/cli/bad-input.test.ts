import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { main } from '../../../src/cli/main.js';

let directory = '';
const file = (name: string) => path.join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bad-input-'));
  writeFileSync(file('empty'), '');
  writeFileSync(file('flat'), Uint8Array.of(0xf4));
  writeFileSync(file('elf'), '\x7fELF and no more');
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

test.each([
  ['no image', () => ['run']],
  ['a missing image', () => ['run', file('missing')]],
  ['an empty image', () => ['run', file('empty')]],
  ['a directory as image', () => ['run', directory]],
  ['a form that is not supported', () => ['run', file('elf')]],
  ['no memory', () => ['run', file('flat'), '--memory', '0']],
  ['too much memory', () => ['run', file('flat'), '--memory', '1T']],
  ['memory that is no size', () => ['run', file('flat'), '--memory', 'plenty']],
  ['a font that is missing', () => ['run', file('flat'), '--screenshot', file('png'), '--font', file('missing')]],
  ['a font of another size', () => ['run', file('flat'), '--screenshot', file('png'), '--font', file('flat')]],
  ['an unknown option', () => ['run', file('flat'), '--frobnicate']],
  ['an unknown host', () => ['run', file('flat'), '--host', 'moon']],
  ['an unknown feature', () => ['run', file('flat'), '--without', 'warp']],
  ['an unknown command', () => ['frobnicate']],
] as const)('%s: status 2 and one line on stderr', async (_what, argv) => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(await main(argv())).toBe(2);
  const text = stderr.mock.calls.map(([chunk]) => String(chunk)).join('');
  expect(text).toMatch(/^vmlaunch: [^\n]+\n$/);
  expect(stdout).not.toHaveBeenCalled();
});
