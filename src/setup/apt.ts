import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VmError } from '../errors.js';
import { cacheDirectory } from './cache.js';
import { type Progress, run } from './command.js';

/** What apt-get and dpkg can do for set-up, with root's rights or without. */

export interface PlannedPackage {
  /** With its architecture where it is not the machine's own: `libc6:i386`. */
  readonly name: string;
  readonly version: string;
  /** Another version of it is installed. */
  readonly upgrade: boolean;
}

export interface AptPlan {
  readonly install: readonly PlannedPackage[];
  readonly remove: readonly string[];
}

const ENVIRONMENT = { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
const NETWORK_HINT = "Check the network and apt's sources (/etc/apt/sources.list, /etc/apt/sources.list.d).";
const SYSTEM_LISTS = '/var/lib/apt/lists';
/** Set once the lists are fresh, for the programs that this one starts as well. */
const UPDATED = 'VMLAUNCH_APT_UPDATED';
/** How long another apt-get may keep the lists locked, in tries a second apart. */
const LIST_LOCK_TRIES = 120;

/** Whether apt and dpkg manage this system. */
export function isDebian(): boolean {
  return fs.existsSync('/etc/debian_version') && inPath('apt-get') && inPath('dpkg-query');
}

function inPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => fs.existsSync(path.join(directory, program)));
}

/** Whether packages may be installed in the system: root, and nobody said --no-install. */
export function mayInstall(): boolean {
  return process.getuid?.() === 0 && process.env.VMLAUNCH_NO_INSTALL !== '1';
}

function hasLists(directory: string): boolean {
  return fs.existsSync(directory) && fs.readdirSync(directory).some((name) => /_Packages(\.|$)/.test(name));
}

function privateState(): string {
  return path.join(cacheDirectory(), 'apt');
}

/** apt's options for package lists of our own, where the system's are missing, or too old and not ours to renew. */
function listOptions(): string[] {
  const lists = path.join(privateState(), 'lists');
  if (mayInstall() || (hasLists(SYSTEM_LISTS) && !fs.existsSync(lists))) return [];
  return ['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${path.join(privateState(), 'cache')}`];
}

/** `apt-get update`, at most once in a tree of processes: in the system for root, else into lists of our own. */
export async function updateLists(progress: Progress): Promise<void> {
  if (process.env[UPDATED] === '1') return;
  progress('fetching the package lists (apt-get update)');
  if (!mayInstall()) fs.mkdirSync(path.join(privateState(), 'lists', 'partial'), { recursive: true });
  if (!mayInstall()) fs.mkdirSync(path.join(privateState(), 'cache', 'archives', 'partial'), { recursive: true });
  await whenListsUnlocked(() =>
    run('apt-get', ['update', '-o', 'APT::Update::Error-Mode=any', ...listOptions()], {
      env: ENVIRONMENT,
      hint: NETWORK_HINT,
    }),
  );
  process.env[UPDATED] = '1';
}

/** apt-get waits for dpkg's lock by itself, but not for that of the lists. */
async function whenListsUnlocked(update: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await update();
      return;
    } catch (error) {
      const locked = error instanceof VmError && /Could not get lock|Unable to lock/.test(error.message);
      if (!locked || tries === LIST_LOCK_TRIES) throw error;
      await sleep(1000);
    }
  }
}

/** Runs `body`; when it fails, once more with fresh package lists: ours may be empty, or name what has gone. */
export async function withFreshLists<T>(progress: Progress, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (process.env[UPDATED] === '1') throw error;
    await updateLists(progress);
    return body();
  }
}

/** Every installed package and its version. */
export async function installedPackages(): Promise<ReadonlyMap<string, string>> {
  return parseInstalled(await run('dpkg-query', ['-W', '-f', INSTALLED_FORMAT], { env: ENVIRONMENT }));
}

/** Fields as dpkg-query writes them, `${Package}`, one package a line. */
const INSTALLED_FORMAT = `${['db:Status-Status', 'Package', 'Version'].map((field) => `\${${field}}`).join(' ')}\\n`;

