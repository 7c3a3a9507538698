/** KVM's counters of `vmlaunch bench memory`, as text of any form needs them. */
import type { BenchResult } from '../result.js';
import { EVENTS, PAGES } from './counters.js';

export interface CounterRow {
  readonly workload: string;
  readonly engine: string;
  /** Of each of `COUNTERS`; a dash for one that this KVM does not have. */
  readonly values: readonly string[];
}

export const COUNTERS: readonly string[] = [...EVENTS, ...PAGES];
export const COUNTERS_TITLE = "KVM's own counters, for an iteration; the pages are those mapped at the end";
export const NO_COUNTERS = 'This KVM has no counters to read.';
/** So that one event for 512 iterations is not 0. */
const DIGITS = 3;

/** Of each workload what each column counted; empty where none did. */
export function counterRows({ workloads, engines }: BenchResult): CounterRow[] {
  return workloads.flatMap(({ name: workload }) =>
    engines.flatMap(({ name: engine, counters }) => {
      const values = counters?.[workload];
      if (values === undefined) return [];
      return [{ workload, engine, values: COUNTERS.map((counter) => counterText(values[counter])) }];
    }),
  );
}

function counterText(value: number | undefined): string {
  if (value === undefined) return '–';
  return Number.isInteger(value) ? `${value}` : value.toFixed(DIGITS);
}
