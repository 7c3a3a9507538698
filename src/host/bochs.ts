import fs from 'node:fs';
import path from 'node:path';
import { kernelCommandLine } from './kind.js';
import {
  type BootFiles,
  CHANNEL_FD,
  CONSOLE_FD,
  type EmulatorFiles,
  FIRST_FILE_FD,
  type Launch,
  type LaunchOptions,
  MEMORY_FILE,
  namelessFile,
  STATE_FILE,
} from './launch.js';
import { pvhPlan } from './pvh.js';

/** Beside the snapshot, as Bochs' working directory: its saved configuration names no place that may change. */
const LOADER = 'loader.rom';
const SHIM = 'shim.so';
const DEBUGGER_COMMANDS = 'debugger';

/** What a snapshot depends on: the machine. A date in the past, always the same: every run sees the same time. */
export function bochsMachine(emulator: EmulatorFiles, memoryMib: number, loader: string): string {
  return `\
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, gameport=0, iodebug=0
config_interface: textconfig
display_library: term
memory: host=${memoryMib}, guest=${memoryMib}
romimage: file=${emulator.firmware}
vgaromimage: file=${emulator.vgaFirmware ?? ''}
optromimage1: file=${loader}, address=0xd0000
vga: extension=none
cpu: model=corei7_haswell_4770, count=1, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
ata0: enabled=0
ata1: enabled=0
boot: disk
clock: sync=none, time0=946681200
com1: enabled=1, mode=file, dev=/dev/fd/${CONSOLE_FD}
log: /dev/fd/2
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
`;
}

export function bochsLaunch(options: LaunchOptions): Launch {
  const { emulator, boot, start } = options;
  const environment: Record<string, string> = {
    ...emulator.environment,
    TERM: 'xterm',
    VMLAUNCH_CHANNEL: `${CHANNEL_FD}`,
  };
  if (start.mode === 'restore' || start.mode === 'resave') {
    environment.LD_PRELOAD = path.join(start.directory, SHIM);
    environment.VMLAUNCH_MEMORY = path.join(start.directory, MEMORY_FILE);
    if (start.mode === 'resave') environment.VMLAUNCH_SAVE = path.join(start.into, STATE_FILE);
    return {
      command: [emulator.program, '-q', '-r', STATE_FILE, '-rc', DEBUGGER_COMMANDS],
      environment,
      directory: start.directory,
      files: [],
    };
  }
  environment.LD_PRELOAD = boot.shim;
  environment.VMLAUNCH_BOOT = `/dev/fd/${FIRST_FILE_FD}`;
  if (start.mode === 'save') environment.VMLAUNCH_SAVE = path.join(start.directory, STATE_FILE);
  return coldLaunch(options, environment);
}

function coldLaunch(
  { kind, emulator, boot, start, memoryMib }: LaunchOptions,
  environment: Record<string, string>,
): Launch {
  const [plan, machine, commands] = [0, 1, 2].map((index) => `/dev/fd/${FIRST_FILE_FD + index}`) as [
    string,
    string,
    string,
  ];
  const loader = start.mode === 'save' ? LOADER : boot.loader;
  return {
    command: [emulator.program, '-q', '-f', machine, '-rc', commands],
    environment,
    ...(start.mode === 'save' ? { directory: start.directory } : {}),
    files: [
      namelessFile(pvhPlan({ ...boot, memoryMib, commandLine: kernelCommandLine(kind), plan })),
      namelessFile(bochsMachine(emulator, memoryMib, loader)),
      namelessFile(CONTINUE),
    ],
  };
}

/** Debian's Bochs has its debugger built in, and would wait at its prompt. */
const CONTINUE = 'c\n';

/** Fills a snapshot's directory with all that Bochs needs beside its state. */
export function prepareBochsDirectory(directory: string, boot: BootFiles): void {
  fs.mkdirSync(path.join(directory, STATE_FILE));
  fs.copyFileSync(boot.loader, path.join(directory, LOADER));
  fs.copyFileSync(boot.shim, path.join(directory, SHIM));
  fs.writeFileSync(path.join(directory, DEBUGGER_COMMANDS), CONTINUE);
}

/** Makes what Bochs saved fit to be restored. */
export function tidyBochsState(directory: string): void {
  const file = (name: string): string => path.join(directory, STATE_FILE, name);
  fs.writeFileSync(file('config'), restoreTimersInOrder(fs.readFileSync(file('config'), 'latin1')), 'latin1');
  // Bochs would copy it whole; bochs-shim.c gives it the file itself.
  fs.renameSync(file('memory.ram'), path.join(directory, MEMORY_FILE));
  fs.writeFileSync(file('memory.ram'), '');
}

/**
 * Bochs restores timers by number, in the order in which the devices made them, and its saved configuration lists the
 * devices in another: usb_uhci came last. Anywhere else its timer becomes COM1's, which then receives a thousand
 * bytes a second that nobody sent.
 */
function restoreTimersInOrder(config: string): string {
  return config.replace(/^(plugin_ctrl:.*?) usb_uhci=true,(.*)$/m, '$1$2, usb_uhci=true');
}
