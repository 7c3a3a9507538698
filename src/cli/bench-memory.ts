import type { Engine } from '../bench/engine.js';
import { MachineEngine } from '../bench/machine-engine.js';
import { makeBenchResult } from '../bench/make-result.js';
import { type MemoryColumn, memoryColumns } from '../bench/memory/columns.js';
import { type Counters, countWorkload } from '../bench/memory/counters.js';
import { mergeColumns } from '../bench/memory/merge.js';
import { type BenchEngine, type BenchResult, parseBenchResult } from '../bench/result.js';
import { runSuite } from '../bench/suite.js';
import { MEMORY_WORKLOADS, MEMORY_WORKLOADS_MIB } from '../bench/workloads.js';
import { VmError } from '../errors.js';
import type { HostKind } from '../host/kind.js';
import { localFlavour } from '../kvm/flavour.js';
import { native } from '../kvm/native.js';
import type { MachineOptions } from '../machine/options.js';
import { hasTransparentHugePages } from '../memory/huge-pages.js';
import { abortedBySignal } from './abort-on-signal.js';
import { BENCH_IMAGE } from './bench-engines.js';
import { memoryTable } from './bench-memory-table.js';
import { BenchProgress, progressTarget } from './bench-progress.js';
import { type BenchShowOptions, showBench } from './bench-show.js';
import { measureThere } from './bench-there.js';
import { chooseHost, type HostName } from './choose-host.js';
import { numberOf } from './image-options.js';
import { describeThisHost, loadNow } from './this-host.js';
import { version } from './version.js';

export interface BenchMemoryOptions extends BenchShowOptions {
  readonly host: HostName;
  /** Seconds, for each host; on the host vtx those of its clock, which counts instructions. */
  readonly budget: string;
}

const NS_PER_S = 1e9;
/** With which a software host's KVM has shadow paging. */
const SHADOW: Readonly<Record<HostKind, string>> = { svm: 'npt=0', vtx: 'ept=0' };
/** What a host's start, the last launch and the counters may take beyond the budget. */
const GRACE_S = 300;
/** On vtx its seconds are counted in instructions, of which an emulator on a busy machine does so many times fewer. */
const SECONDS_HERE: Readonly<Record<HostKind, number>> = { svm: 1, vtx: 20 };

/** `vmlaunch bench memory`: what EPT or NPT buys. Returns the exit status. @throws VmError */
export async function benchMemory(options: BenchMemoryOptions): Promise<number> {
  const budgetS = numberOf(options.budget, '--budget') ?? 0;
  const progress = (line: string): void => void process.stderr.write(`vmlaunch: ${line}\n`);
  const { host, why } = chooseHost(options.host, false);
  if (options.host === 'auto') progress(`host ${host}: ${why}`);
  const result = await (host === 'local'
    ? abortedBySignal((signal) => memoryHere(budgetS, progress, signal))
    : memoryThere(host, budgetS, progress));
  if (typeof result === 'number') return result;
  showBench(result, options, memoryTable);
  return 0;
}

type Progress = (line: string) => void;

/** On the KVM that is here: two of the columns. */
async function memoryHere(budgetS: number, progress: Progress, signal: AbortSignal): Promise<BenchResult> {
  const now = native.monotonicNs;
  const [date, startNs, before] = [new Date(), now(), loadNow()];
  const columns = memoryColumns(localFlavour(), hasTransparentHugePages());
  const result = await measure(columns, budgetS, signal);
  const elapsedS = (now() - startNs) / NS_PER_S;
  const counted = new Map<string, BenchEngine['counters']>();
  for (const column of columns) {
    if (column.missing === undefined) progress(`counting KVM's events: ${column.name}`);
    const cells = result.engines.find(({ name }) => name === column.name)?.cells ?? {};
    const names = Object.keys(cells).filter((name) => cells[name]?.outcome === 'measured');
    counted.set(column.name, await countersOf(column, names, signal));
  }
  const made = makeBenchResult({
    version: version(),
    date,
    suite: 'memory',
    host: { ...describeThisHost(), load: { before, after: loadNow() } },
    budgetS,
    elapsedS,
    workloads: MEMORY_WORKLOADS,
    result,
  });
  return { ...made, engines: made.engines.map((engine) => ({ ...engine, counters: counted.get(engine.name) })) };
}

async function measure(columns: readonly MemoryColumn[], budgetS: number, signal: AbortSignal) {
  const now = native.monotonicNs;
  using progress = new BenchProgress({ ...progressTarget(), now, budgetS });
  return await runSuite({
    engines: columns.map(memoryEngine),
    workloads: MEMORY_WORKLOADS,
    budgetS,
    now,
    signal,
    progress: (step) => progress.take(step),
  });
}

const machineOf = ({ hugePages }: MemoryColumn, commandLine: string): MachineOptions => ({
  image: BENCH_IMAGE,
  memory: `${MEMORY_WORKLOADS_MIB}M`,
  commandLine,
  hugePages,
});

function memoryEngine(column: MemoryColumn): Engine {
  const { name, missing } = column;
  const machine = new MachineEngine(`vmlaunch ${version()}`, (start) => {
    if (start.guest !== 'bench') throw new VmError('BUG', `${start.guest} is started to measure memory`);
    return machineOf(column, start.commandLine);
  });
  return {
    name,
    probe: () => (missing === undefined ? machine.probe() : Promise.resolve({ missing })),
    refusalOf: () => undefined,
    launch: (start, signal) => machine.launch(start, signal),
  };
}

async function countersOf(
  column: MemoryColumn,
  workloads: readonly string[],
  signal: AbortSignal,
): Promise<BenchEngine['counters']> {
  const all: Record<string, Counters> = {};
  for (const name of workloads) {
    const counters = await countWorkload(name, (commandLine) => machineOf(column, commandLine), signal);
    if (counters !== undefined) all[name] = counters;
  }
  return Object.keys(all).length === 0 ? undefined : all;
}

/** In two software hosts of the kind, one after the other. */
async function memoryThere(kind: HostKind, budgetS: number, progress: Progress): Promise<BenchResult | number> {
  const measureIn = async (kvmArgs?: string): Promise<BenchResult | number> => {
    progress(`a host ${kind} ${kvmArgs === undefined ? 'as it is' : `with ${kvmArgs}`}`);
    const written = await measureThere({
      kind,
      argv: ['bench', 'memory', '--no-text', '--budget', `${budgetS}`],
      kvmArgs,
      timeoutS: (budgetS + GRACE_S) * SECONDS_HERE[kind],
      progress,
    });
    return typeof written === 'string' ? parseBenchResult(written, 'what the nested host wrote') : written;
  };
  const twoLevels = await measureIn();
  if (typeof twoLevels === 'number') return twoLevels;
  const shadow = await measureIn(SHADOW[kind]);
  return typeof shadow === 'number' ? shadow : mergeColumns(twoLevels, shadow);
}
