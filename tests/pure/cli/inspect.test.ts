import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Inspection } from '../../../src/boot/inspect.js';
import { main } from '../../../src/cli/main.js';
import { planMachine } from '../../../src/machine/plan-machine.js';
import { bzImage } from '../boot/bzimage.js';
import { elf, imageWith, Memory, multibootHeader } from '../boot/images.js';

let directory = '';
const file = (name: string) => path.join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-inspect-'));
  writeFileSync(file('bzImage'), bzImage());
  writeFileSync(file('multiboot'), imageWith(multibootHeader(1 << 16, [0x100000, 0x100000, 0, 0, 0x100020])));
  writeFileSync(file('broken'), elf({ entry: 0 }));
  writeFileSync(file('module.bin'), 'module');
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

async function vmlaunch(...argv: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const streams = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockReturnValue(true));
  const status = await main(argv);
  const [stdout = '', stderr = ''] = streams.map((spy) => spy.mock.calls.map(([chunk]) => String(chunk)).join(''));
  return { status, stdout, stderr };
}

describe('vmlaunch inspect', () => {
  test('says what an image is, as text and as data', async () => {
    const { status, stdout } = await vmlaunch('inspect', file('bzImage'));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^forms: bzImage, boot-sector$/m);
    expect(stdout).toMatch(/^entered in long mode at 0x1000200$/m);
    vi.restoreAllMocks();
    const json = await vmlaunch('inspect', file('bzImage'), '--json');
    const inspection = JSON.parse(json.stdout) as Inspection;
    expect(inspection.taken).toMatchObject({ form: 'bzImage', isLinux: true, entry: { mode: 'long', rip: 0x1000200 } });
  });

  test('has status 2 for an image that is refused, and says why', async () => {
    const { status, stdout, stderr } = await vmlaunch('inspect', file('broken'));
    expect([status, stderr]).toEqual([2, '']);
    expect(stdout).toMatch(/^refused as elf: the entry 0x0 is in none of the segments/m);
    vi.restoreAllMocks();
    expect(await vmlaunch('inspect', file('missing'))).toMatchObject({ status: 2, stdout: '' });
  });

  test('takes the options of run that concern the image', async () => {
    const modules = ['--module', `${file('module.bin')} a b`, '--module', file('module.bin')];
    const { status, stdout } = await vmlaunch('inspect', file('multiboot'), '--memory', '16M', ...modules);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^0x101000 {2}0x101005 .* module 1$/m);
    expect(stdout).toMatch(/^0x102000 {2}0x102005 .* module 2$/m);
    vi.restoreAllMocks();
    const refused = await vmlaunch('inspect', file('multiboot'), '--form', 'pvh');
    expect([refused.status, refused.stdout]).toEqual([
      2,
      expect.stringMatching(/^refused as pvh: .*it lacks an ELF note/m),
    ]);
  });
});

test('a module is known to its kernel by its file, without the directory', () => {
  const modules = [{ file: file('module.bin'), commandLine: 'a b' }];
  const { plan } = planMachine({ image: file('multiboot'), modules });
  const memory = new Memory(plan);
  const list = memory.u32((plan.entry.registers?.rbx ?? 0) + 24);
  expect(memory.text(memory.u32(list + 8))).toBe('module.bin a b');
});
