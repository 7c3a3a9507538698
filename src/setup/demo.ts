import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { buildOnce } from './cache.js';
import type { Progress } from './command.js';
import { busyboxInitramfs } from './initramfs.js';
import { cloudKernel } from './kernel.js';
import { ensurePackages } from './packages.js';

/** The guest that `npm start` boots: Debian's cloud kernel, unmodified, with busybox and nothing else. */
export interface DemoGuest {
  /** The path of the bzImage. */
  readonly kernel: string;
  /** The path of the initramfs. */
  readonly initrd: string;
  readonly commandLine: string;
}

/** `shell`: a shell on the console. `demo`: a short script that shows where it runs, then powers off. */
export type DemoMode = 'shell' | 'demo';

/**
 * cryptomgr.notests and the initcalls left out save most of the start on a software CPU: self-tests of ciphers,
 * parsing of certificates, tracing tables. panic=-1 resets at once, so that a broken guest ends.
 */
export const KERNEL_ARGUMENTS = [
  'console=ttyS0',
  'quiet',
  'cryptomgr.notests',
  'initcall_blacklist=load_system_certificate_list,cubictcp_register,bpf_tcp_ca_kfunc_init,init_kprobe_trace,init_blk_tracer',
  'panic=-1',
];

const INIT = `#!/bin/busybox sh
export PATH=/bin HOME=/root TERM=linux
/bin/busybox mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
hostname guest

echo
echo "Hello from Linux inside vmlaunch."
case " $(cat /proc/cmdline) " in
*" vmlaunch.mode=shell "*)
  echo "This shell is process $$'s child in the guest. 'exit' powers off; Ctrl-A x ends vmlaunch."
  cd /root
  setsid cttyhack sh
  ;;
*)
  uname -a
  echo
  sed '/^$/q' /proc/cpuinfo | grep -E '^(processor|vendor_id|model name|cpu MHz|flags)'
  echo "clock source: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
  echo "up for $(cut -d ' ' -f 1 /proc/uptime) s"
  ;;
esac
poweroff -f
`;

/**
 * @throws VmError SETUP_FAILED when the kernel or busybox cannot be had.
 */
export async function demoGuest(progress: Progress, mode: DemoMode = 'demo'): Promise<DemoGuest> {
  return busyboxGuest('demo', INIT, [`vmlaunch.mode=${mode}`], progress);
}

/**
 * The same kernel with another script as its first process.
 * @param entry what the cache calls it
 * @throws VmError SETUP_FAILED
 */
export async function busyboxGuest(
  entry: string,
  init: string,
  kernelArguments: readonly string[],
  progress: Progress,
): Promise<DemoGuest> {
  const packages = await ensurePackages(['busybox-static'], progress);
  const kernel = await cloudKernel(progress);
  const key = createHash('sha256').update(`${packages.versions}\n${init}`).digest('hex').slice(0, 16);
  const directory = await buildOnce(entry, key, async (building) => {
    progress('making the guest: an initramfs with busybox');
    const archive = await busyboxInitramfs({ busybox: packages.path('/bin/busybox'), init });
    fs.writeFileSync(path.join(building, 'initramfs.cpio'), archive);
  });
  return {
    kernel: kernel.bzImage,
    initrd: path.join(directory, 'initramfs.cpio'),
    commandLine: [...KERNEL_ARGUMENTS, ...kernelArguments].join(' '),
  };
}
