import { spawn } from 'node:child_process';
import { messageOf, VmError } from '../errors.js';

/** One line for the person who waits, on whatever the caller shows it. */
export type Progress = (line: string) => void;

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What to do when it fails. */
  readonly hint?: string;
}

interface Outcome {
  readonly status: number | NodeJS.Signals;
  readonly stdout: string;
  readonly all: string;
}

/**
 * Runs a program to its end and gives its standard output. With VMLAUNCH_VERBOSE=1 all that it prints also goes to
 * standard error.
 * @throws VmError SETUP_FAILED, with the line that most likely says why; `cause` holds all that the program printed.
 */
export async function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const name = [command, args.find((arg) => !arg.startsWith('-') && !arg.includes('::'))].filter(Boolean).join(' ');
  const { status, stdout, all } = await outcome(command, args, options).catch((error: unknown) => {
    throw new VmError('SETUP_FAILED', `${name} cannot be started: ${messageOf(error)}`, hintOf(options));
  });
  if (status === 0) return stdout;
  const how = typeof status === 'number' ? `status ${status}` : status;
  const why = tellingLine(all);
  throw new VmError('SETUP_FAILED', `${name} failed (${how})${why === '' ? '' : `: ${why}`}`, {
    ...hintOf(options),
    cause: new Error(all),
  });
}

function hintOf(options: CommandOptions): { hint?: string } {
  return options.hint === undefined ? {} : { hint: options.hint };
}

/** The first line that calls itself an error (apt's `E:`, a compiler's `error:`), else the last one. */
export function tellingLine(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.find((line) => /^E: |\berror:/i.test(line)) ?? lines.at(-1) ?? '';
}

function outcome(command: string, args: readonly string[], options: CommandOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const all: Buffer[] = [];
    const keep = (chunk: Buffer): void => {
      all.push(chunk);
      if (process.env.VMLAUNCH_VERBOSE === '1') process.stderr.write(chunk);
    };
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk);
      keep(chunk);
    });
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      resolve({
        status: status ?? signal ?? 1,
        stdout: Buffer.concat(out).toString('utf8'),
        all: Buffer.concat(all).toString('utf8'),
      });
    });
  });
}
