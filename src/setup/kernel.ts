import fs from 'node:fs';
import path from 'node:path';
import { VmError } from '../errors.js';
import { type ExactPackage, exactDependencies, isDebian, mayInstall, withFreshLists } from './apt.js';
import type { Progress } from './command.js';
import { unpackOnce } from './packages.js';

export interface Kernel {
  /** As `uname -r` gives it: `6.1.0-56-cloud-amd64`. */
  readonly version: string;
  /** The path of the compressed image. */
  readonly bzImage: string;
  /** The directory of its modules (`lib/modules/<version>`); it may be missing where the kernel is the host's own. */
  readonly modules: string;
}

const CLOUD = 'linux-image-cloud-amd64';
const FULL = 'linux-image-amd64';

/**
 * Debian's newest cloud kernel, unpacked in the cache and not installed. On another distribution, the host's own
 * newest kernel.
 * @throws VmError SETUP_FAILED where there is none.
 */
export async function cloudKernel(progress: Progress): Promise<Kernel> {
  const newest = isDebian() ? await newestCloudPackage(progress) : undefined;
  return newest === undefined ? hostKernel() : unpackedKernel('kernel', newest, progress);
}

/**
 * Debian's newest kernel with all its drivers, unpacked in the cache and not installed.
 * @throws VmError SETUP_FAILED where it cannot be had, as on another distribution.
 */
export async function fullKernel(progress: Progress): Promise<Kernel> {
  return unpackedKernel('kernel-full', await imagePackage(FULL, progress), progress);
}

async function unpackedKernel(entry: string, image: ExactPackage, progress: Progress): Promise<Kernel> {
  const found = newestOf(kernelsIn(await unpackOnce(entry, image, progress)));
  if (found === undefined) throw new VmError('SETUP_FAILED', `the package ${image.name} holds no kernel`);
  return found;
}

/** The package that a metapackage stands for. */
function imagePackage(metapackage: string, progress: Progress): Promise<ExactPackage> {
  return withFreshLists(progress, async () => {
    const found = (await exactDependencies(metapackage)).find(({ name }) => /^linux-image-\d/.test(name));
    if (found === undefined) throw new VmError('SETUP_FAILED', `apt knows no package ${metapackage}`);
    return found;
  });
}

/** Undefined where Debian's archive is not among apt's sources. */
async function newestCloudPackage(progress: Progress): Promise<ExactPackage | undefined> {
  try {
    return await imagePackage(CLOUD, progress);
  } catch (error) {
    const own = newestOf(kernelsIn('/'));
    if (own === undefined) throw error;
    progress(`no Debian cloud kernel can be fetched: the host's own kernel ${own.version} serves`);
    return undefined;
  }
}

function hostKernel(): Kernel {
  const kernel = newestOf(kernelsIn('/'));
  if (kernel !== undefined) return kernel;
  throw new VmError('SETUP_FAILED', 'no guest kernel: this system is not Debian, and /boot has none that can be read', {
    hint: `Make a kernel readable (sudo chmod +r /boot/vmlinuz-…)${mayInstall() ? '' : ', or run this as root'}.`,
  });
}

/** The readable kernels below a root directory. */
export function kernelsIn(root: string): Kernel[] {
  const boot = path.join(root, 'boot');
  if (!fs.existsSync(boot)) return [];
  return fs
    .readdirSync(boot)
    .filter((file) => /^vmlinuz-\d/.test(file))
    .map((file) => ({ version: file.slice('vmlinuz-'.length), bzImage: path.join(boot, file) }))
    .filter(({ bzImage }) => isReadable(bzImage))
    .map((kernel) => ({ ...kernel, modules: modulesOf(root, kernel.version) }));
}

function modulesOf(root: string, version: string): string {
  const places = ['lib/modules', 'usr/lib/modules'].map((directory) => path.join(root, directory, version));
  return places.find((place) => fs.existsSync(place)) ?? path.join(root, 'lib/modules', version);
}

function isReadable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function newestOf(kernels: readonly Kernel[]): Kernel | undefined {
  return [...kernels].sort((a, b) => compareVersions(a.version, b.version)).at(-1);
}

/** Compares the numbers in two kernel versions from left to right: 6.1.0-56 comes after 6.1.0-9. */
export function compareVersions(a: string, b: string): number {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number);
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : Number(a > b);
}
