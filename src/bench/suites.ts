import type { WorkloadKind } from './workloads.js';

/** What `--suite` takes: all workloads, those of a kind, or the first of each kind. */
export const SUITES = ['all', 'exits', 'processor', 'serial', 'boot', 'quick'] as const satisfies readonly (
  | WorkloadKind
  | 'all'
  | 'quick'
)[];
export type SuiteName = (typeof SUITES)[number];

export function workloadsOfSuite<Row extends { readonly kind: WorkloadKind }>(
  suite: SuiteName,
  workloads: readonly Row[],
): readonly Row[] {
  if (suite === 'all') return workloads;
  if (suite !== 'quick') return workloads.filter(({ kind }) => kind === suite);
  return workloads.filter(({ kind }, at) => workloads.findIndex((other) => other.kind === kind) === at);
}
