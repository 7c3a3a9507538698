import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { benchExit, COLD_EXITS, type ExitBenchResult, LEAST_ROUNDS } from '../bench/exit.js';
import { VmError } from '../errors.js';
import { runInHost } from '../host/forward.js';
import type { HostKind } from '../host/kind.js';
import { writeFile } from '../host/write-file.js';
import { Kvm } from '../kvm/kvm.js';
import { chooseHost, type HostName } from './choose-host.js';

export interface BenchExitOptions {
  readonly host: HostName;
  /** Where the result goes as JSON: see ExitBenchResult. */
  readonly json?: string | undefined;
  readonly rounds?: string | undefined;
  /** Of each round, the cold ones included. */
  readonly exits?: string | undefined;
  readonly trace?: boolean | undefined;
}

const RESULT_INSIDE = '/work/result.json';

/**
 * `vmlaunch bench exit`: prints a table on stdout, progress on stderr.
 * @returns the exit status
 * @throws VmError OPTION_INVALID, FILE_UNREADABLE, KVM_ABSENT, KVM_NOT_PERMITTED, or why the measurement failed
 */
export async function benchExitCommand(options: BenchExitOptions): Promise<number> {
  // Bad input is told before any host is started.
  const rounds = wholeNumber(options.rounds, '--rounds', LEAST_ROUNDS);
  const exits = wholeNumber(options.exits, '--exits', COLD_EXITS + 1);
  // The benchmark's guest is a flat image: any local KVM runs it.
  const { host, why } = chooseHost(options.host, false);
  if (options.host === 'auto') process.stderr.write(`vmlaunch: host ${host}: ${why}\n`);
  if (host !== 'local') return benchInHost(host, options);
  Kvm.open().close(); // a KVM that cannot be used is told before two programs fail of it
  const progress = (line: string): void => void process.stderr.write(`vmlaunch: ${line}\n`);
  const result = await benchExit({ rounds, exits, trace: options.trace, progress });
  if (options.json !== undefined) writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  process.stdout.write(exitTable(result));
  return 0;
}

function wholeNumber(text: string | undefined, option: string, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new VmError('OPTION_INVALID', `${option} ${text} is not a whole number of at least ${least}`);
}

/** The clock is fixed and standard input has ended: so a run on vtx repeats. */
async function benchInHost(kind: HostKind, { json, rounds, exits, trace }: BenchExitOptions): Promise<number> {
  return runInHost({
    kind,
    argv: [
      ...['bench', 'exit', '--host', 'local', '--json', RESULT_INSIDE],
      ...(rounds === undefined ? [] : ['--rounds', rounds]),
      ...(exits === undefined ? [] : ['--exits', exits]),
      ...(trace === true ? ['--trace'] : []),
    ],
    upload: [],
    download: json === undefined ? [] : [{ inside: RESULT_INSIDE, outside: json }],
    clock: 'fixed',
    stdin: await noInput(),
    stdout: process.stdout,
    stderr: process.stderr,
    progress: (line) => void process.stderr.write(`${line}\n`),
  });
}

async function noInput(): Promise<Readable> {
  const input = Readable.from([]).resume();
  await finished(input);
  return input;
}

/** The result for people. */
export function exitTable(result: ExitBenchResult): string {
  const { host, flavour, unit, exits, rounds } = result;
  const digits = unit === 'ns' ? 0 : 1;
  const row = (part: 'cold' | 'warm', name: string): string => {
    const { low, high } = result.interval[part];
    const cells = [
      name.padEnd(20),
      spread(
        rounds.map(({ c }) => c[part]),
        result.c[part],
        digits,
      ),
      spread(
        rounds.map(({ typescript }) => typescript[part]),
        result.typescript[part],
        digits,
      ),
      `${result.ratio[part].toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`,
    ];
    return cells.join('  ').trimEnd();
  };
  const head = ['', 'C', 'TypeScript', 'TypeScript/C (95 %)'];
  return [
    `One exit in ${unit}, host ${host}, ${flavour}: medians of ${rounds.length} rounds (least–most)`,
    head
      .map((title, i) => title.padEnd(i === 0 ? 20 : CELL))
      .join('  ')
      .trimEnd(),
    row('cold', `first ${exits.cold} exits`),
    row('warm', `next ${exits.warm} exits`),
    ...recordingLines(result, digits),
    '',
  ].join('\n');
}

function recordingLines({ recording, unit }: ExitBenchResult, digits: number): string[] {
  if (recording === undefined) return [];
  const { cold, warm } = recording;
  return [`Recording an exit adds ${warm.toFixed(digits)} ${unit}; among the first ones ${cold.toFixed(digits)}`];
}

/** Columns of a median with its range. */
const CELL = 26;

function spread(values: readonly number[], middle: number, digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${middle.toFixed(digits)} (${least}–${most})`.padEnd(CELL);
}
