import { BOOTS } from '../bench/boots.js';
import type { Row } from '../bench/column.js';
import { makeBenchResult } from '../bench/make-result.js';
import type { BenchResult } from '../bench/result.js';
import { runSuite } from '../bench/suite.js';
import { type SuiteName, workloadsOfSuite } from '../bench/suites.js';
import { WORKLOADS } from '../bench/workloads.js';
import { VmError } from '../errors.js';
import { native } from '../kvm/native.js';
import { abortedBySignal } from './abort-on-signal.js';
import { ENGINE_NAMES, type EngineName, makeEngine } from './bench-engines.js';
import { benchInside } from './bench-inside.js';
import { benchLinux, linuxFiles, wantsLinux } from './bench-linux.js';
import { BenchProgress, progressTarget } from './bench-progress.js';
import { type BenchShowOptions, showBench } from './bench-show.js';
import { chooseHost, type HostName } from './choose-host.js';
import { numberOf } from './image-options.js';
import { describeThisHost, loadNow } from './this-host.js';
import { version } from './version.js';

export interface BenchSuiteOptions extends BenchShowOptions {
  readonly suite: SuiteName;
  /** By comma. */
  readonly engines?: string;
  /** By comma: names, or what they begin with (`cpu`). */
  readonly workloads?: string;
  /** Seconds; on the host vtx those of its clock, which counts instructions. */
  readonly budget: string;
  readonly host: HostName;
}

const NS_PER_S = 1e9;

/** `vmlaunch bench`: the same guest on every engine that is here. Returns the exit status. @throws VmError */
export async function benchSuite(options: BenchSuiteOptions): Promise<number> {
  const engines = enginesOf(options.engines);
  const workloads = workloadsOf(options.suite, options.workloads);
  const budgetS = numberOf(options.budget, '--budget') ?? 0;
  const progress = (line: string): void => void process.stderr.write(`vmlaunch: ${line}\n`);
  // The benchmark's guest is a kernel that any local KVM runs.
  const { host, why } = chooseHost(options.host, false);
  if (options.host === 'auto') progress(`host ${host}: ${why}`);
  const measured =
    host === 'local'
      ? await abortedBySignal((signal) => benchHere({ suite: options.suite, engines, workloads, budgetS }, signal))
      : await benchInside(host, {
          engines,
          files: wantsLinux(workloads) ? await linuxFiles() : [],
          argv: argumentsInside(options),
          budgetS,
          progress,
        });
  if (typeof measured === 'number') return measured;
  showBench(measured, options);
  return 0;
}

function argumentsInside({ suite, engines, workloads, budget }: BenchSuiteOptions): string[] {
  return [
    ...['--suite', suite, '--budget', budget],
    ...(engines === undefined ? [] : ['--engines', engines]),
    ...(workloads === undefined ? [] : ['--workloads', workloads]),
  ];
}

interface Wanted {
  readonly suite: SuiteName;
  readonly engines: readonly EngineName[];
  readonly workloads: readonly Row[];
  readonly budgetS: number;
}

/** On the processor and the KVM that are here. */
async function benchHere({ suite, engines, workloads, budgetS }: Wanted, signal: AbortSignal): Promise<BenchResult> {
  const now = native.monotonicNs;
  const [date, startNs, before] = [new Date(), now(), loadNow()];
  const linux = wantsLinux(workloads) ? await benchLinux() : undefined;
  using progress = new BenchProgress({ ...progressTarget(), now, budgetS });
  const result = await runSuite({
    engines: engines.map((name) => makeEngine(name, linux)),
    workloads,
    budgetS,
    now,
    signal,
    progress: (step) => progress.take(step),
  });
  return makeBenchResult({
    version: version(),
    date,
    suite,
    host: { ...describeThisHost(), load: { before, after: loadNow() } },
    budgetS,
    elapsedS: (now() - startNs) / NS_PER_S,
    workloads,
    result,
  });
}

function enginesOf(text: string | undefined): EngineName[] {
  if (text === undefined) return [...ENGINE_NAMES];
  return text.split(',').map((name) => {
    const known = ENGINE_NAMES.find((engine) => engine === name);
    if (known !== undefined) return known;
    throw new VmError('OPTION_INVALID', `--engines ${name}: there is no such engine`, {
      hint: `Known: ${ENGINE_NAMES.join(', ')}.`,
    });
  });
}

function workloadsOf(suite: SuiteName, text: string | undefined): readonly Row[] {
  const all = workloadsOfSuite<Row>(suite, [...WORKLOADS, ...BOOTS]);
  if (text === undefined) return all;
  const wanted = text.split(',');
  const fits = (name: string, word: string) => name === word || name.startsWith(`${word}.`);
  const unknown = wanted.find((word) => !all.some(({ name }) => fits(name, word)));
  if (unknown !== undefined) {
    throw new VmError('OPTION_INVALID', `--workloads ${unknown}: there is no such workload in the suite ${suite}`, {
      hint: `Known: ${all.map(({ name }) => name).join(', ')}; cpu and exits stand for all of a kind.`,
    });
  }
  return all.filter(({ name }) => wanted.some((word) => fits(name, word)));
}
