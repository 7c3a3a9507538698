import fs from 'node:fs';
import { run } from './command.js';
import { type CpioEntry, cpio } from './cpio.js';

export interface BusyboxInitramfs {
  /** The path of a static busybox. */
  readonly busybox: string;
  /** The script that the kernel starts as process 1. */
  readonly init: string;
  /** More files, directories and links. */
  readonly entries?: readonly CpioEntry[];
}

/** Where the kernel, /init and a shell expect mount points and files of their own. */
const DIRECTORIES = ['dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'run'];

/**
 * An initramfs with busybox, a link in /bin for each of its applets (/sbin and /usr/bin lead there too), and /init.
 * @throws VmError SETUP_FAILED when busybox cannot be run to name its applets.
 */
export async function busyboxInitramfs({ busybox, init, entries = [] }: BusyboxInitramfs): Promise<Buffer> {
  const applets = (await run(busybox, ['--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox');
  return cpio([
    ...DIRECTORIES.map((path): CpioEntry => ({ path, kind: 'directory' })),
    { path: 'bin/busybox', kind: 'file', mode: 0o755, bytes: fs.readFileSync(busybox) },
    ...applets.map((name): CpioEntry => ({ path: `bin/${name}`, kind: 'symlink', target: 'busybox' })),
    { path: 'sbin', kind: 'symlink', target: 'bin' },
    { path: 'usr/bin', kind: 'symlink', target: '../bin' },
    { path: 'usr/sbin', kind: 'symlink', target: '../bin' },
    { path: 'init', kind: 'file', mode: 0o755, bytes: Buffer.from(init) },
    ...entries,
  ]);
}
