import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { messageOf, VmError } from '../errors.js';

/**
 * File locks that the kernel drops when their process ends, however it ends. Node has no flock(2), but the lock
 * belongs to the open file description: flock(1) takes it on a descriptor that it inherits, then ends, and the lock
 * stays with this process's descriptor. Node opens files close-on-exec, so no other child carries it on.
 */
export interface Lock {
  release(): void;
}

/** flock(1)'s exit status where another holds the lock; any number that flock itself does not use. */
const BUSY = 75;
/** The descriptor's number in flock(1). */
const INHERITED = 3;

/**
 * Waits until this process alone has the lock. The file is made when it is missing.
 * @throws VmError SETUP_FAILED when the file cannot be made or locked.
 */
export async function lockExclusive(path: string): Promise<Lock> {
  const fd = open(path, fs.constants.O_RDWR | fs.constants.O_CREAT);
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      const child = spawn('flock', ['-x', `${INHERITED}`], { stdio: ['ignore', 'ignore', 'ignore', fd] });
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (status !== 0) throw new Error(`flock ended with status ${status}`);
  } catch (error) {
    fs.closeSync(fd);
    throw cannotLock(path, error);
  }
  return lockOf(fd);
}

/**
 * Takes the lock at once, or gives undefined: another has it, or there is no such file.
 * @throws VmError SETUP_FAILED when locking itself fails.
 */
export function tryLock(path: string, kind: 'shared' | 'exclusive'): Lock | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY);
  } catch {
    return undefined;
  }
  const flag = kind === 'shared' ? '-s' : '-x';
  const args = ['-n', '-E', `${BUSY}`, flag, `${INHERITED}`];
  const { status, error } = spawnSync('flock', args, { stdio: ['ignore', 'ignore', 'ignore', fd] });
  if (status === 0 && isStill(path, fd)) return lockOf(fd);
  fs.closeSync(fd);
  if (status === 0 || status === BUSY) return undefined;
  throw cannotLock(path, error ?? new Error(`flock ended with status ${status}`));
}

/** The file may have been replaced or removed between open and lock: then the lock means nothing. */
function isStill(path: string, fd: number): boolean {
  const now = fs.statSync(path, { throwIfNoEntry: false });
  const locked = fs.fstatSync(fd);
  return now !== undefined && now.ino === locked.ino && now.dev === locked.dev;
}

function open(path: string, flags: number): number {
  try {
    return fs.openSync(path, flags, 0o644);
  } catch (error) {
    throw cannotLock(path, error);
  }
}

function lockOf(fd: number): Lock {
  let held = true;
  return {
    release() {
      if (held) fs.closeSync(fd);
      held = false;
    },
  };
}

function cannotLock(path: string, error: unknown): VmError {
  return new VmError('SETUP_FAILED', `${path} cannot be locked: ${messageOf(error)}`, {
    hint: 'flock (util-linux) must be installed and the cache writable; VMLAUNCH_CACHE names another cache directory.',
    cause: error,
  });
}
