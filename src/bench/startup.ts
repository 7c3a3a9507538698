import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf, VmError } from '../errors.js';
import { flavourName, softwareHost } from '../kvm/flavour.js';
import { native } from '../kvm/native.js';
import { NS_PER_INSTRUCTION } from './exit.js';
import { median } from './statistics.js';

export const LEAST_STARTUP_ROUNDS = 1;
const DEFAULT_ROUNDS = 7;

export interface StartupBenchOptions {
  /** 7 by default. */
  readonly rounds?: number | undefined;
  readonly progress?: (line: string) => void;
}

/** Times of one round, in the result's unit. */
export interface StartupTimes {
  /** From the start of a process to the first line of a program, which is all that it has: Node's own. */
  readonly node: number;
  /** From the start of `vmlaunch run` to its machine's first KVM_RUN. */
  readonly command: number;
  /** From `Machine.create` to the first KVM_RUN, of the second machine of a process. */
  readonly nextMachine: number;
}

/** What `vmlaunch bench startup` measured. */
export interface StartupBenchResult {
  readonly host: 'local' | 'svm' | 'vtx';
  /** The KVM module: kvm_intel, kvm_amd … */
  readonly flavour: string;
  readonly unit: 'ms' | 'instructions';
  /** Medians. */
  readonly median: StartupTimes;
  /** What `command` takes beyond `node`: the median of the rounds' differences. */
  readonly beyondNode: number;
  readonly rounds: readonly StartupTimes[];
}

const IMAGE = fileURLToPath(new URL('../../build/guest-images/hello.bin', import.meta.url));
const COMMAND = fileURLToPath(new URL('../../dist/bundle/vmlaunch.cjs', import.meta.url));
const NEXT_MACHINE = fileURLToPath(new URL('../../dist/bench/startup-round.js', import.meta.url));
const NODE_ALONE = 'const now = process.hrtime.bigint(); process.stdout.write(String(now));';
/** What the guest `hello` ends with. */
const GUEST_STATUS = 1;

/**
 * Measures how long a machine takes to start: each time in a new process, for `nextMachine` after another machine.
 * @throws VmError KVM_CALL_FAILED (a program failed; its words)
 */
export async function benchStartup(options: StartupBenchOptions = {}): Promise<StartupBenchResult> {
  const { rounds: count = DEFAULT_ROUNDS, progress = () => {} } = options;
  const host = softwareHost() ?? 'local';
  const unit = host === 'vtx' ? 'instructions' : 'ms';
  const nsOfUnit = host === 'vtx' ? NS_PER_INSTRUCTION : 1e6;
  const rounds: StartupTimes[] = [];
  for (let i = 0; i < count; i++) {
    progress(`round ${i + 1} of ${count}`);
    rounds.push({
      node: (await nodeAloneNs()) / nsOfUnit,
      command: (await commandNs()) / nsOfUnit,
      nextMachine: (await nextMachineNs()) / nsOfUnit,
    });
  }
  const middle = (of: (times: StartupTimes) => number): number => median(rounds.map(of));
  return {
    host,
    flavour: flavourName(),
    unit,
    median: {
      node: middle(({ node }) => node),
      command: middle(({ command }) => command),
      nextMachine: middle(({ nextMachine }) => nextMachine),
    },
    beyondNode: middle(({ node, command }) => command - node),
    rounds,
  };
}

async function nodeAloneNs(): Promise<number> {
  const started = native.monotonicNs();
  return Number(await outputOf(['-e', NODE_ALONE])) - started;
}

async function commandNs(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-startup-'));
  try {
    const report = join(directory, 'report.json');
    const started = native.monotonicNs();
    await outputOf([COMMAND, 'run', '--host', 'local', '--report', report, IMAGE], GUEST_STATUS);
    const { startedNs } = JSON.parse(readFileSync(report, 'utf8')) as { startedNs: number };
    return startedNs - started;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const nextMachineNs = async (): Promise<number> => Number(await outputOf([NEXT_MACHINE, IMAGE]));

const run = promisify(execFile);

async function outputOf(argv: readonly string[], wanted = 0): Promise<string> {
  try {
    return (await run(process.execPath, [...argv])).stdout;
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === wanted) return stdout;
    const words = stderr.trim().split('\n').at(-1) || messageOf(error);
    throw new VmError('KVM_CALL_FAILED', `node ${argv.join(' ')} failed: ${words}`, { cause: error });
  }
}
