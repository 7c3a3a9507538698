import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HDR } from '../../src/boot/linux-header.js';
import { extractVmlinux } from '../../src/boot/vmlinux.js';
import { decompress } from '../../src/machine/decompress.js';
import { type DemoGuest, demoGuest } from '../../src/setup/demo.js';
import { run } from './command.js';

const MINUTES = 60_000;
const XLF_KERNEL_64 = 1 << 0;

let guest: DemoGuest;
let directory = '';
const file = (name: string) => path.join(directory, name);

beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-forms-'));
  guest = await demoGuest(() => {});
  const bzImage = readFileSync(guest.kernel);
  writeFileSync(file('vmlinux'), extractVmlinux(bzImage, decompress));
  writeFileSync(file('bzImage'), bzImage);
  // What such a kernel has beside its 64-bit entry: the 32-bit one, as 32-bit kernels have it alone.
  bzImage.writeUInt8(bzImage.readUInt8(HDR.xloadflags) & ~XLF_KERNEL_64, HDR.xloadflags);
  writeFileSync(file('bzImage32.gz'), gzipSync(bzImage, { level: 1 }));
}, 5 * MINUTES);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('[svm] the unmodified Debian kernel', () => {
  test.each([
    ['through its PVH entry', 'vmlinux', 'pvh'],
    ['as an ELF64 executable', 'vmlinux', 'elf'],
    ['through its 32-bit entry, packed with gzip', 'bzImage32.gz', 'bzImage'],
    ['unpacking itself', 'bzImage', 'bzImage', '--no-unpack'],
  ])('%s boots to /init and powers off', { timeout: 5 * MINUTES }, async (_, name, form, ...more) => {
    const options = [...more, '--form', form, '--initrd', guest.initrd, '--append', guest.commandLine, '--host', 'svm'];
    const { status, stdout, stderr } = await run([file(name), ...options]);
    expect(stdout, stderr).toContain('Hello from Linux inside vmlaunch.');
    expect(status).toBe(0);
  });
});
