import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { LevelEngine } from '../bench/levels/measure.js';
import { runMachine } from '../bench/levels/run-machine.js';
import { runProgram } from '../bench/levels/run-program.js';
import { messageOf } from '../errors.js';
import { projectRoot } from '../host/project.js';
import { localFlavour, softwareHost } from '../kvm/flavour.js';
import { Kvm } from '../kvm/kvm.js';
import { ensurePackages, type Packages } from '../setup/packages.js';
import { LEVELS_PROGRAM, type LevelsGuest } from './levels-guest.js';
import { version } from './version.js';

type Probe = LevelEngine['probe'];
type Command = readonly [string, ...string[]];

const CONTAINER = path.join(projectRoot, 'build/guest-images/levels-container');
const JAVA_SOURCE = path.join(projectRoot, 'guest-images/levels/Levels.java');
const QEMU_SYSTEM = '/usr/bin/qemu-system-x86_64';
const QEMU_USER = '/usr/bin/qemu-x86_64-static';
const GUEST_MEMORY_MIB = 128;

/** A level's engines are made of these. `guest` makes the Linux guest, at most once. */
export interface EngineParts {
  readonly guest: () => Promise<LevelsGuest>;
  readonly progress: (line: string) => void;
}

/** As it is, on the kernel that is here. */
export const nativeEngine = (): LevelEngine =>
  programEngine(
    'native',
    async () => ({ version: `Linux ${kernelVersion()}` }),
    (directory) => [LEVELS_PROGRAM, directory],
  );

export const containerEngine = (): LevelEngine =>
  programEngine(
    'container',
    async () => ({ version: 'namespaces' }),
    // Both directories are its own: the first is covered, the second is on the tmpfs that covers it.
    (directory) => [CONTAINER, directory, LEVELS_PROGRAM, '/tmp'],
  );

export function javaEngine(): LevelEngine {
  const probe: Probe = async () => {
    if (softwareHost() !== undefined) return { missing: 'no JVM is taken into a nested host' };
    try {
      const { stderr } = await promisify(execFile)('java', ['-version']);
      return { version: /version "([^"]+)"/.exec(stderr)?.[1] ?? 'Java' };
    } catch {
      return { missing: 'there is no java on the PATH' };
    }
  };
  return programEngine('jvm', probe, (directory) => ['java', JAVA_SOURCE, directory]);
}

export function qemuUserEngine({ progress }: EngineParts): LevelEngine {
  const qemu = new QemuPackage('qemu-user-static', QEMU_USER, progress);
  return programEngine('qemu-user', qemu.probe, (directory) => [
    ...qemu.command('-cpu', 'max'),
    LEVELS_PROGRAM,
    directory,
  ]);
}

/** @param missing why it is never measured */
export const unmeasuredEngine = (name: string, missing: string): LevelEngine => ({
  name,
  probe: async () => ({ missing }),
  start: () => Promise.reject(new Error(missing)),
});

/** This project's machine, on the KVM that is here. */
export function machineEngine({ guest }: EngineParts): LevelEngine {
  return {
    name: 'vmlaunch',
    probe: async () => {
      if (localFlavour().flavour === 'kvm_pvm') return { missing: 'the KVM that is here (kvm_pvm) cannot run Linux' };
      try {
        Kvm.open().close();
        await guest();
        return { version: version() };
      } catch (error) {
        return { missing: messageOf(error) };
      }
    },
    start: async () => {
      const { kernel, initrd, commandLine } = await guest();
      return runMachine({ image: kernel, initrd, commandLine, memory: `${GUEST_MEMORY_MIB}M` });
    },
  };
}

export function qemuSystemEngine({ guest, progress }: EngineParts, name: string, how: readonly string[]): LevelEngine {
  const qemu = new QemuPackage('qemu-system-x86', QEMU_SYSTEM, progress);
  return {
    name,
    probe: async () => {
      const probed = await qemu.probe();
      if ('missing' in probed) return probed;
      try {
        await guest();
        return probed;
      } catch (error) {
        return { missing: messageOf(error) };
      }
    },
    start: async () => {
      const { kernel, initrd, commandLine } = await guest();
      const command = qemu.command(
        ...[...how, '-m', `${GUEST_MEMORY_MIB}`, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
        ...['-L', qemu.path('/usr/share/qemu'), '-bios', qemu.path('/usr/share/qemu/qboot.rom'), '-serial', 'stdio'],
        ...['-kernel', kernel, '-initrd', initrd, '-append', commandLine],
      );
      return runProgram(command, qemu.environment);
    },
  };
}

/** QEMU from a Debian package. */
class QemuPackage {
  #packages: Packages | undefined;

  constructor(
    private readonly name: string,
    private readonly program: string,
    private readonly progress: (line: string) => void,
  ) {}

  readonly probe: Probe = async () => {
    try {
      this.#packages = await ensurePackages([this.name], this.progress);
      const [program, ...args] = this.command('--version');
      const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, ...this.environment } });
      return { version: /version (\S+)/.exec(stdout)?.[1] ?? 'QEMU' };
    } catch (error) {
      return { missing: messageOf(error) };
    }
  };

  get environment(): Readonly<Record<string, string>> {
    return this.#packages?.environment ?? {};
  }

  path(file: string): string {
    return this.#packages?.path(file) ?? file;
  }

  command(...args: string[]): Command {
    return [this.path(this.program), ...args];
  }
}

/** @param command that of the program, told a directory on a tmpfs */
function programEngine(name: string, probe: Probe, command: (directory: string) => Command): LevelEngine {
  return {
    name,
    probe: async () => (tmpfsDirectory() === undefined ? { missing: 'there is no tmpfs to write to' } : probe()),
    start: async () => runProgram(command(tmpfsDirectory() ?? '')),
  };
}

/** f_type of a tmpfs (linux/magic.h). */
const TMPFS_MAGIC = 0x01021994;

/** Where files can be written in memory. */
function tmpfsDirectory(): string | undefined {
  return ['/dev/shm', os.tmpdir(), `/run/user/${process.getuid?.()}`].find((directory) => {
    try {
      fs.accessSync(directory, fs.constants.W_OK);
      return fs.statfsSync(directory).type === TMPFS_MAGIC;
    } catch {
      return false;
    }
  });
}

/** "6.1.0-56". */
const kernelVersion = (): string => /^[\d.]+(-\d+)?/.exec(os.release())?.[0] ?? os.release();
