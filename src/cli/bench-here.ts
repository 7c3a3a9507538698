import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { VmError } from '../errors.js';
import { runInHost } from '../host/forward.js';
import type { HostKind } from '../host/kind.js';
import { writeFile } from '../host/write-file.js';
import { Kvm } from '../kvm/kvm.js';
import { chooseHost, type HostName } from './choose-host.js';

/** The options of a command that measures, on the local KVM or in a nested host. */
export interface MeasureOptions {
  readonly host: HostName;
  /** Where the result goes as JSON. */
  readonly json?: string | undefined;
  readonly rounds?: string | undefined;
}

const RESULT_INSIDE = '/work/result.json';

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
    const argv = [...(rounds === undefined ? [] : ['--rounds', rounds]), ...more];
    return benchInHost(host, ['bench', name, '--host', 'local', '--json', RESULT_INSIDE, ...argv], json);
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

/** The clock is fixed and standard input has ended: so a run on vtx repeats. */
async function benchInHost(kind: HostKind, argv: readonly string[], json: string | undefined): Promise<number> {
  return runInHost({
    kind,
    argv,
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
