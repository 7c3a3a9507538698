import path from 'node:path';
import { newestPackage, withFreshLists } from '../../src/setup/apt.js';
import { demoGuest } from '../../src/setup/demo.js';
import { fullKernel } from '../../src/setup/kernel.js';
import { unpackOnce } from '../../src/setup/packages.js';
import { BOOT_SECTOR_READY } from '../machine/guests.js';
import { KERNELS, type Kernel, smpKernel, titleOf, VGA_TEXT } from '../machine/kernels.js';
import { ROOT } from './host-support.js';

/** The KVMs of the table: a module of this machine's own, and the nested hosts. */
export const COLUMNS = ['kvm_pvm', 'svm', 'vtx'] as const;
export type Column = (typeof COLUMNS)[number];

/** Waited for on the guest's console, whatever cursor movements are between the letters; or typed. */
export type Step = string | RegExp | { readonly types: string };

/** What proves that a guest runs. */
export interface Proof {
  readonly steps: readonly Step[];
  /** How the machine ends by itself, and the status of `run`. Without it the machine is stopped after the last step. */
  readonly end?: { readonly reason: string; readonly status: number };
  /** What the table says of it. */
  readonly seen: string;
}

/** How `run` fails: it says so on standard error. */
export interface Failure {
  readonly status: number;
  readonly says: RegExp;
  readonly seen: string;
}

/** What a guest does on a KVM. */
export type Trial = ({ readonly runs: Proof } | { readonly fails: Failure }) & {
  /** Of `run`, after the guest's own: the last one on a matter counts. */
  readonly options?: readonly string[];
};

/** A trial, or in a few words why there is none. */
export type Cell = Trial | { readonly untried: string };

export interface Guest {
  /** The table's first column. */
  readonly name: string;
  /** It is fetched, or takes long: on these KVMs with `npm run test:long` only. */
  readonly long: readonly Column[];
  /** What follows `vmlaunch run`. */
  readonly argv: () => Promise<readonly string[]>;
  readonly on: Readonly<Record<Column, Cell>>;
}

const quiet = () => {};
const quoted = (text: string) => `"${text.trimEnd()}"`;
const everywhere = (cell: Cell): Guest['on'] => ({ kvm_pvm: cell, svm: cell, vtx: cell });

/** A file of a Debian package, which is unpacked in the cache under a name of its own. */
async function debian(entry: string, name: string, file: string): Promise<string> {
  const newest = await withFreshLists(quiet, () => newestPackage(name));
  return path.join(await unpackOnce(entry, newest, quiet), file);
}

const ownImage = (file: string) => path.join(ROOT, 'build/guest-images', file);

const shows = (text: string, reason: string, status: number): Proof => ({
  steps: [text],
  end: { reason, status },
  seen: `${quoted(text)}, ${reason}`,
});

/** Cases of their own run them there (tests/machine/cases). */
const OWN_LONG: readonly Column[] = ['svm', 'vtx'];

/** One of ours, with the last line that it prints. */
function ownKernel(what: string, kernel: Kernel | undefined): Guest {
  if (kernel === undefined) throw new Error(`no kernel for the row of ${what}`);
  const { image, output, end, status = 0, commandLine = '', wordOnPvm, cpus = 1 } = kernel;
  const runs = shows(output.trimEnd().split('\n').at(-1) ?? '', end, status);
  const onPvm = wordOnPvm === undefined ? {} : { options: ['--append', `${commandLine} ${wordOnPvm}`] };
  return {
    name: `\`${image}\`: ${what}`,
    long: OWN_LONG,
    argv: async () => [ownImage(`${image}.elf`), '--append', commandLine, '--cpus', `${cpus}`],
    on: { ...everywhere({ runs }), kvm_pvm: { runs, ...onPvm } },
  };
}

const kernelTitled = (title: string) => KERNELS.find((kernel) => titleOf(kernel) === title);

