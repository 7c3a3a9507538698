import { type BenchResult, parseBenchResult } from '../bench/result.js';
import type { HostFile } from '../host/file.js';
import type { HostKind } from '../host/kind.js';
import { programFiles } from '../host/programs.js';
import { ensurePackages } from '../setup/packages.js';
import type { EngineName } from './bench-engines.js';
import { measureThere } from './bench-there.js';

/** Where what an engine needs is: a nested host holds this project and Node alone. */
interface Needs {
  readonly packages: readonly string[];
  /** Files, or directories for all in them. */
  readonly places: readonly string[];
}

export const QEMU_MODULES = '/usr/lib/x86_64-linux-gnu/qemu';
const QEMU: Needs = {
  packages: ['qemu-system-x86', 'seabios'],
  places: [
    '/usr/bin/qemu-system-x86_64',
    `${QEMU_MODULES}/accel-tcg-x86_64.so`,
    ...['linuxboot_dma.bin', 'pvh.bin', 'kvmvapic.bin', 'qboot.rom'].map((name) => `/usr/share/qemu/${name}`),
    '/usr/share/seabios/bios-256k.bin',
  ],
};
const BOCHS: Needs = {
  packages: ['bochs', 'bochs-term', 'vgabios'],
  places: [
    '/usr/bin/bochs-bin',
    '/usr/lib/x86_64-linux-gnu/bochs/plugins',
    '/usr/share/bochs/VGABIOS-lgpl-latest',
    '/lib/terminfo/x/xterm',
  ],
};
const QEMU_USER: Needs = { packages: ['qemu-user-static'], places: ['/usr/bin/qemu-x86_64-static'] };
const NEEDS: Readonly<Record<string, Needs>> = {
  'qemu-kvm': QEMU,
  'qemu-tcg': QEMU,
  'qemu-user': QEMU_USER,
  bochs: BOCHS,
};

/** What the host's start and the last launch may take beyond the budget, which is the suite's alone. */
const GRACE_S = 50;

export interface InsideOptions {
  readonly engines: readonly EngineName[];
  /** More that they need. */
  readonly files: readonly HostFile[];
  /** Of `vmlaunch bench`. */
  readonly argv: readonly string[];
  readonly budgetS: number;
  readonly progress: (line: string) => void;
}

/**
 * Runs the suite in a nested host, and the emulators there too: so all figures are of one processor.
 * @returns the result, or the exit status of a command that gave none
 * @throws VmError HOST_FAILED, SETUP_FAILED
 */
export async function benchInside(
  kind: HostKind,
  { engines, files, argv, budgetS, progress }: InsideOptions,
): Promise<BenchResult | number> {
  const result = await measureThere({
    kind,
    argv: ['bench', '--no-text', ...argv],
    env: { QEMU_MODULE_DIR: QEMU_MODULES },
    files: [...(await filesFor(engines, progress)), ...files],
    // On vtx its seconds are counted in instructions.
    ...(kind === 'svm' && { timeoutS: budgetS + GRACE_S }),
    progress,
  });
  return typeof result === 'string' ? parseBenchResult(result, 'what the nested host wrote') : result;
}

/** What engines of these names need. An engine whose packages cannot be had is left out, and says so inside. */
export async function filesFor(engines: readonly string[], progress: (line: string) => void): Promise<HostFile[]> {
  const needs = new Set(engines.flatMap((name) => NEEDS[name] ?? []));
  const files: HostFile[] = [];
  for (const { packages: names, places } of needs) {
    try {
      const packages = await ensurePackages(names, progress);
      files.push(...(await programFiles(packages, places)));
    } catch (error) {
      progress(`${names[0]}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return [...new Map(files.map((file) => [file.path, file])).values()];
}
