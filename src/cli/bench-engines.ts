import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BochsFiles, bochsProgram } from '../bench/bochs.js';
import type { Engine, Start } from '../bench/engine.js';
import { writeRom } from '../bench/guest-image.js';
import { MachineEngine } from '../bench/machine-engine.js';
import { type Program, ProgramEngine } from '../bench/program-engine.js';
import { v86Command, v86Version } from '../bench/v86.js';
import { BEYOND_KVM_PVM } from '../bench/workloads.js';
import { messageOf, VmError } from '../errors.js';
import { localFlavour } from '../kvm/flavour.js';
import type { KvmPort } from '../machine/options.js';
import type { DemoGuest } from '../setup/demo.js';
import { ensurePackages, type Packages } from '../setup/packages.js';
import { version } from './version.js';

const GUEST_MEMORY_MIB = 64;
const LINUX_MEMORY_MIB = 256;
const buildPath = (name: string): string => fileURLToPath(new URL(`../../build/guest-images/${name}`, import.meta.url));
export const BENCH_IMAGE = buildPath('bench.img');
const NATIVE = buildPath('bench-native');
/** Compiled, also where this is not. */
const COMMAND = fileURLToPath(new URL('../../dist/bundle/vmlaunch.cjs', import.meta.url));
const QEMU = '/usr/bin/qemu-system-x86_64';
const QBOOT = '/usr/share/qemu/qboot.rom';
/** A file in each of QEMU's directories of data. */
const QEMU_DATA = [QBOOT, '/usr/share/seabios/bios-256k.bin'];
const BOCHS = '/usr/bin/bochs-bin';

