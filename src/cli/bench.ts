import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { benchExit, type ExitBenchResult } from '../bench/exit.js';
import { messageOf, VmError } from '../errors.js';
import { runInHost } from '../host/forward.js';
import { HOST_KINDS, type HostKind } from '../host/kind.js';
import { Kvm } from '../kvm/kvm.js';

export interface BenchExitOptions {
  /** auto, local, svm or vtx. */
  readonly host: string;
  /** Where the result goes as JSON: see ExitBenchResult. */
  readonly json?: string | undefined;
  readonly rounds?: number | undefined;
}

const RESULT_INSIDE = '/work/result.json';

/**
 * `vmlaunch bench exit`: prints a table on stdout, progress on stderr.
 * @returns the exit status
 * @throws VmError OPTION_INVALID, FILE_UNREADABLE, or why the measurement failed
 */
export async function benchExitCommand(options: BenchExitOptions): Promise<number> {
  const kind = chooseHost(options.host);
  if (kind !== 'local') return benchInHost(kind, options);
  const progress = (line: string): void => void process.stderr.write(`vmlaunch: ${line}\n`);
  const result = await benchExit({ rounds: options.rounds, progress });
  if (options.json !== undefined) writeResult(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  process.stdout.write(exitTable(result));
  return 0;
}

/** @throws VmError OPTION_INVALID */
function chooseHost(host: string): 'local' | HostKind {
  if (host === 'local') return host;
  const kind = HOST_KINDS.find((name) => name === host);
  if (kind !== undefined) return kind;
  if (host !== 'auto') {
    throw new VmError('OPTION_INVALID', `${host} is not a host`, { hint: 'It is auto, local, svm or vtx.' });
  }
  try {
    Kvm.open().close();
    return 'local';
  } catch (error) {
    process.stderr.write(`vmlaunch: host svm, since ${messageOf(error)}\n`);
    return 'svm';
  }
}

/** The clock is fixed and standard input has ended: so a run on vtx repeats. */
async function benchInHost(kind: HostKind, { json, rounds }: BenchExitOptions): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-bench-'));
  try {
    const outside = join(directory, 'result.json');
    const status = await runInHost({
      kind,
      argv: [
        ...['bench', 'exit', '--host', 'local', '--json', RESULT_INSIDE],
        ...(rounds === undefined ? [] : ['--rounds', `${rounds}`]),
      ],
      upload: [],
      download: json === undefined ? [] : [{ inside: RESULT_INSIDE, outside }],
      clock: 'fixed',
      stdin: await noInput(),
      stdout: process.stdout,
      stderr: process.stderr,
      progress: (line) => void process.stderr.write(`${line}\n`),
    });
    if (status === 0 && json !== undefined) writeResult(json, readFileSync(outside, 'utf8'));
    return status;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function noInput(): Promise<Readable> {
  const input = Readable.from([]).resume();
  await finished(input);
  return input;
}

function writeResult(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new VmError('FILE_UNREADABLE', `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
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
    '',
  ].join('\n');
}

/** Columns of a median with its range. */
const CELL = 26;

function spread(values: readonly number[], middle: number, digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
  return `${middle.toFixed(digits)} (${least}–${most})`.padEnd(CELL);
}
