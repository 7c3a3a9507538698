import type { Workload, WorkloadKind } from './workloads.js';

/** What `--suite` takes: all workloads, those of a kind, or the first of each kind. */
export const SUITES = ['all', 'exits', 'processor', 'serial', 'quick'] as const satisfies readonly (
  | WorkloadKind
  | 'all'
  | 'quick'
)[];
export type SuiteName = (typeof SUITES)[number];

export function workloadsOfSuite(suite: SuiteName, workloads: readonly Workload[]): readonly Workload[] {
  if (suite === 'all') return workloads;
  if (suite !== 'quick') return workloads.filter(({ kind }) => kind === suite);
  return workloads.filter(({ kind }, at) => workloads.findIndex((other) => other.kind === kind) === at);
}
