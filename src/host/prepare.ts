import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { messageOf, VmError } from '../errors.js';
import { buildOnce, cacheDirectory, holdInUse } from '../setup/cache.js';
import { type Progress, run } from '../setup/command.js';
import { ensurePackages, type Packages } from '../setup/packages.js';
import { bochsMachine, prepareBochsDirectory } from './bochs.js';
import { Host, type PreparedHost } from './host.js';
import { DEFAULT_MEMORY_MIB, type HostKind, kernelCommandLine } from './kind.js';
import { type EmulatorFiles, MEMORY_FILE } from './launch.js';
import { HOST_SOURCES, hostParts } from './parts.js';
import { fileStamp, projectFiles, projectKey, projectRoot, projectStamp } from './project.js';
import { qemuMachine } from './qemu.js';

/** Raise it when a snapshot made before is of no more use, for a reason that its key does not show. */
const FORMAT = 1;

const PACKAGES: Readonly<Record<HostKind, readonly string[]>> = {
  svm: ['qemu-system-x86'],
  vtx: ['bochs', 'bochs-term', 'bochsbios', 'vgabios'],
};
const COMMON_PACKAGES = ['busybox-static', 'gcc', 'libc6-dev', 'binutils'];

/** A host that did not boot by then never will: some ten times what it takes on a slow machine. */
const BOOT_TIMEOUT_MS = 300_000;

export type HostState =
  | { readonly ready: true; readonly why: string; readonly directory: string }
  | { readonly ready: false; readonly why: string };

interface PreparedRecord {
  readonly stamp: string;
  readonly prepared: PreparedHost;
}

/**
 * Makes what is missing of a nested host: packages, kernel, snapshots. A snapshot has two layers: the booted kernel
 * with Node, which takes long and changes seldom, and on it this project with its agent waiting. Quick when nothing
 * has changed.
 * @throws VmError SETUP_FAILED
 */
export async function prepareHost(kind: HostKind, progress: Progress): Promise<PreparedHost> {
  const known = readRecord(kind);
  if (known && known.stamp === stampOf(known.prepared) && isWhole(known.prepared)) return known.prepared;
  const names = [...PACKAGES[kind], ...COMMON_PACKAGES];
  const packages = await ensurePackages(names, progress);
  // The parts serve both kinds, so their key may name only what both have.
  const common = await ensurePackages(COMMON_PACKAGES, progress);
  const parts = await hostParts(common, progress);
  const emulator = emulatorFiles(kind, packages);
  const base = { kind, emulator, boot: parts.boot };
  const baseKey = digest([FORMAT, parts.key, packages.versions, kernelCommandLine(kind), machineOf(kind, emulator)]);
  const directory = await buildOnce(`host-${kind}`, digest([baseKey, projectKey()]), async (building) => {
    const booted = await buildOnce(`host-${kind}-base`, baseKey, (first) => saveBooted(base, first, progress));
    await saveWithProject(base, booted, building, progress);
  });
  const prepared = { ...base, directory };
  writeRecord({ stamp: stampOf(prepared), prepared });
  return prepared;
}

/** Whether `prepareHost` would have nothing to do. Quick; never throws. */
export function hostState(kind: HostKind): HostState {
  try {
    const known = readRecord(kind);
    if (known === undefined) return { ready: false, why: 'never prepared' };
    if (!fs.existsSync(known.prepared.directory)) return { ready: false, why: 'no longer in the cache' };
    const { directory } = known.prepared;
    if (known.stamp !== stampOf(known.prepared))
      return { ready: false, why: 'the project, Node or Debian packages have changed' };
    return { ready: true, why: 'prepared', directory };
  } catch (error) {
    return { ready: false, why: messageOf(error) };
  }
}

type Base = Omit<PreparedHost, 'directory'>;

