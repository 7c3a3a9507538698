import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VmError } from '../errors.js';
import { kernelCommandLine } from './kind.js';
import {
  CHANNEL_FD,
  CONSOLE_FD,
  FIRST_FILE_FD,
  type Launch,
  type LaunchOptions,
  MEMORY_FILE,
  QMP_FD,
  STATE_FILE,
  type StartMode,
} from './launch.js';
import type { Qmp } from './qmp.js';

/** What a snapshot depends on: the machine. A restored host needs neither kernel nor initramfs again. */
export function qemuMachine(memoryMib: number, cpus: number): string[] {
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max,-la57', '-smp', `${cpus}`, '-m', `${memoryMib}`],
    ...['-M', 'q35,i8042=off,memory-backend=ram', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    // Or a restored host would stay paused.
    ...['-global', 'migration.store-global-state=off'],
    ...['-serial', `file:/dev/fd/${CONSOLE_FD}`],
    ...['-chardev', `socket,id=channel,fd=${CHANNEL_FD}`, '-device', 'virtio-serial-pci'],
    ...['-device', 'virtserialport,chardev=channel,name=vmlaunch'],
  ];
}

export function qemuLaunch({ kind, emulator, boot, start, memoryMib, cpus }: LaunchOptions): Launch {
  const restores = start.mode === 'restore' || start.mode === 'resave';
  const bootFrom = ['-kernel', boot.kernel, '-initrd', boot.initramfs, '-append', kernelCommandLine(kind)];
  return {
    command: [
      emulator.program,
      ...qemuMachine(memoryMib, cpus),
      ...[
        '-object',
        memoryBackend(start, memoryMib),
        '-L',
        path.dirname(emulator.firmware),
        '-bios',
        emulator.firmware,
      ],
      ...['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
      ...(restores ? ['-incoming', 'defer'] : bootFrom),
    ],
    environment: emulator.environment,
    files: restores ? [fs.openSync(path.join(start.directory, STATE_FILE), 'r')] : [],
  };
}

/**
 * The memory is a file: shared while a snapshot is made, so that it is the snapshot's memory; private copies of its
 * pages afterwards. So a restored host starts at once and reads only the pages that it touches.
 */
function memoryBackend(start: StartMode, memoryMib: number): string {
  const size = `id=ram,size=${memoryMib}M`;
  const file = (directory: string, share: 'on' | 'off'): string =>
    `memory-backend-file,${size},mem-path=${path.join(directory, MEMORY_FILE).replaceAll(',', ',,')},share=${share}`;
  switch (start.mode) {
    case 'cold':
      return `memory-backend-ram,${size}`;
    case 'save':
      return file(start.directory, 'on');
    case 'restore':
      return file(start.directory, 'off');
    case 'resave':
      return file(start.into, 'on');
  }
}

/** The first words to a QEMU that just started. Its memory is in the file: state streams leave it out. */
export async function greetQemu(qmp: Qmp, start: StartMode): Promise<void> {
  const commands = [qmp.run('qmp_capabilities')];
  if (start.mode !== 'cold') {
    const capabilities = [{ capability: 'x-ignore-shared', state: true }];
    commands.push(qmp.run('migrate-set-capabilities', { capabilities }));
  }
  if (start.mode === 'restore' || start.mode === 'resave') {
    commands.push(qmp.run('migrate-incoming', { uri: `fd:${FIRST_FILE_FD}` }));
  }
  await Promise.all(commands);
}

/** Writes the machine's state into the directory that has its memory already, and ends QEMU. */
export async function saveQemu(qmp: Qmp, directory: string): Promise<void> {
  await qmp.run('migrate-set-parameters', { 'max-bandwidth': 1e10 });
  // Without it a restored host hangs.
  await qmp.run('stop');
  await qmp.run('migrate', { uri: `exec:cat > '${path.join(directory, STATE_FILE).replaceAll("'", "'\\''")}'` });
  for (let status: unknown = ''; status !== 'completed'; await sleep(10)) {
    ({ status } = (await qmp.run('query-migrate')) as { status: string });
    if (status === 'failed') throw new VmError('HOST_FAILED', 'QEMU could not save its state');
  }
  await qmp.run('quit');
}
