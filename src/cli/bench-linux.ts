import fs from 'node:fs';
import path from 'node:path';
import { LINUX_LINE } from '../bench/boots.js';
import type { Row } from '../bench/column.js';
import { messageOf } from '../errors.js';
import type { HostFile } from '../host/file.js';
import { busyboxGuest } from '../setup/demo.js';
import type { BenchLinux } from './bench-engines.js';

/** As the benchmark's guest does, it says `end` when it is through. */
const INIT = `#!/bin/busybox sh
echo ${LINUX_LINE}
echo end
/bin/busybox poweroff -f
`;

/** Where a nested host has it, which makes none itself. */
const INSIDE = '/work/linux';
const KERNEL = 'kernel';
const INITRD = 'initrd';
const COMMAND_LINE = 'command-line';

export const wantsLinux = (rows: readonly Row[]): boolean =>
  rows.some((row) => row.kind === 'boot' && row.start.guest === 'linux');

/** The Linux of `boot.linux`: Debian's kernel, unmodified, with an initramfs whose first process says so, and no more. */
export async function benchLinux(): Promise<BenchLinux> {
  const inside = (name: string): string => path.join(INSIDE, name);
  if (fs.existsSync(inside(COMMAND_LINE))) {
    const commandLine = fs.readFileSync(inside(COMMAND_LINE), 'utf8');
    return { kernel: inside(KERNEL), initrd: inside(INITRD), commandLine };
  }
  try {
    return await busyboxGuest('bench-linux', INIT, [], () => {});
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

/** The same for a nested host. */
export async function linuxFiles(): Promise<HostFile[]> {
  const linux = await benchLinux();
  if ('missing' in linux) return [];
  const at = (name: string): string => path.join(INSIDE, name);
  return [
    { path: at(KERNEL), source: linux.kernel },
    { path: at(INITRD), source: linux.initrd },
    { path: at(COMMAND_LINE), bytes: Buffer.from(linux.commandLine) },
  ];
}
