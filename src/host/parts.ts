import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { extractVmlinux } from '../boot/vmlinux.js';
import { messageOf, VmError } from '../errors.js';
import { decompress } from '../machine/decompress.js';
import { buildOnce } from '../setup/cache.js';
import { type Progress, run } from '../setup/command.js';
import type { CpioEntry } from '../setup/cpio.js';
import { busyboxInitramfs } from '../setup/initramfs.js';
import { cloudKernel, type Kernel } from '../setup/kernel.js';
import type { Packages } from '../setup/packages.js';
import { MODULES } from './kind.js';
import type { BootFiles } from './launch.js';
import { sharedLibraries } from './programs.js';
import { projectRoot } from './project.js';

/** The sources of what runs in and around a host. */
const SOURCES = path.join(projectRoot, 'native', 'host');
const source = (name: string): string => path.join(SOURCES, name);
const INIT = source('init');
const RUNNER = source('runner.c');
const SHIM = source('bochs-shim.c');
const LOADER = source('bochs-loader.S');
export const HOST_SOURCES: readonly string[] = [INIT, RUNNER, source('runner-channel.h'), SHIM, LOADER];

/** Bytes of an option ROM, as its header says. */
const ROM_SIZE = 512;

/** An initramfs has these for /init to mount on or link into. */
const MOUNT_POINTS = ['work', 'modules', 'vmlaunch', 'lib64'];

export interface Parts {
  /** Names all that they were made of. */
  readonly key: string;
  readonly boot: BootFiles;
}

/**
 * What both hosts boot from: Debian's kernel without its compression, and an initramfs with Node and the runner.
 * @throws VmError SETUP_FAILED
 */
export async function hostParts(packages: Packages, progress: Progress): Promise<Parts> {
  const kernel = await cloudKernel(progress);
  const key = partsKey(kernel, packages);
  const directory = await buildOnce('host-parts', key, async (building) => {
    progress(`nested hosts: kernel ${kernel.version}, initramfs with Node ${process.version}`);
    fs.writeFileSync(path.join(building, 'vmlinux'), unpackKernel(kernel.bzImage));
    await makeInitramfs(building, kernel, packages);
    await makeBochsParts(building);
  });
  const file = (name: string): string => path.join(directory, name);
  const boot = {
    kernel: file('vmlinux'),
    initramfs: file('initramfs.cpio'),
    loader: file('loader.rom'),
    shim: file('shim.so'),
  };
  return { key, boot };
}

/** The vmlinux in a bzImage file. @throws VmError SETUP_FAILED */
export function unpackKernel(bzImage: string): Uint8Array {
  try {
    return extractVmlinux(fs.readFileSync(bzImage), decompress);
  } catch (error) {
    throw new VmError('SETUP_FAILED', `${bzImage} holds no kernel that can be unpacked: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function partsKey(kernel: Kernel, packages: Packages): string {
  const { size, mtimeMs } = fs.statSync(process.execPath);
  const hash = createHash('sha256').update(
    [kernel.version, fs.statSync(kernel.bzImage).size, packages.versions, process.version, size, mtimeMs].join('\n'),
  );
  for (const source of HOST_SOURCES) hash.update(fs.readFileSync(source));
  return hash.digest('hex').slice(0, 16);
}

async function makeInitramfs(directory: string, kernel: Kernel, packages: Packages): Promise<void> {
  const work = path.join(directory, 'work');
  fs.mkdirSync(work);
  const made = async (name: string, command: string, ...args: string[]): Promise<Uint8Array> => {
    const file = path.join(work, name);
    await run(
      command,
      args.map((arg) => (arg === '@' ? file : arg)),
    );
    return fs.readFileSync(file);
  };
  const program = (file: string, bytes: Uint8Array): CpioEntry => ({ path: file, kind: 'file', mode: 0o755, bytes });
  const entries: CpioEntry[] = [
    ...MOUNT_POINTS.map((name): CpioEntry => ({ path: name, kind: 'directory' })),
    program('bin/runner', await made('runner', 'gcc', '-static', '-O2', '-Wall', '-o', '@', RUNNER)),
    program('bin/node', await made('node', 'strip', '-o', '@', process.execPath)),
  ];
  for (const library of await sharedLibraries(process.execPath)) {
    entries.push(program(library.slice(1), fs.readFileSync(library)));
  }
  for (const name of MODULES) {
    const module = path.join(kernel.modules, 'kernel', `${name}.ko`);
    if (!fs.existsSync(module)) continue; // built in
    const bytes = await made('module.ko', 'objcopy', '--strip-debug', '-R', '.BTF', '-R', '.BTF_ids', module, '@');
    entries.push({ path: `modules/${path.basename(module)}`, kind: 'file', bytes });
  }
  const init = fs.readFileSync(INIT, 'utf8');
  const archive = await busyboxInitramfs({ busybox: packages.path('/bin/busybox'), init, entries });
  fs.writeFileSync(path.join(directory, 'initramfs.cpio'), archive);
  fs.rmSync(work, { recursive: true });
}

async function makeBochsParts(directory: string): Promise<void> {
  const loader = path.join(directory, 'loader.rom');
  const flat = '-Wl,--oformat=binary,-Ttext=0,-e0,--build-id=none';
  await run('gcc', ['-O2', '-Wall', '-shared', '-fPIC', '-o', path.join(directory, 'shim.so'), SHIM]);
  await run('gcc', ['-m32', '-nostdlib', '-static', flat, '-o', loader, LOADER]);
  const rom = Buffer.alloc(ROM_SIZE);
  fs.readFileSync(loader).copy(rom);
  // The bytes of an option ROM add up to 0.
  rom[ROM_SIZE - 1] = -rom.reduce((sum, byte) => sum + byte, 0) & 0xff;
  fs.writeFileSync(loader, rom);
}
