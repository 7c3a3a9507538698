import { LINUX_LINE } from '../bench/boots.js';
import { messageOf } from '../errors.js';
import { busyboxGuest } from '../setup/demo.js';
import type { BenchLinux } from './bench-engines.js';

/** As the benchmark's guest does, it says `end` when it is through. */
const INIT = `#!/bin/busybox sh
echo ${LINUX_LINE}
echo end
/bin/busybox poweroff -f
`;

/** The Linux of `boot.linux`: Debian's kernel, unmodified, with an initramfs whose first process says so, and no more. */
export async function benchLinux(): Promise<BenchLinux> {
  try {
    return await busyboxGuest('bench-linux', INIT, [], () => {});
  } catch (error) {
    return { missing: messageOf(error) };
  }
}