async function saveBooted(base: Base, directory: string, progress: Progress): Promise<void> {
  progress(`nested host ${base.kind}: booting its kernel (${base.kind === 'svm' ? 'QEMU' : 'Bochs'})`);
  if (base.kind === 'vtx') prepareBochsDirectory(directory, base.boot);
  await save(await Host.launch(base, { mode: 'save', directory }), async (host) => host.booted());
  await compact(path.join(directory, MEMORY_FILE));
}

async function saveWithProject(base: Base, booted: string, into: string, progress: Progress): Promise<void> {
  progress(`nested host ${base.kind}: saving it with this project, warm`);
  if (base.kind === 'vtx') prepareBochsDirectory(into, base.boot);
  else await run('cp', ['--sparse=always', path.join(booted, MEMORY_FILE), path.join(into, MEMORY_FILE)]);
  await save(await Host.launch(base, { mode: 'resave', directory: booted, into }), async (host) => {
    await host.putFiles(projectFiles());
    await host.warmAgent();
  });
  await compact(path.join(into, MEMORY_FILE));
}

async function save(host: Host, prepare: (host: Host) => Promise<void>): Promise<void> {
  const timer = setTimeout(() => void host.close(), BOOT_TIMEOUT_MS);
  try {
    await prepare(host);
    await host.save();
  } catch (error) {
    throw new VmError('SETUP_FAILED', `the nested host cannot be prepared: ${messageOf(error)}`, {
      hint: error instanceof VmError ? error.hint : '',
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    await host.close();
  }
}

/** Gives back the disk space of pages that hold only zeros. */
async function compact(file: string): Promise<void> {
  await run('fallocate', ['--dig-holes', file]).catch(() => {}); // a file system that has no holes
}

function emulatorFiles(kind: HostKind, { path: at, environment }: Packages): EmulatorFiles {
  if (kind === 'svm') {
    return { program: at('/usr/bin/qemu-system-x86_64'), firmware: at('/usr/share/qemu/qboot.rom'), environment };
  }
  return {
    program: at('/usr/bin/bochs-bin'),
    firmware: at('/usr/share/bochs/BIOS-bochs-latest'),
    vgaFirmware: at('/usr/share/bochs/VGABIOS-lgpl-latest'),
    environment,
  };
}

function machineOf(kind: HostKind, emulator: EmulatorFiles): string {
  const memory = DEFAULT_MEMORY_MIB[kind];
  return kind === 'svm' ? qemuMachine(memory, 1).join(' ') : bochsMachine(emulator, memory, '');
}

function digest(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16);
}

/** All that a prepared host depends on, as far as it shows without running a program. */
function stampOf({ kind, emulator }: PreparedHost): string {
  const watched = [
    process.execPath,
    ...HOST_SOURCES,
    emulator.program,
    emulator.firmware,
    // A newer kernel or emulator comes by way of these.
    '/var/lib/apt/lists',
    '/var/lib/dpkg/status',
  ];
  const settings = [FORMAT, process.version, kernelCommandLine(kind), machineOf(kind, emulator)];
  return digest([...settings, ...watched.map(fileStamp), projectStamp()]);
}

/** One for each place from which this project runs: they share the snapshots where they have the same contents. */
function recordFile(kind: HostKind): string {
  return path.join(cacheDirectory(), `host-${kind}.${digest([projectRoot])}.json`);
}

function readRecord(kind: HostKind): PreparedRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(recordFile(kind), 'utf8')) as PreparedRecord;
  } catch {
    return undefined; // none yet; a damaged one is made again
  }
}

function writeRecord(record: PreparedRecord): void {
  const file = recordFile(record.prepared.kind);
  const written = `${file}.${process.pid}`;
  fs.writeFileSync(written, JSON.stringify(record));
  fs.renameSync(written, file);
}

function isWhole({ directory, boot }: PreparedHost): boolean {
  if (!fs.existsSync(boot.kernel)) return false;
  try {
    holdInUse(directory);
    return true;
  } catch {
    return false;
  }
}
