import { benchExit, COLD_EXITS, type ExitBenchResult, LEAST_ROUNDS } from '../bench/exit.js';
import { benchHere, type MeasureOptions, wholeNumber } from './bench-here.js';

/** The JSON is an ExitBenchResult. */
export interface BenchExitOptions extends MeasureOptions {
  /** Of each round, the cold ones included. */
  readonly exits?: string | undefined;
  readonly trace?: boolean | undefined;
}

/**
 * `vmlaunch bench exit`: prints a table on stdout, progress on stderr.
 * @returns the exit status
 * @throws VmError OPTION_INVALID, FILE_UNREADABLE, KVM_ABSENT, KVM_NOT_PERMITTED, or why the measurement failed
 */
export async function benchExitCommand(options: BenchExitOptions): Promise<number> {
  // Bad input is told before any host is started.
  const rounds = wholeNumber(options.rounds, '--rounds', LEAST_ROUNDS);
  const exits = wholeNumber(options.exits, '--exits', COLD_EXITS + 1);
  const { trace } = options;
  const more = [...(exits === undefined ? [] : ['--exits', `${exits}`]), ...(trace === true ? ['--trace'] : [])];
  return benchHere('exit', options, more, async (progress) => {
    const result = await benchExit({ rounds, exits, trace, progress });
    return { result, table: exitTable(result) };
  });
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
