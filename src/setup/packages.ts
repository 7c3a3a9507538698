import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { VmError } from '../errors.js';
import {
  type ExactPackage,
  installedPackages,
  installPackages,
  isDebian,
  mayInstall,
  type PlannedPackage,
  planInstall,
  unpackPackages,
  updateLists,
  withFreshLists,
} from './apt.js';
import { buildOnce, exclusively } from './cache.js';
import type { Progress } from './command.js';

/** Debian packages that can be used now: installed in the system, or unpacked in the cache. */
export interface Packages {
  /** Where a file of the packages really is, given the path at which Debian installs it: `/usr/bin/bochs-bin`. */
  path(file: string): string;
  /** What programs of these packages need in their environment, libraries and data; empty when they are installed. */
  readonly environment: Readonly<Record<string, string>>;
  /** Names and versions of the packages asked for: part of the key of whatever is made with them. */
  readonly versions: string;
}

/** The compiler and its like find their parts only where Debian installs them. */
const SYSTEM_ONLY: ReadonlySet<string> = new Set(['g++', 'gcc', 'libc6-dev', 'make', 'python3', 'mmdebstrap']);

/** Where there is no Debian: the files that show that the system has the same thing from elsewhere. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  'busybox-static': ['/bin/busybox', '/usr/bin/busybox', '/sbin/busybox'],
  'qemu-system-x86': ['/usr/bin/qemu-system-x86_64'],
  'qemu-user-static': ['/usr/bin/qemu-x86_64-static'],
  bochs: ['/usr/bin/bochs-bin'],
  'bochs-term': ['/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so'],
  seabios: ['/usr/share/seabios/bios.bin', '/usr/share/qemu/bios.bin'],
  bochsbios: ['/usr/share/bochs/BIOS-bochs-latest'],
  vgabios: ['/usr/share/bochs/VGABIOS-lgpl-latest'],
  'chromium-headless-shell': [
    '/usr/lib/chromium/chromium-headless-shell',
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ],
  lz4: ['/usr/bin/lz4'],
  binutils: ['/usr/bin/objcopy'],
  gcc: ['/usr/bin/gcc'],
  'g++': ['/usr/bin/g++'],
  make: ['/usr/bin/make'],
  python3: ['/usr/bin/python3'],
};

/**
 * Makes Debian packages usable. As root on Debian it names what is missing and installs it; as an ordinary user, or
 * with VMLAUNCH_NO_INSTALL=1, it unpacks into the cache what can run from there.
 * @throws VmError SETUP_FAILED when that is not possible; the hint is the one command to type.
 */
export async function ensurePackages(names: readonly string[], progress: Progress): Promise<Packages> {
  if (!isDebian()) return foreign(names);
  let installed = await installedPackages();
  let missing = missingOf(names, installed);
  if (missing.length > 0 && mayInstall()) {
    const left = await exclusively('apt', async () => install(missingOf(names, await installedPackages()), progress));
    installed = await installedPackages();
    missing = left;
  }
  if (missing.length === 0) return inSystem(versionsOf(names, installed));
  return unpacked(names, missing, installed, progress);
}

/**
 * The directory of a package's own files, unpacked in the cache: nothing is installed, nor fetched that it depends on.
 * @param entry what the cache calls it
 * @throws VmError SETUP_FAILED
 */
export async function unpackOnce(entry: string, { name, version }: ExactPackage, progress: Progress): Promise<string> {
  return buildOnce(entry, `${name}_${version}`.replaceAll(':', '~'), async (directory) => {
    progress(`fetching ${name} ${version} (apt-get download)`);
    await withFreshLists(progress, () => unpackPackages([`${name}=${version}`], directory));
  });
}

/** `sudo apt-get install …` for these packages. */
export function installCommand(names: readonly string[]): string {
  return `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names.join(' ')}`;
}

export function missingOf(names: readonly string[], installed: ReadonlyMap<string, string>): string[] {
  return names.filter((name) => !installed.has(name));
}

function versionsOf(names: readonly string[], versions: ReadonlyMap<string, string>): string {
  return [...names]
    .sort()
    .map((name) => `${name}=${versions.get(name) ?? ''}`)
    .join(' ');
}

/** Installs what it can, and gives what it left: packages that would push out others of the system. */
async function install(missing: readonly string[], progress: Progress): Promise<string[]> {
  if (missing.length === 0) return [];
  progress(`missing Debian packages: ${missing.join(', ')}`);
  await updateLists(progress);
  const plan = await planInstall(missing);
  if (plan.remove.length > 0) {
    progress(`installing them would remove ${plan.remove.join(', ')}: unpacking them into the cache instead`);
    return [...missing];
  }
  progress(`installing ${plan.install.length} packages (apt-get install)`);
  await installPackages(missing);
  return [];
}