function ownFlat(image: string, what: string, flat: readonly string[], runs: Proof): Guest {
  return {
    name: `\`${image}\`: ${what}`,
    long: OWN_LONG,
    argv: async () => [ownImage(`${image}.bin`), ...flat],
    on: everywhere({ runs }),
  };
}

const OWN_GUESTS: readonly Guest[] = [
  ownFlat('hello-real', 'flat, real mode', ['--flat', 'real'], shows('hello from real mode', 'halted', 16)),
  ownFlat(
    'hello',
    'flat, 32-bit',
    ['--flat', 'protected', '--load-address', '0x100000'],
    shows('hello from protected mode', 'debug-exit', 1),
  ),
  ownKernel('multiboot, 32-bit', kernelTitled('hello-protected one two')),
  ownKernel('PVH, 64-bit', kernelTitled('hello-long')),
  ownKernel('PIT, local APIC and RTC interrupt', kernelTitled('interrupts')),
  ownKernel('a program in ring 3 over a kernel', kernelTitled('printf')),
  ownKernel('the text screen', VGA_TEXT),
  { ...ownKernel('16 CPUs', smpKernel(16)), long: COLUMNS },
  {
    ...ownFlat('boot-sector', 'BIOS calls, keys typed', [], {
      steps: [BOOT_SECTOR_READY, { types: 'a' }, 'key a', { types: 'q' }, 'key q'],
      end: { reason: 'debug-exit', status: 1 },
      seen: '"key q", debug-exit',
    }),
    long: COLUMNS,
  },
];

const BANNER = 'Hello from Linux inside vmlaunch.';
const LINUX_RUNS: Trial = { runs: shows(BANNER, 'power-off', 0) };

/** The demo guest's command line and initramfs, with this kernel in place of its own where one is named. */
async function linuxArgv(kernel: string | undefined, ...options: readonly string[]): Promise<readonly string[]> {
  const demo = await demoGuest(quiet, 'demo');
  return [kernel ?? demo.kernel, '--initrd', demo.initrd, '--append', demo.commandLine, ...options];
}

/** It interprets ring 0, and stops where it does not know an instruction: the rest of the guest stays unseen. */
const beyondPvm = (instruction: string): Trial => ({
  fails: {
    status: 18,
    says: new RegExp(`\\(${instruction}\\b[^)]*\\)\\. kvm_pvm cannot emulate this instruction`),
    seen: `ends at \`${instruction}\`, which kvm_pvm cannot emulate`,
  },
});
const LINUX_ON_PVM = beyondPvm('lock cmpxchg16b');

const linuxWithCpus = (cpus: number): Guest => ({
  name: `Linux, the cloud kernel, ${cpus} vCPUs`,
  long: COLUMNS,
  argv: () => linuxArgv(undefined, '--cpus', `${cpus}`),
  on: { ...everywhere(LINUX_RUNS), kvm_pvm: { untried: 'as with one' } },
});

const INSTALLER = 'usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64';
const XEN_ARGUMENTS = 'com1=115200,8n1 console=com1 noreboot';
const DOM0_ARGUMENTS = 'console=hvc0 cryptomgr.notests panic=-1';

const xen = (name: string, commandLine: string, ...options: readonly string[]): Guest => ({
  name,
  long: COLUMNS,
  argv: async () => {
    const image = await debian('xen', 'xen-hypervisor-4.17-amd64', 'boot/xen-4.17-amd64.gz');
    const [kernel, demo] = [await fullKernel(quiet), await demoGuest(quiet, 'demo')];
    const modules = ['--module', `${kernel.bzImage} ${DOM0_ARGUMENTS}`, '--module', demo.initrd];
    return [image, ...modules, '--memory', '1G', '--append', commandLine, ...options];
  },
  on: {
    kvm_pvm: beyondPvm('rdsspq rsi'),
    // QEMU 7.2 reads the stack of an IRET in ring 3, where dom0 is, with the rights of ring 0: SMAP forbids it.
    svm: { ...LINUX_RUNS, options: ['--append', `${commandLine} smap=0`] },
    vtx: { ...LINUX_RUNS, options: ['--memory', '512M', '--append', `${commandLine} bootscrub=0 dom0_mem=160M`] },
  },
});

