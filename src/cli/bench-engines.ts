import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BochsFiles, bochsProgram } from '../bench/bochs.js';
import type { Engine } from '../bench/engine.js';
import { MachineEngine } from '../bench/machine-engine.js';
import { ProgramEngine } from '../bench/program-engine.js';
import { v86Command, v86Version } from '../bench/v86.js';
import { BEYOND_KVM_PVM } from '../bench/workloads.js';
import { messageOf, VmError } from '../errors.js';
import { localFlavour } from '../kvm/flavour.js';
import { ensurePackages, type Packages } from '../setup/packages.js';
import { version } from './version.js';

const GUEST_MEMORY_MIB = 64;
const buildPath = (name: string): string => fileURLToPath(new URL(`../../build/guest-images/${name}`, import.meta.url));
const IMAGE = buildPath('bench.img');
const NATIVE = buildPath('bench-native');
const QEMU = '/usr/bin/qemu-system-x86_64';
const QBOOT = '/usr/share/qemu/qboot.rom';
/** A file in each of QEMU's directories of data. */
const QEMU_DATA = [QBOOT, '/usr/share/seabios/bios-256k.bin'];
const BOCHS = '/usr/bin/bochs-bin';

/** The engines that there are, in the order of a table's columns. */
export const ENGINE_NAMES = ['native', 'kvm', 'qemu-kvm', 'qemu-tcg', 'bochs', 'v86'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Makes engines; what cannot be used says so when it is probed. */
export function makeEngine(name: EngineName): Engine {
  switch (name) {
    case 'native':
      return nativeEngine();
    case 'kvm':
      return new MachineEngine(
        `vmlaunch ${version()}`,
        (commandLine) => ({ image: IMAGE, commandLine, memory: `${GUEST_MEMORY_MIB}M` }),
        beyondLocalKvm(),
      );
    case 'qemu-kvm':
      return qemuEngine(name, 'kvm', 'host');
    case 'qemu-tcg':
      return qemuEngine(name, 'tcg', 'max');
    case 'bochs':
      return bochsEngine();
    case 'v86':
      return v86Engine();
  }
}

const beyondLocalKvm = (): ReadonlyMap<string, string> =>
  localFlavour().flavour === 'kvm_pvm' ? BEYOND_KVM_PVM : new Map();

/** The same loops as a Linux program, on the processor that is here. */
function nativeEngine(): Engine {
  return new ProgramEngine({
    name: 'native',
    probe: async () => (fs.existsSync(NATIVE) ? { version: 'Linux' } : { missing: `${NATIVE} is not built` }),
    program: (commandLine) => ({ command: [NATIVE, ...commandLine.split(' ')] }),
  });
}

function qemuEngine(name: EngineName, accelerator: 'kvm' | 'tcg', cpu: string): Engine {
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
    program: (commandLine) => ({
      command: [
        packages?.path(QEMU) ?? QEMU,
        ...['-accel', accelerator, '-cpu', cpu, '-m', `${GUEST_MEMORY_MIB}`, '-nodefaults', '-no-user-config'],
        ...['-display', 'none', '-no-reboot', '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
        // QEMU finds these by itself only where they are installed. The small BIOS starts the guest sooner.
        ...QEMU_DATA.flatMap((directory) => ['-L', path.dirname(packages?.path(directory) ?? directory)]),
        ...['-bios', packages?.path(QBOOT) ?? QBOOT],
        ...['-kernel', IMAGE, '-append', commandLine],
      ],
      environment: packages?.environment ?? {},
    }),
  });
}

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
          image: IMAGE,
        };
        return /Emulator (\S+)/.exec(await outputOf(packages, BOCHS, ['--help']))?.[1];
      }),
    program: (commandLine, directory) => {
      if (files === undefined) throw new VmError('BUG', 'Bochs is launched before it is asked for');
      return bochsProgram(files, commandLine, directory);
    },
  });
}

/** A package of npm, in a process of its own. */
function v86Engine(): Engine {
  return new ProgramEngine({
    name: 'v86',
    probe: () => probeProgram(async () => v86Version()),
    program: (commandLine) => ({ command: v86Command(IMAGE, commandLine) }),
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
