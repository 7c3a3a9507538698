import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { unpackKernel } from '../host/parts.js';
import { projectRoot } from '../host/project.js';
import { buildOnce } from '../setup/cache.js';
import type { Progress } from '../setup/command.js';
import { KERNEL_ARGUMENTS } from '../setup/demo.js';
import { busyboxInitramfs } from '../setup/initramfs.js';
import { cloudKernel } from '../setup/kernel.js';
import { ensurePackages } from '../setup/packages.js';

/** A Linux guest that does nothing but run the program of the levels on its console. */
export interface LevelsGuest {
  /** Paths of an ELF kernel, which every monitor starts by PVH, and of an initramfs. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
}

export const LEVELS_PROGRAM = path.join(projectRoot, 'build/guest-images/levels');

const INIT = `#!/bin/busybox sh
/bin/busybox mount -t tmpfs tmpfs /tmp
/bin/levels /tmp
/bin/busybox poweroff -f
`;

/** Where a directory has the guest's files. */
export const guestIn = (directory: string): LevelsGuest => ({
  kernel: path.join(directory, 'vmlinux'),
  initrd: path.join(directory, 'initramfs.cpio'),
  commandLine: KERNEL_ARGUMENTS.join(' '),
});

/**
 * Debian's cloud kernel, unpacked so that no emulator has to do it, and busybox.
 * @throws VmError SETUP_FAILED
 */
export async function levelsGuest(progress: Progress): Promise<LevelsGuest> {
  const packages = await ensurePackages(['busybox-static'], progress);
  const { version, bzImage } = await cloudKernel(progress);
  const program = fs.readFileSync(LEVELS_PROGRAM);
  const hash = createHash('sha256').update(`${packages.versions}\n${version}\n${fs.statSync(bzImage).size}\n${INIT}`);
  const key = hash.update(program).digest('hex').slice(0, 16);
  const directory = await buildOnce('levels', key, async (building) => {
    progress(`making a guest: kernel ${version}, an initramfs with the program`);
    const entries = [{ path: 'bin/levels', kind: 'file', mode: 0o755, bytes: program }] as const;
    const archive = await busyboxInitramfs({ busybox: packages.path('/bin/busybox'), init: INIT, entries });
    const guest = guestIn(building);
    fs.writeFileSync(guest.initrd, archive);
    fs.writeFileSync(guest.kernel, unpackKernel(bzImage));
  });
  return guestIn(directory);
}
