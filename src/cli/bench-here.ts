import { VmError } from '../errors.js';
import { writeFile } from '../host/write-file.js';
import { Kvm } from '../kvm/kvm.js';
import { measureThere } from './bench-there.js';
import { chooseHost, type HostName } from './choose-host.js';

/** The options of a command that measures, on the local KVM or in a nested host. */
export interface MeasureOptions {
  readonly host: HostName;
  /** Where the result goes as JSON. */
  readonly json?: string | undefined;
  readonly rounds?: string | undefined;
}

/**
 * Runs `vmlaunch bench NAME` here, or in a nested host: the table goes to stdout, progress to stderr.
 * @param more options that the command inside gets beside those of `MeasureOptions`
 * @returns the exit status
 * @throws VmError FILE_UNREADABLE, KVM_ABSENT, KVM_NOT_PERMITTED, or why the measurement failed
 */
export async function benchHere(
  name: string,
  { host: asked, json, rounds }: MeasureOptions,
  more: readonly string[],
  measure: (progress: (line: string) => void) => Promise<{ readonly result: object; readonly table: string }>,
): Promise<number> {
  // The benchmarks' guests are flat images: any local KVM runs them.
  const { host, why } = chooseHost(asked, false);
  if (asked === 'auto') process.stderr.write(`vmlaunch: host ${host}: ${why}\n`);
  if (host !== 'local') {
    const result = await measureThere({
      kind: host,
      argv: ['bench', name, ...(rounds === undefined ? [] : ['--rounds', rounds]), ...more],
      stdout: process.stdout,
      progress: (line) => void process.stderr.write(`${line}\n`),
    });
    if (typeof result === 'number') return result;
    if (json !== undefined) writeFile(json, result);
    return 0;
  }
  Kvm.open().close(); // a KVM that cannot be used is told before the measured programs fail of it
  const { result, table } = await measure((line) => void process.stderr.write(`vmlaunch: ${line}\n`));
  if (json !== undefined) writeFile(json, `${JSON.stringify(result, undefined, 2)}\n`);
  process.stdout.write(table);
  return 0;
}

/** @throws VmError OPTION_INVALID */
export function wholeNumber(text: string | undefined, option: string, least: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new VmError('OPTION_INVALID', `${option} ${text} is not a whole number of at least ${least}`);
}