export function parseInstalled(output: string): ReadonlyMap<string, string> {
  const installed = new Map<string, string>();
  for (const line of output.split('\n')) {
    const [status, name, version] = line.split(' ');
    if (status === 'installed' && name && version) installed.set(name, version);
  }
  return installed;
}

/** What apt-get would do to install these, without their recommendations. */
export async function planInstall(names: readonly string[]): Promise<AptPlan> {
  const args = ['install', '--simulate', '--no-install-recommends', ...listOptions(), ...names];
  return parsePlan(await run('apt-get', args, { env: ENVIRONMENT, hint: NETWORK_HINT }));
}

/** Reads `apt-get --simulate`: `Inst name [old] (new origin [arch])` and `Remv name [old]`. */
export function parsePlan(output: string): AptPlan {
  const install: PlannedPackage[] = [];
  const remove: string[] = [];
  for (const line of output.split('\n')) {
    const inst = /^Inst (\S+) (\[\S+\] )?\((\S+) /.exec(line);
    if (inst?.[1] && inst[3]) install.push({ name: inst[1], version: inst[3], upgrade: inst[2] !== undefined });
    const remv = /^Remv (\S+)/.exec(line);
    if (remv?.[1]) remove.push(remv[1]);
  }
  return { install, remove };
}

/** Installs packages in the system; it never removes any. */
export async function installPackages(names: readonly string[]): Promise<void> {
  const args = ['install', '-y', '--no-install-recommends', '--no-remove', '-o', 'DPkg::Lock::Timeout=600', ...names];
  await run('apt-get', args, { env: ENVIRONMENT, hint: NETWORK_HINT });
}

/**
 * Unpacks packages into a directory; nothing is installed.
 * @param packages names, or `name=version`
 */
export async function unpackPackages(packages: readonly string[], directory: string): Promise<void> {
  const downloads = fs.mkdtempSync(path.join(directory, '.debs-'));
  const options = { cwd: downloads, env: ENVIRONMENT, hint: NETWORK_HINT };
  // As root, apt would download as the user _apt, who may not write here, and warn about it.
  await run('apt-get', ['download', '-o', 'APT::Sandbox::User=', ...listOptions(), ...packages], options);
  for (const deb of fs.readdirSync(downloads).sort()) {
    await run('dpkg-deb', ['-x', path.join(downloads, deb), directory]);
  }
  fs.rmSync(downloads, { recursive: true });
}

/** A package, in this version and no other. */
export interface ExactPackage {
  readonly name: string;
  readonly version: string;
}

/** The packages of exact versions that a package's newest version depends on. */
export async function exactDependencies(name: string): Promise<ExactPackage[]> {
  return parseExactDependencies(await show(name));
}

/**
 * A package in its newest version.
 * @throws VmError SETUP_FAILED where apt knows none of this name.
 */
export async function newestPackage(name: string): Promise<ExactPackage> {
  const version = parseVersion(await show(name));
  if (version === undefined) throw new VmError('SETUP_FAILED', `apt knows no package ${name}`);
  return { name, version };
}

const show = (name: string): Promise<string> =>
  run('apt-cache', ['show', '--no-all-versions', ...listOptions(), name], { env: ENVIRONMENT });

/** Reads `Version: …` in what apt-cache shows; undefined where it shows a package that is only a name. */
export const parseVersion = (output: string): string | undefined => /^Version: (\S+)$/m.exec(output)?.[1];

/** Reads `Depends: name (= version), …` in what apt-cache shows. */
export function parseExactDependencies(output: string): ExactPackage[] {
  const depends = /^Depends: (.*)$/m.exec(output)?.[1] ?? '';
  return [...depends.matchAll(/(?:^|, )([^ ,|]+) \(= ([^)]+)\)(?=,|$)/g)].flatMap(([, name, version]) =>
    name && version ? [{ name, version }] : [],
  );
}
