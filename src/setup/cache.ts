import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { messageOf, VmError } from '../errors.js';
import { type Lock, lockExclusive, tryLock } from './lock.js';

/**
 * Things that take long to make, kept between runs: `<cache>/<name>-<key>`, whole or not there at all. The key names
 * all that the thing depends on. In each entry lies a file ENTRY that holds the entry's name and carries the lock of
 * those who use it: shared while in use, exclusive to remove.
 */
const ENTRY = '.vmlaunch-entry';
const NAME = /^[a-z0-9-]+$/;
const KEY = /^[A-Za-z0-9._+~-]+$/;

/** Entries that this process uses, until it ends. */
const held = new Map<string, Lock>();

/** $VMLAUNCH_CACHE, else $XDG_CACHE_HOME/vmlaunch, else ~/.cache/vmlaunch. It may not exist yet. */
export function cacheDirectory(): string {
  const { VMLAUNCH_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  if (own) return path.resolve(own);
  // The XDG base directory specification: a relative path is invalid and to be ignored.
  if (xdg && path.isAbsolute(xdg)) return path.join(xdg, 'vmlaunch');
  return path.join(os.homedir(), '.cache', 'vmlaunch');
}

/**
 * The directory `<cache>/<name>-<key>`, in use by this process until it ends. Where it is missing, `build` fills a
 * temporary directory, which then moves into place in one step. Other processes wait meanwhile and then find it. What
 * a killed build left, and entries of the same name with another key that nobody uses, are removed.
 * @param name lower-case letters, digits and hyphens
 * @param key letters, digits and any of `._+~-`
 * @throws VmError SETUP_FAILED when the cache cannot be written; whatever `build` throws
 */
export async function buildOnce(
  name: string,
  key: string,
  build: (directory: string) => Promise<void>,
): Promise<string> {
  if (!NAME.test(name) || !KEY.test(key)) throw new VmError('BUG', `not a name and key of the cache: ${name} ${key}`);
  const directory = path.join(cacheDirectory(), `${name}-${key}`);
  if (hold(directory)) return directory;
  const lock = await withCache(name);
  try {
    if (!hold(directory)) {
      removeLeftOvers(name);
      await buildInto(directory, name, build);
      if (!hold(directory)) throw new VmError('SETUP_FAILED', `${directory} was removed as soon as it was made`);
    }
    removeOthers(name, directory);
  } finally {
    lock.release();
  }
  return directory;
}

/**
 * Marks an entry of the cache as in use by this process until it ends, by SIGKILL too: nobody removes it.
 * @throws VmError SETUP_FAILED when there is no such entry (any more).
 */
export function holdInUse(directory: string): void {
  if (!hold(directory)) {
    throw new VmError('SETUP_FAILED', `${directory} is not in the cache any more`, { hint: 'Run the command again.' });
  }
}

/** Runs `body` while this process alone has the cache's lock of that name. */
export async function exclusively<T>(name: string, body: () => Promise<T>): Promise<T> {
  const lock = await withCache(name);
  try {
    return await body();
  } finally {
    lock.release();
  }
}

function hold(directory: string): boolean {
  if (held.has(directory) && fs.existsSync(path.join(directory, ENTRY))) return true;
  const lock = tryLock(path.join(directory, ENTRY), 'shared');
  if (lock === undefined) return false;
  held.set(directory, lock);
  return true;
}

async function withCache(name: string): Promise<Lock> {
  const cache = cacheDirectory();
  try {
    fs.mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new VmError('SETUP_FAILED', `the cache ${cache} cannot be made: ${messageOf(error)}`, {
      hint: 'VMLAUNCH_CACHE names another cache directory.',
      cause: error,
    });
  }
  return lockExclusive(path.join(cache, `.lock-${name}`));
}

/** A name has no dot, so that the prefix is this name's alone. */
function temporaryPrefix(name: string): string {
  return path.join(cacheDirectory(), `.build-${name}.`);
}

async function buildInto(directory: string, name: string, build: (directory: string) => Promise<void>): Promise<void> {
  const temporary = fs.mkdtempSync(temporaryPrefix(name));
  try {
    fs.chmodSync(temporary, 0o755);
    await build(temporary);
    fs.writeFileSync(path.join(temporary, ENTRY), `${name}\n`);
    // Something without an entry file at this place was not made by us, or is half removed.
    fs.rmSync(directory, { recursive: true, force: true });
    fs.renameSync(temporary, directory);
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Only a killed build's, since the caller has the name's lock. */
function removeLeftOvers(name: string): void {
  const prefix = path.basename(temporaryPrefix(name));
  for (const entry of fs.readdirSync(cacheDirectory())) {
    if (entry.startsWith(prefix)) fs.rmSync(path.join(cacheDirectory(), entry), { recursive: true, force: true });
  }
}

function removeOthers(name: string, current: string): void {
  for (const entry of fs.readdirSync(cacheDirectory())) {
    const directory = path.join(cacheDirectory(), entry);
    if (directory === current || !entry.startsWith(`${name}-`) || entryName(directory) !== name) continue;
    const lock = tryLock(path.join(directory, ENTRY), 'exclusive');
    if (lock === undefined) continue;
    // Out of the way in one step: nobody sees half of it, and a killed removal is a left-over as any other.
    const doomed = fs.mkdtempSync(temporaryPrefix(name));
    fs.renameSync(directory, path.join(doomed, entry));
    lock.release();
    fs.rmSync(doomed, { recursive: true, force: true });
  }
}

function entryName(directory: string): string | undefined {
  try {
    return fs.readFileSync(path.join(directory, ENTRY), 'utf8').trim();
  } catch {
    return undefined;
  }
}
