import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchCommandLine, withCommandLine } from '../../src/bench/guest-image.js';
import { parseBenchOutput } from '../../src/bench/guest-output.js';
import { HOST_KINDS } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { BOOT_SECTOR_LINES, BOOT_SECTOR_READY, BOOT_SECTOR_SCREEN } from '../machine/guests.js';
import { KERNELS } from '../machine/kernels.js';
import { Run, run, screenText } from './command.js';
import { ROOT } from './host-support.js';

const MINUTES = 60_000;
const BOOT_SECTOR = path.join(ROOT, 'build/guest-images/boot-sector.bin');

/** One of each form that can be: multiboot and PVH. */
const BEHIND_FIRMWARE = ['hello-protected', 'hello-long'];

const directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-firmware-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe.each(HOST_KINDS)('[%s] a boot sector through SeaBIOS', (kind) => {
  beforeAll(async () => {
    await prepareHost(kind, () => {});
  });

  it('prints by int 10h, reads its disk and takes keys, as in QEMU', { timeout: 5 * MINUTES }, async () => {
    using sector = new Run([BOOT_SECTOR, '--host', kind], { stdin: 'pipe' });
    await sector.hasShown(BOOT_SECTOR_READY);
    sector.process.stdin?.write('a');
    await sector.hasShown('key a');
    sector.process.stdin?.end('q');
    const { status, stdout, stderr } = await sector.ended();
    expect(status, stderr).toBe(1);
    const [, lines] = BOOT_SECTOR_SCREEN.exec(screenText(stdout)) ?? [];
    expect(lines, stdout).toBe(BOOT_SECTOR_LINES);
  });
});

describe('[svm] a firmware', () => {
  it('of whoever wrote it is entered at the reset vector', { timeout: 5 * MINUTES }, async () => {
    const rom = path.join(directory, 'halts.rom');
    const bytes = new Uint8Array(0x10000);
    bytes.set([0xfa, 0xf4], 0xfff0); // cli, hlt
    writeFileSync(rom, bytes);
    const { status, stdout } = await run([BOOT_SECTOR, '--firmware', rom, '--host', 'svm']);
    expect([status, stdout]).toEqual([16, '']);
  });
});

describe("[svm] the benchmark's image in place of a firmware", () => {
  it('runs the build that its command line asks for', { timeout: 5 * MINUTES }, async () => {
    const asked = [
      { name: 'exits.out', count: 50 },
      { name: 'cpu.sse', count: 50 },
      { name: 'cpu.context-switches', count: 50 },
    ];
    const rom = path.join(directory, 'bench.img');
    const image = readFileSync(path.join(ROOT, 'build/guest-images/bench.img'));
    writeFileSync(rom, withCommandLine(image, benchCommandLine(asked, { bits: 32 })));
    const { status, stdout, stderr } = await run([BOOT_SECTOR, '--firmware', rom, '--host', 'svm']);
    expect(status, stderr).toBe(1);
    const { bits, bootAt, startAt, results } = parseBenchOutput(stdout, asked);
    expect(results.map(({ outcome }) => outcome)).toEqual(['ran', 'ran', 'ran']);
    expect(bits).toBe(32);
    expect(bootAt).toBeLessThanOrEqual(startAt ?? 0);
  });
});

describe('[svm] a kernel behind SeaBIOS', () => {
  it.each(KERNELS.filter(({ image, cpus }) => BEHIND_FIRMWARE.includes(image) && cpus === undefined))(
    '$image runs as it does without',
    { timeout: 5 * MINUTES },
    async ({ image, commandLine = '', output, status }) => {
      const file = path.join(ROOT, 'build/guest-images', `${image}.elf`);
      const ended = await run([file, '--append', commandLine, '--firmware', 'seabios', '--host', 'svm']);
      expect(ended.stdout.endsWith(output), ended.stdout).toBe(true);
      expect(ended.stdout).toContain('Booting from Floppy');
      expect(ended.status, ended.stderr).toBe(status);
    },
  );
});