const FOREIGN_GUESTS: readonly Guest[] = [
  {
    name: 'Linux, the cloud kernel (`linux-image-cloud-amd64`)',
    long: COLUMNS,
    argv: () => linuxArgv(undefined),
    on: { ...everywhere(LINUX_RUNS), kvm_pvm: LINUX_ON_PVM },
  },
  linuxWithCpus(2),
  linuxWithCpus(4),
  {
    name: 'Linux, the full kernel (`linux-image-amd64`)',
    long: COLUMNS,
    argv: async () => linuxArgv((await fullKernel(quiet)).bzImage),
    on: { ...everywhere(LINUX_RUNS), kvm_pvm: LINUX_ON_PVM },
  },
  {
    name: "Debian's installer (`debian-installer-12-netboot-amd64`), text form, 1 GiB",
    long: COLUMNS,
    argv: async () => {
      const directory = await debian('installer', 'debian-installer-12-netboot-amd64', INSTALLER);
      const commandLine = 'console=ttyS0,115200 cryptomgr.notests panic=-1';
      const initrd = path.join(directory, 'initrd.gz');
      return [path.join(directory, 'linux'), '--initrd', initrd, '--memory', '1G', '--append', commandLine];
    },
    on: {
      kvm_pvm: LINUX_ON_PVM,
      svm: {
        runs: {
          steps: ['Select a language', { types: '\r' }, 'Select your location'],
          seen: '"Select a language", then "Select your location"',
        },
      },
      vtx: {
        fails: { status: 4, says: /ran out of memory/, seen: 'too large for a host of 512 MiB' },
        options: ['--memory', '512M'],
      },
    },
  },
  {
    name: 'memtest86+ (`memtest86+`), 16 MiB',
    long: ['kvm_pvm', 'vtx'],
    argv: async () => {
      const image = await debian('memtest', 'memtest86+', 'boot/memtest86+x64.bin');
      return [image, '--memory', '16M', '--append', 'console=ttyS0,115200'];
    },
    on: {
      // Its screen is drawn every other second: of a short test it may show nothing.
      ...everywhere({ runs: { steps: [/#[3-9] .*Errors: 0 /s], seen: 'test #3 and later, 0 errors' } }),
      kvm_pvm: beyondPvm('wait'),
    },
  },
  xen('Xen 4.17 (`xen-hypervisor-4.17-amd64`), the full kernel as dom0', `${XEN_ARGUMENTS} no-real-mode`),
  xen('Xen 4.17 behind SeaBIOS, the full kernel as dom0', XEN_ARGUMENTS, '--firmware', 'seabios'),
  {
    name: "GRUB's rescue floppy (`grub-rescue-pc`)",
    long: COLUMNS,
    argv: async () => [await debian('grub-rescue', 'grub-rescue-pc', 'usr/lib/grub-rescue/grub-rescue-floppy.img')],
    on: everywhere({
      runs: {
        steps: [
          'GNU GRUB  version 2.',
          'The highlighted entry will be executed automatically',
          { types: 'c' },
          'grub>',
        ],
        seen: 'its menu, then "grub>"',
      },
    }),
  },
  {
    name: "GRUB for Xen's PVH guests (`grub-xen-host`)",
    long: COLUMNS,
    argv: async () => [await debian('grub-xen', 'grub-xen-host', 'usr/lib/grub-xen/grub-i386-xen_pvh.bin')],
    on: everywhere({
      fails: { status: 2, says: /needs Xen's hypercalls/, seen: "refused in one line: it needs Xen's hypercalls" },
    }),
  },
];

export const GUESTS: readonly Guest[] = [...OWN_GUESTS, ...FOREIGN_GUESTS];
