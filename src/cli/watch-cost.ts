import fs from 'node:fs';
import type { Added, RecorderCost } from '../bench/recorder-cost.js';
import { duration, grouped, percent } from '../trace/html/format.js';

/** What watching a machine cost, as far as it was measured. */
export interface WatchCost {
  /** Nanoseconds from the machine's start to its end. */
  readonly runNs: number;
  /** CPU time of the main thread in that time and until all was read; undefined where the kernel does not tell. */
  readonly mainThreadNs: number | undefined;
  /** Of it, the drawing of the live view. */
  readonly drawingNs: number;
  /** What recording adds to an exit; undefined where it was not measured. */
  readonly recorder: RecorderCost | undefined;
  /** Returns of KVM_RUN that were recorded. */
  readonly recorded: number;
  /** Hardware exits in the kernel's trace; undefined where it was not recorded. */
  readonly traced: number | undefined;
}

/** CPU time of the main thread so far, in nanoseconds (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat). */
export function mainThreadNs(): number | undefined {
  try {
    const ns = Number(fs.readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]);
    return ns > 0 ? ns : undefined;
  } catch {
    return undefined;
  }
}

/** In rows of what and how much, each in few words. */
export function costRows(cost: WatchCost): (readonly [what: string, value: string])[] {
  const { runNs, mainThreadNs: mainNs, drawingNs, recorder: measured, recorded, traced = 0 } = cost;
  const share = (ns: number): string => percent(runNs === 0 ? 0 : Math.max(0, ns) / runNs);
  const addedRows = (what: string, added: Added, count: number): [string, string][] => {
    const all = added.ns * count;
    const sum = isNoise(added) ? 'less than can be measured so' : `${signed(all)}, ${share(all)} of the run`;
    return [
      [`${what}, an exit`, `${signed(added.ns)} (97.9 %: ${signed(added.low)} to ${signed(added.high)})`],
      [`  of ${grouped(count)} exits`, sum],
    ];
  };
  const rows: [string, string][] = [];
  if (measured === undefined)
    rows.push(['recorder', 'not measured: only after a run that ends by itself, on a KVM that allows it']);
  else {
    const { rounds, exits, plainNs, recorder, kernelTrace } = measured;
    rows.push(...addedRows('recorder', recorder, recorded));
    if (kernelTrace !== undefined) rows.push(...addedRows("kernel's trace", kernelTrace, traced));
    const how = `${rounds} rounds of ${exits} exits without and with it, of a guest that does OUT; such an exit takes`;
    rows.push(['  measured after it', `${how} ${duration(plainNs)}`]);
  }
  if (mainNs === undefined) rows.push(['main thread', 'not measured: the kernel has no /proc/self/schedstat']);
  else {
    rows.push(['main thread, CPU time', `${duration(mainNs)}, ${share(mainNs)} of the run, beside the vCPUs`]);
    if (drawingNs > 0) rows.push(['  of it drawing', `${duration(drawingNs)}, ${share(drawingNs)} of the run`]);
  }
  return rows;
}

const isNoise = ({ low, high }: Added): boolean => low <= 0 && high >= 0;

/** What is added; noise can make it less than nothing. */
const signed = (ns: number): string => (ns < 0 ? `−${duration(-ns)}` : `+${duration(ns)}`);
