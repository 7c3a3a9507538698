import type { SerializedError } from 'vitest';
import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';
import { localKvm } from './machine/flavour.js';

interface Count {
  passed: number;
  failed: number;
}

/** What a test can tell of itself: its own time, where the time that it waited for others says nothing. */
declare module 'vitest' {
  interface TaskMeta {
    ownMs?: number;
  }
}

const SLOWEST = 10;
/** Always in the table, so that a flavour that did not run at all is seen. */
const EXPECTED = ['pure', 'checks', 'local', 'svm', 'vtx', 'browser'];

/** Ends a run with the slowest tests, one table of flavours and one line of totals. */
export class FlavourReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const flavours = new Map<string, Count>(EXPECTED.map((name) => [name, { passed: 0, failed: 0 }]));
    const skipped: TestCase[] = [];
    for (const test of tests) {
      const state = stateOf(test);
      if (state === 'skipped') skipped.push(test);
      else countOf(flavours, flavourOf(test))[state]++;
    }
    const other = failuresOutsideTests(modules, unhandled);
    if (other.length > 0) countOf(flavours, 'outside tests').failed = other.length;
    const lines = ['', ...slowest(tests), '', ...slowestFiles(modules), '', ...table(flavours), ...localLine(flavours)];
    for (const test of skipped) lines.push(`SKIPPED: ${test.fullName}: ${reasonOf(test)}`);
    for (const failure of other) lines.push(`FAILED outside a test: ${failure}`);
    const total = (key: keyof Count) => [...flavours.values()].reduce((sum, count) => sum + count[key], 0);
    lines.push('', `${total('passed')} passed, ${total('failed')} failed, ${skipped.length} skipped`, '');
    process.stdout.write(lines.join('\n'));
  }
}

/** A test that did not run because a hook around it failed has failed. */
function stateOf(test: TestCase): keyof Count | 'skipped' {
  const { state } = test.result();
  if (state === 'passed' || state === 'failed') return state;
  for (let at = test.parent; at.type === 'suite'; at = at.parent) if (at.errors().length > 0) return 'failed';
  return 'skipped';
}

/** The flavour is in brackets before the title of the outermost describe: "[svm] machine". */
function flavourOf(test: TestCase): string {
  return /^\[([^\]]+)\]/.exec(test.fullName)?.[1] ?? 'pure';
}

function countOf(flavours: Map<string, Count>, flavour: string): Count {
  const count = flavours.get(flavour) ?? { passed: 0, failed: 0 };
  flavours.set(flavour, count);
  return count;
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note) return result.note;
  return result.state === 'pending' ? 'it never ran' : 'no reason given';
}

/** A hook, a file or a stray promise that failed: no test may count for it, so it counts itself. */
function failuresOutsideTests(modules: readonly TestModule[], unhandled: readonly SerializedError[]): string[] {
  const failures = unhandled.map((error) => error.message);
  const add = (where: string, errors: readonly SerializedError[]) => {
    for (const error of errors) failures.push(`${where}: ${error.message}`);
  };
  for (const module of modules) {
    add(module.relativeModuleId, module.errors());
    for (const suite of module.children.allSuites()) add((suite as TestSuite).fullName, suite.errors());
  }
  return failures;
}

function slowest(tests: readonly TestCase[]): string[] {
  const timed = tests.map((test) => ({ test, ms: test.meta().ownMs ?? test.diagnostic()?.duration ?? 0 }));
  timed.sort((a, b) => b.ms - a.ms);
  const rows = timed
    .slice(0, SLOWEST)
    .map(({ test, ms }) => `${(ms / 1000).toFixed(2).padStart(8)} s  ${test.fullName}`);
  return ['The slowest tests:', ...rows];
}

/** The files that take the run's time: those with tests in hosts follow one another. */
function slowestFiles(modules: readonly TestModule[]): string[] {
  const timed = modules.map((module) => ({ file: module.relativeModuleId, ms: module.diagnostic().duration }));
  timed.sort((a, b) => b.ms - a.ms);
  const rows = timed.slice(0, SLOWEST).map(({ file, ms }) => `${(ms / 1000).toFixed(0).padStart(8)} s  ${file}`);
  return ['The slowest files:', ...rows];
}

function table(flavours: ReadonlyMap<string, Count>): string[] {
  const kvm = localKvm();
  const rows = [['flavour', 'run', 'passed', 'failed']];
  for (const [flavour, { passed, failed }] of flavours) {
    const name = flavour === 'local' && kvm.usable ? `local (${kvm.module})` : flavour;
    rows.push([name, String(passed + failed), String(passed), String(failed)]);
  }
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
}

/** A machine without a KVM of its own is told loudly, never by a missing row alone. */
function localLine(flavours: ReadonlyMap<string, Count>): string[] {
  const kvm = localKvm();
  const local = flavours.get('local');
  if (kvm.usable || (local && local.passed + local.failed > 0)) return [];
  return ['', `local: ${kvm.why}, 0 run`];
}

// biome-ignore lint/style/noDefaultExport: Vitest loads a reporter by its default export.
export default FlavourReporter;
