import { benchStartup, LEAST_STARTUP_ROUNDS, type StartupBenchResult, type StartupTimes } from '../bench/startup.js';
import { benchHere, type MeasureOptions, wholeNumber } from './bench-here.js';

/** `vmlaunch bench startup`. The JSON is a StartupBenchResult. @returns the exit status @throws VmError */
export async function benchStartupCommand(options: MeasureOptions): Promise<number> {
  // Bad input is told before any host is started.
  const rounds = wholeNumber(options.rounds, '--rounds', LEAST_STARTUP_ROUNDS);
  return benchHere('startup', options, [], async (progress) => {
    const result = await benchStartup({ rounds, progress });
    return { result, table: startupTable(result) };
  });
}

/** The result for people. */
export function startupTable({ host, flavour, unit, median, beyondNode, rounds }: StartupBenchResult): string {
  const digits = unit === 'ms' ? 1 : 0;
  const row = (name: string, middle: number, of: (times: StartupTimes) => number): string => {
    const values = rounds.map(of);
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
    return `${name.padEnd(NAME)}${middle.toFixed(digits)} (${least}–${most})`;
  };
  return [
    `Start-up in ${unit}, host ${host}, ${flavour}: medians of ${rounds.length} rounds (least–most)`,
    row('Node alone', median.node, ({ node }) => node),
    row('vmlaunch run, to the first KVM_RUN', median.command, ({ command }) => command),
    row('  beyond Node alone', beyondNode, ({ node, command }) => command - node),
    row('the next machine of a process', median.nextMachine, ({ nextMachine }) => nextMachine),
    '',
  ].join('\n');
}

const NAME = 38;
