import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Engine } from '../bench/engine.js';
import { MachineEngine } from '../bench/machine-engine.js';
import { ProgramEngine } from '../bench/program-engine.js';
import { messageOf } from '../errors.js';
import { ensurePackages, type Packages } from '../setup/packages.js';
import { version } from './version.js';

const GUEST_MEMORY_MIB = 64;
const buildPath = (name: string): string => fileURLToPath(new URL(`../../build/guest-images/${name}`, import.meta.url));
const KERNEL = buildPath('bench.elf');
const NATIVE = buildPath('bench-native');
const QEMU = '/usr/bin/qemu-system-x86_64';

/** The engines that there are, in the order of a table's columns. */
export const ENGINE_NAMES = ['native', 'kvm', 'qemu-kvm', 'qemu-tcg'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Makes engines; what cannot be used says so when it is probed. */
export function makeEngine(name: EngineName): Engine {
  switch (name) {
    case 'native':
      return nativeEngine();
    case 'kvm':
      return new MachineEngine(`vmlaunch ${version()}`, (commandLine) => ({
        image: KERNEL,
        commandLine,
        memory: `${GUEST_MEMORY_MIB}M`,
      }));
    case 'qemu-kvm':
      return qemuEngine(name, 'kvm', 'host');
    case 'qemu-tcg':
      return qemuEngine(name, 'tcg', 'max');
  }
}

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
    probe: async () => {
      if (accelerator === 'kvm' && !fs.existsSync('/dev/kvm')) return { missing: 'there is no /dev/kvm here' };
      try {
        packages = await ensurePackages(['qemu-system-x86'], () => {});
        const env = { ...process.env, ...packages.environment };
        const { stdout } = await promisify(execFile)(packages.path(QEMU), ['--version'], { env });
        return { version: /version (\S+)/.exec(stdout)?.[1] ?? stdout.trim() };
      } catch (error) {
        return { missing: messageOf(error) };
      }
    },
    program: (commandLine) => ({
      command: [
        packages?.path(QEMU) ?? QEMU,
        ...['-accel', accelerator, '-cpu', cpu, '-m', `${GUEST_MEMORY_MIB}`, '-nodefaults', '-no-user-config'],
        ...['-display', 'none', '-no-reboot', '-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
        ...['-kernel', KERNEL, '-append', commandLine],
      ],
      environment: packages?.environment ?? {},
    }),
  });
}
