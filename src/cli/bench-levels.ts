import { LEVELS, LEVELS_SCHEMA, type LevelEngineName, type LevelsResult } from '../bench/levels/levels.js';
import { type LevelEngine, measureLevels } from '../bench/levels/measure.js';
import type { HostKind } from '../host/kind.js';
import { writeFile } from '../host/write-file.js';
import { native } from '../kvm/native.js';
import { abortedBySignal } from './abort-on-signal.js';
import { filesFor, QEMU_MODULES } from './bench-inside.js';
import {
  containerEngine,
  type EngineParts,
  javaEngine,
  machineEngine,
  nativeEngine,
  qemuSystemEngine,
  qemuUserEngine,
  unmeasuredEngine,
} from './bench-levels-engines.js';
import { levelsTable } from './bench-levels-table.js';
import { measureThere } from './bench-there.js';
import { chooseHost, type HostName } from './choose-host.js';
import { numberOf } from './image-options.js';
import { guestIn, levelsGuest } from './levels-guest.js';
import { plainOptionsOf } from './pen.js';
import { describeThisHost } from './this-host.js';
import { version } from './version.js';

export interface BenchLevelsOptions {
  readonly host: HostName;
  /** Seconds. */
  readonly budget: string;
  readonly json?: string;
  /** A directory that has the Linux guest, in a nested host. */
  readonly guest?: string;
}

const GUEST_INSIDE = '/work/levels';
/** Engines whose programs a nested host has to be given. */
const EMULATORS = ['qemu-user', 'qemu-tcg'];

/** What a start may take at least; else as long as the rounds may. */
const LEAST_START_S = 60;

/**
 * `vmlaunch bench levels`: the same program at each level of virtualization. Returns the exit status.
 * @throws VmError
 */
export async function benchLevels(options: BenchLevelsOptions): Promise<number> {
  const budgetS = numberOf(options.budget, '--budget') ?? 0;
  const progress = (line: string): void => void process.stderr.write(`vmlaunch: ${line}\n`);
  const { host, why } = chooseHost(options.host, true, 'svm', 'run Linux');
  if (options.host === 'auto') progress(`host ${host}: ${why}`);
  const result = await (host === 'local'
    ? abortedBySignal((signal) => levelsHere(options.guest, budgetS, progress, signal))
    : levelsThere(host, budgetS, progress));
  if (typeof result === 'number') return result;
  if (options.json !== undefined) writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  const { isTTY = false, columns = 80 } = process.stdout;
  process.stdout.write(levelsTable(result, { ...plainOptionsOf(isTTY, process.env), columns }));
  return 0;
}

type Progress = (line: string) => void;

/** On the processor and the kernel that are here. */
async function levelsHere(
  guestDirectory: string | undefined,
  budgetS: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<LevelsResult> {
  const date = new Date();
  const { rounds, engines } = await measureLevels({
    engines: enginesHere(guestDirectory, progress),
    budgetS,
    startLimitMs: Math.max(budgetS, LEAST_START_S) * 1000,
    now: native.monotonicNs,
    signal,
    progress,
  });
  const { kind, flavour, processor, kernel } = describeThisHost();
  return {
    schema: LEVELS_SCHEMA,
    version: version(),
    date: date.toISOString(),
    host: { kind, flavour, processor, kernel },
    budgetS,
    rounds,
    levels: LEVELS.flatMap((level) =>
      engines.flatMap(({ name, ...figures }) => (name === level.engine ? [{ ...level, ...figures }] : [])),
    ),
  };
}

function enginesHere(guestDirectory: string | undefined, progress: Progress): LevelEngine[] {
  let made: ReturnType<typeof levelsGuest> | undefined;
  const guest = (): ReturnType<typeof levelsGuest> => {
    made ??= guestDirectory === undefined ? levelsGuest(progress) : Promise.resolve(guestIn(guestDirectory));
    return made;
  };
  return LEVELS.map(({ engine }) => makeEngine(engine, { guest, progress }));
}

function makeEngine(name: LevelEngineName, parts: EngineParts): LevelEngine {
  switch (name) {
    case 'native':
      return nativeEngine();
    case 'jvm':
      return javaEngine();
    case 'wine':
      return unmeasuredEngine(name, "not measured: it runs Windows's programs, and this one is Linux's");
    case 'container':
      return containerEngine();
    case 'vmlaunch':
      return machineEngine(parts);
    case 'qemu-user':
      return qemuUserEngine(parts);
    case 'qemu-tcg':
      return qemuSystemEngine(parts, name, ['-accel', 'tcg', '-cpu', 'max']);
  }
}

/** The same inside: what was measured comes out, and is shown here. */
async function levelsThere(kind: HostKind, budgetS: number, progress: Progress): Promise<LevelsResult | number> {
  const { kernel, initrd } = await levelsGuest(progress);
  const inside = guestIn(GUEST_INSIDE);
  const result = await measureThere({
    kind,
    argv: ['bench', 'levels', '--budget', `${budgetS}`, '--guest', GUEST_INSIDE],
    env: { QEMU_MODULE_DIR: QEMU_MODULES },
    files: [
      { path: inside.kernel, source: kernel },
      { path: inside.initrd, source: initrd },
      ...(await filesFor(EMULATORS, progress)),
    ],
    progress,
  });
  return typeof result === 'string' ? (JSON.parse(result) as LevelsResult) : result;
}