function inSystem(versions: string): Packages {
  return { path: (file) => file, environment: {}, versions };
}

async function unpacked(
  names: readonly string[],
  missing: readonly string[],
  installed: ReadonlyMap<string, string>,
  progress: Progress,
): Promise<Packages> {
  const impossible = missing.filter((name) => SYSTEM_ONLY.has(name));
  if (impossible.length > 0) {
    throw new VmError('SETUP_FAILED', `missing Debian packages: ${impossible.join(', ')}`, {
      hint: `Type: ${installCommand(missing)}`,
    });
  }
  const plan = await withFreshLists(progress, () => planInstall(missing));
  const wanted = unpackable(plan.install);
  const exact = wanted.map(({ name, version }) => `${name}=${version}`);
  const root = await buildOnce(`packages-${digest(missing)}`, digest(exact), async (directory) => {
    progress(`missing Debian packages: ${missing.join(', ')}: unpacking ${exact.length} packages into the cache`);
    await withFreshLists(progress, () => unpackPackages(exact, directory));
  });
  const versions = new Map([...installed, ...wanted.map(({ name, version }) => [name, version] as const)]);
  return {
    path: (file) => pathIn(root, file),
    environment: environmentOf(root),
    versions: versionsOf(names, versions),
  };
}

/**
 * The C library and the dynamic loader belong together: a newer libc6 in the cache would not run under the system's
 * loader, so the installed one stays.
 */
export function unpackable(plan: readonly PlannedPackage[]): PlannedPackage[] {
  return plan.filter(({ name, upgrade }) => !(upgrade && /^(libc6|libc-bin)(:|$)/.test(name)));
}

function digest(lines: readonly string[]): string {
  return createHash('sha256')
    .update([...lines].sort().join('\n'))
    .digest('hex')
    .slice(0, 16);
}

/** The file's place below `root` when it is there, else its place in the system. */
export function pathIn(root: string, file: string): string {
  for (const name of [file, file.replace(/^\/usr\//, '/'), `/usr${file}`]) {
    const found = resolveIn(root, path.join(root, name));
    if (found !== undefined) return found;
  }
  return file;
}

/** Follows links as if `root` were the root directory: packages link to absolute paths. */
function resolveIn(root: string, start: string): string | undefined {
  let place = start;
  for (let links = 0; links < 40; links++) {
    const stat = fs.lstatSync(place, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink()) return place;
    const target = fs.readlinkSync(place);
    place = path.isAbsolute(target) ? path.join(root, target) : path.resolve(path.dirname(place), target);
  }
  return undefined;
}

function environmentOf(root: string): Record<string, string> {
  const inRoot = (directories: readonly string[]): string[] =>
    directories.map((directory) => path.join(root, directory)).filter((directory) => fs.existsSync(directory));
  const multiarch = 'lib/x86_64-linux-gnu';
  // libpulse, which Chromium needs, finds a part of its own only in the system.
  const libraries = inRoot([`usr/${multiarch}`, multiarch, 'usr/lib', 'lib', `usr/${multiarch}/pulseaudio`]);
  const environment: Record<string, string> = {};
  if (libraries.length > 0) {
    // An empty part would mean the current directory.
    const inherited = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((part) => part !== '');
    environment.LD_LIBRARY_PATH = [...libraries, ...inherited].join(':');
  }
  const places: readonly (readonly [string, string])[] = [
    ['BXSHARE', 'usr/share/bochs'],
    ['LTDL_LIBRARY_PATH', `usr/${multiarch}/bochs/plugins`],
    ['QEMU_MODULE_DIR', `usr/${multiarch}/qemu`],
  ];
  for (const [name, directory] of places) {
    const [found] = inRoot([directory]);
    if (found !== undefined) environment[name] = found;
  }
  return environment;
}

/** Another distribution: what it has itself serves, and the rest is named at once. */
function foreign(names: readonly string[]): Packages {
  const found = new Map(names.map((name) => [name, (FILES[name] ?? []).find((file) => fs.existsSync(file))]));
  const missing = names.filter((name) => found.get(name) === undefined);
  if (missing.length > 0) {
    throw new VmError('SETUP_FAILED', `cannot install ${missing.join(', ')}: this system is not Debian`, {
      hint: "Install what these Debian packages hold with your distribution's own tools, or use Debian 12.",
    });
  }
  const versions = [...found].map(([name, file]) => `${name}=${file === undefined ? '' : fs.statSync(file).mtimeMs}`);
  return {
    path: (file) =>
      Object.values(FILES)
        .find((same) => same.includes(file))
        ?.find((at) => fs.existsSync(at)) ?? file,
    environment: {},
    versions: versions.sort().join(' '),
  };
}