/** The engines that there are, in the order of a table's columns. */
export const ENGINE_NAMES = ['native', 'kvm', 'qemu-kvm', 'qemu-tcg', 'bochs', 'v86'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Linux for the engines, or why there is none. */
export type BenchLinux = DemoGuest | { readonly missing: string };

const NO_LINUX: BenchLinux = { missing: 'no Linux was asked for' };

/** Makes engines; what cannot be used says so when it is probed. */
export function makeEngine(name: EngineName, linux: BenchLinux = NO_LINUX): Engine {
  switch (name) {
    case 'native':
      return nativeEngine();
    case 'kvm':
      return kvmEngine(linux);
    case 'qemu-kvm':
      return qemuEngine({ name, accelerator: 'kvm', cpu: 'host', linux });
    case 'qemu-tcg':
      return qemuEngine({ name, accelerator: 'tcg', cpu: 'max', linux });
    case 'bochs':
      return bochsEngine();
    case 'v86':
      return v86Engine();
  }
}

const beyondLocalKvm = (): ReadonlyMap<string, string> =>
  localFlavour().flavour === 'kvm_pvm' ? BEYOND_KVM_PVM : new Map();

/** An engine is not started with what it has refused. */
function linuxOf(linux: BenchLinux): DemoGuest {
  if ('missing' in linux) throw new VmError('BUG', `Linux is started, and ${linux.missing}`);
  return linux;
}

function benchLine(start: Start): string {
  if (start.guest === 'linux') throw new VmError('BUG', 'Linux is started on an engine that has refused it');
  return start.guest === 'hello' ? '' : start.commandLine;
}

function refusalOf(start: Start, linux: BenchLinux): string | undefined {
  return start.guest === 'linux' && 'missing' in linux ? linux.missing : undefined;
}

function refusalOnKvm(start: Start, linux: BenchLinux): string | undefined {
  if (start.guest === 'linux' && localFlavour().flavour === 'kvm_pvm') return 'kvm_pvm does not run this kernel';
  return refusalOf(start, linux);
}

/** The same loops as a Linux program, on the processor that is here. */
function nativeEngine(): Engine {
  return new ProgramEngine({
    name: 'native',
    probe: async () => (fs.existsSync(NATIVE) ? { version: 'Linux' } : { missing: `${NATIVE} is not built` }),
    program: (start) => ({ command: [NATIVE, ...benchLine(start).split(' ')] }),
    refusalOf: ({ guest }) => (guest === 'bench' ? undefined : 'a program of Linux boots nothing'),
  });
}

/** Ports of the benchmark's guest (guest-images/bench/guest/exits.c) for which KVM has something better than an exit. */
const KVM_PORTS = [
  { port: 0x5c0, size: 1, how: 'coalesced' },
  { port: 0x5c8, size: 1, how: 'ioeventfd' },
] as const satisfies readonly KvmPort[];

/** V8 has compiled the vCPU's loop by then, for a workload whose exits are of a new kind once more. */
const WARM_UP_EXITS = 10_000;

/** The workloads run in a machine of this process; a boot is that of the command. */
function kvmEngine(linux: BenchLinux): Engine {
  const machine = new MachineEngine(`vmlaunch ${version()}`, (start) => ({
    ...guestOf(start, linux),
    kvmPorts: KVM_PORTS,
  }));
  const refuses = (start: Start) => refusalOnKvm(start, linux);
  const probe = () => machine.probe();
  const program = (start: Start): Program => ({ command: runCommand(guestOf(start, linux)) });
  const command = new ProgramEngine({ name: machine.name, probe, program, refusalOf: refuses });
  return {
    name: machine.name,
    beyond: beyondLocalKvm(),
    warmUpExits: WARM_UP_EXITS,
    probe,
    refusalOf: refuses,
    launch: (start, signal) => (start.guest === 'bench' ? machine : command).launch(start, signal),
  };
}

interface KvmGuest {
  readonly image: string;
  readonly commandLine: string;
  readonly memory: string;
  readonly initrd?: string;
}

function guestOf(start: Start, linux: BenchLinux): KvmGuest {
  if (start.guest !== 'linux')
    return { image: BENCH_IMAGE, commandLine: benchLine(start), memory: `${GUEST_MEMORY_MIB}M` };
  const { kernel, initrd, commandLine } = linuxOf(linux);
  return { image: kernel, initrd, commandLine, memory: `${LINUX_MEMORY_MIB}M` };
}

function runCommand({ image, commandLine, memory, initrd }: KvmGuest): [string, ...string[]] {
  const files = initrd === undefined ? [] : ['--initrd', initrd];
  const options = ['--host', 'local', '--memory', memory, '--append', commandLine, ...files];
  return [process.execPath, COMMAND, 'run', image, ...options];
}

interface Qemu {
  readonly name: EngineName;
  readonly accelerator: 'kvm' | 'tcg';
  readonly cpu: string;
  readonly linux: BenchLinux;
}

/** The benchmark's image is its BIOS: SeaBIOS would take twice the time of all else before the guest's first line. */
function qemuEngine({ name, accelerator, cpu, linux }: Qemu): Engine {
  let packages: Packages | undefined;
  return new ProgramEngine({
    name,
    beyond: accelerator === 'kvm' ? beyondLocalKvm() : new Map(),
    probe: async () => {
      if (accelerator === 'kvm' && !fs.existsSync('/dev/kvm')) return { missing: 'there is no /dev/kvm here' };
      return probeProgram(async () => {
        packages = await ensurePackages(['qemu-system-x86'], () => {});
        return /version (\S+)/.exec(await outputOf(packages, QEMU, ['--version']))?.[1];
      });
    },
    program: (start, directory) => ({
      command: [
        packages?.path(QEMU) ?? QEMU,
        ...['-accel', accelerator, '-cpu', cpu, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
        ...['-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
        // QEMU finds these by itself only where they are installed.
        ...QEMU_DATA.flatMap((file) => ['-L', path.dirname(packages?.path(file) ?? file)]),
        ...(start.guest === 'linux'
          ? ['-bios', packages?.path(QBOOT) ?? QBOOT, ...qemuLinux(linuxOf(linux))]
          : ['-bios', writeRom(BENCH_IMAGE, benchLine(start), directory), '-m', `${GUEST_MEMORY_MIB}`]),
      ],
      environment: packages?.environment ?? {},
    }),
    refusalOf: (start) => (accelerator === 'kvm' ? refusalOnKvm(start, linux) : refusalOf(start, linux)),
  });
}

const qemuLinux = ({ kernel, initrd, commandLine }: DemoGuest): string[] => [
  '-m',
  `${LINUX_MEMORY_MIB}`,
  '-kernel',
  kernel,
  '-initrd',
  initrd,
  '-append',
  commandLine,
];

function bochsEngine(): Engine {
  let files: BochsFiles | undefined;
  return new ProgramEngine({
    name: 'bochs',
    probe: () =>
      probeProgram(async () => {
        const packages = await ensurePackages(['bochs', 'bochs-term', 'vgabios'], () => {});
        files = {
          program: packages.path(BOCHS),
          environment: packages.environment,
          vgaBios: packages.path('/usr/share/bochs/VGABIOS-lgpl-latest'),
          image: BENCH_IMAGE,
        };
        return /Emulator (\S+)/.exec(await outputOf(packages, BOCHS, ['--help']))?.[1];
      }),
    program: (start, directory) => {
      if (files === undefined) throw new VmError('BUG', 'Bochs is launched before it is asked for');
      return bochsProgram(files, benchLine(start), directory);
    },
    refusalOf: ({ guest }) => (guest === 'linux' ? 'it is started without the BIOS that would load Linux' : undefined),
  });
}

/** A package of npm, in a process of its own. */
function v86Engine(): Engine {
  return new ProgramEngine({
    name: 'v86',
    probe: () => probeProgram(async () => v86Version()),
    program: (start) => ({ command: v86Command(BENCH_IMAGE, benchLine(start)) }),
    refusalOf: ({ guest }) => (guest === 'linux' ? 'v86 has no 64-bit mode' : undefined),
  });
}

/** What cannot be had is missing, and why. */
async function probeProgram(version: () => Promise<string | undefined>): ReturnType<Engine['probe']> {
  try {
    return { version: (await version()) ?? 'of a version that it does not tell' };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

/** Both of its outputs, whatever its status. */
async function outputOf(packages: Packages, file: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, ...packages.environment };
  const { stdout, stderr } = await promisify(execFile)(packages.path(file), [...args], { env });
  return stdout + stderr;
}
