import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf, VmError } from '../errors.js';
import { flavourName, softwareHost } from '../kvm/flavour.js';
import { type Interval, median, medianInterval } from './statistics.js';

/** Exits of a round that count as cold. */
export const COLD_EXITS = 5000;
export const LEAST_ROUNDS = 7;
const DEFAULT_EXITS = 30_000;

/** On the vtx host time is a count: 100 million instructions are a second by definition. */
export const NS_PER_INSTRUCTION = 10;

export interface ExitBenchOptions {
  /** 7 or more; 7 by default. */
  readonly rounds?: number | undefined;
  /** Exits of each round, the cold ones included: above 5,000; 30,000 by default. */
  readonly exits?: number | undefined;
  /** Measures the TypeScript loop once more with its exits recorded. */
  readonly trace?: boolean | undefined;
  readonly progress?: (line: string) => void;
}

/** Something for the first exits of a process, and for the rest. */
export interface ColdWarm<T> {
  readonly cold: T;
  readonly warm: T;
}

export interface ExitBenchRound {
  readonly c: ColdWarm<number>;
  readonly typescript: ColdWarm<number>;
  /** The TypeScript loop that records its exits; with `trace` only. */
  readonly recorded?: ColdWarm<number>;
}

/** What `vmlaunch bench exit` measured. Times are one exit's, in `unit`. */
export interface ExitBenchResult {
  readonly host: 'local' | 'svm' | 'vtx';
  /** The KVM module: kvm_intel, kvm_amd … */
  readonly flavour: string;
  readonly unit: 'ns' | 'instructions';
  readonly exits: { readonly cold: number; readonly warm: number };
  /** Medians. */
  readonly c: ColdWarm<number>;
  readonly typescript: ColdWarm<number>;
  /** Medians of the rounds' ratios TypeScript/C. */
  readonly ratio: ColdWarm<number>;
  /** Their 95 % bootstrap intervals. */
  readonly interval: ColdWarm<Interval>;
  /** What recording adds to an exit: medians of the rounds' differences. With `trace` only. */
  readonly recording?: ColdWarm<number>;
  readonly rounds: readonly ExitBenchRound[];
}

/**
 * Measures what an exit costs under the TypeScript loop and under a loop in C, on this host's KVM: a guest does OUT
 * for ever. Each side of a round is a new process; the sides alternate, and so does which of them is first.
 * @throws VmError OPTION_INVALID, SETUP_FAILED (not built), KVM_CALL_FAILED (a side failed; its words)
 */
export async function benchExit(options: ExitBenchOptions = {}): Promise<ExitBenchResult> {
  const { rounds: count = LEAST_ROUNDS, exits = DEFAULT_EXITS, trace = false, progress = () => {} } = options;
  checkNumber('rounds', count, LEAST_ROUNDS);
  checkNumber('exits', exits, COLD_EXITS + 1);
  const host = softwareHost() ?? 'local';
  const scale = host === 'vtx' ? 1 / NS_PER_INSTRUCTION : 1;
  const rounds: ExitBenchRound[] = [];
  for (let i = 0; i < count; i++) {
    progress(`round ${i + 1} of ${count}`);
    rounds.push(await measureRound({ exits, scale, trace, isReversed: i % 2 === 1 }));
  }
  const typescript = pair((part) => median(rounds.map((round) => round.typescript[part])));
  const c = pair((part) => median(rounds.map((round) => round.c[part])));
  const ratios = pair((part) => rounds.map((round) => round.typescript[part] / round.c[part]));
  return {
    host,
    flavour: flavourName(),
    unit: host === 'vtx' ? 'instructions' : 'ns',
    exits: { cold: COLD_EXITS, warm: exits - COLD_EXITS },
    c,
    typescript,
    ratio: pair((part) => median(ratios[part])),
    interval: pair((part) => medianInterval(ratios[part])),
    ...(trace && { recording: pair((part) => median(rounds.map((round) => recordingCost(round, part)))) }),
    rounds,
  };
}

function pair<T>(of: (part: 'cold' | 'warm') => T): ColdWarm<T> {
  return { cold: of('cold'), warm: of('warm') };
}

function checkNumber(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new VmError('OPTION_INVALID', `${name}: ${value} is not a whole number of at least ${least}`);
}

const buildPath = (name: string): string => fileURLToPath(new URL(`../../build/${name}`, import.meta.url));
const IMAGE = buildPath('guest-images/out-loop.bin');
const C_LOOP = buildPath('Release/bench-exit');
const TYPESCRIPT_LOOP = fileURLToPath(new URL('../../dist/bench/exit-round.js', import.meta.url));

interface RoundOptions {
  readonly exits: number;
  /** From nanoseconds to the result's unit. */
  readonly scale: number;
  readonly trace: boolean;
  readonly isReversed: boolean;
}

async function measureRound({ exits, scale, trace, isReversed }: RoundOptions): Promise<ExitBenchRound> {
  const typescript = (...args: string[]) => [process.execPath, [TYPESCRIPT_LOOP], args] as const;
  const sides = [
    ['c', 'C', C_LOOP, [], []],
    ['typescript', 'TypeScript', ...typescript()],
    ...(trace ? [['recorded', 'recording TypeScript', ...typescript('record')] as const] : []),
  ] as const;
  const round: Record<string, ColdWarm<number>> = {};
  for (const [key, side, program, before, after] of isReversed ? sides.toReversed() : sides) {
    round[key] = await measure(side, program, [...before, IMAGE, `${exits}`, `${COLD_EXITS}`, ...after], exits, scale);
  }
  return round as unknown as ExitBenchRound;
}

/** What recording adds to one exit. */
function recordingCost({ typescript, recorded = typescript }: ExitBenchRound, part: 'cold' | 'warm'): number {
  return recorded[part] - typescript[part];
}

const run = promisify(execFile);

async function measure(
  side: string,
  program: string,
  args: readonly string[],
  exits: number,
  scale: number,
): Promise<ColdWarm<number>> {
  const { stdout } = await run(program, [...args]).catch((error: unknown) => {
    throw failure(side, program, error);
  });
  const { coldNs, warmNs } = JSON.parse(stdout) as { coldNs: number; warmNs: number };
  return { cold: (coldNs / COLD_EXITS) * scale, warm: (warmNs / (exits - COLD_EXITS)) * scale };
}

function failure(side: string, program: string, error: unknown): VmError {
  const { code, stderr = '' } = error as { code?: unknown; stderr?: string };
  if (code === 'ENOENT') {
    return new VmError('SETUP_FAILED', `${program} is missing: the project is not built`, {
      hint: 'Type: npm run build',
      cause: error,
    });
  }
  const words = stderr.split('\n').find((line) => /error|:/i.test(line)) ?? messageOf(error);
  return new VmError('KVM_CALL_FAILED', `the ${side} loop failed: ${words.trim()}`, { cause: error });
}
