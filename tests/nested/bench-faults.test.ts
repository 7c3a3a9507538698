import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cell } from '../../src/bench/column.js';
import type { Engine } from '../../src/bench/engine.js';
import { ProgramEngine } from '../../src/bench/program-engine.js';
import { runSuite, type SuiteResult } from '../../src/bench/suite.js';
import { workloadNamed } from '../../src/bench/workloads.js';
import { ROOT } from './host-support.js';

/** Engines that are programs and go wrong at one workload, beside one that does not: real processes, and real time. */
const NATIVE = path.join(ROOT, 'build/guest-images/bench-native');
const NAMES = ['cpu.integer', 'cpu.branchy', 'cpu.pointer-chase'];
const directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-faults-'));
afterAll(() => rmSync(directory, { recursive: true }));
/** Enough for a sound launch on a busy machine. */
const LIMIT_S = 5;
/** On the command line of all that a faulty engine starts. */
const MARK = path.basename(directory);

/** Where it comes to cpu.branchy, runs what was asked for before it, and then this. */
const atBranchy = (fault: string): string => `
before=
for word; do
  case $word in
  cpu.branchy=*)
    ${NATIVE} $before | grep -v --line-buffered '^end$'
    echo "begin cpu.branchy \${word#*=}"
    ${fault}
    ;;
  *) before="$before $word" ;;
  esac
done
exec ${NATIVE} "$@"
`;

const FAULTS = {
  sound: `exec ${NATIVE} "$@"`,
  'a wrong checksum': `${NATIVE} "$@" | sed -u 's/^\\(cpu.branchy [0-9]* \\)[0-9a-f]*/\\100000000/'`,
  'a hang': atBranchy('sh -c "sleep 1000; :" "$0" & wait'),
  'a crash': atBranchy('kill -SEGV $$'),
  rubbish: atBranchy(`yes '${'%'.repeat(60)}'`),
} as const;

function engineOf(name: string, script: string): Engine {
  return new ProgramEngine({
    name,
    probe: async () => ({ version: '1' }),
    program: (start) => {
      const words = start.guest === 'bench' ? start.commandLine.split(' ') : [];
      return { command: ['/bin/sh', '-c', script, MARK, ...words] };
    },
    refusalOf: () => undefined,
  });
}

function leftBehind(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) &&
        Number(pid) !== process.pid &&
        readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(MARK)
      );
    } catch {
      return false; // it has ended
    }
  });
}

describe('[processes] an engine that goes wrong at one workload', () => {
  let result: SuiteResult;
  const cellOf = (engine: string, workload: string): Cell | undefined =>
    result.engines.find(({ name }) => name === engine)?.cells[workload];

  beforeAll(async () => {
    result = await runSuite({
      engines: Object.entries(FAULTS).map(([name, script]) => engineOf(name, script)),
      workloads: NAMES.map(workloadNamed).filter((workload) => workload !== undefined),
      budgetS: 120,
      width: 1000, // any
      launchTimeoutMs: LIMIT_S * 1000,
      now: () => performance.now() * 1e6,
      signal: new AbortController().signal,
    });
  }, 120_000);

  it.each([
    ['a wrong checksum', /^its checksum is 00000000, and that of \d+ iterations is [0-9a-f]{8}$/],
    ['a hang', /^it began, and did not end \(the engine had not ended after 5 s\)$/],
    ['a crash', /^it began, and did not end \(the engine was ended by SIGSEGV\)$/],
    ['rubbish', /^its result is no result: %+ \(the engine was ended by SIGKILL\)$/],
  ])('by %s is told of in its cell, and the rest goes on', (engine, why) => {
    expect(cellOf(engine, 'cpu.branchy')).toEqual({ outcome: 'failed', why: expect.stringMatching(why) });
    for (const name of ['cpu.integer', 'cpu.pointer-chase']) expect(cellOf(engine, name)?.outcome).toBe('measured');
    for (const name of NAMES) expect(cellOf('sound', name)?.outcome).toBe('measured');
  });

  it('leaves no process behind', () => {
    expect(leftBehind()).toEqual([]);
  });
});
