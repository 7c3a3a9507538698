import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { HostFile } from '../host/file.js';
import { runInHost } from '../host/forward.js';
import type { HostKind } from '../host/kind.js';

/** A command that measures, to be run in a nested host. */
export interface There {
  readonly kind: HostKind;
  /** What follows `vmlaunch`; `--host` and `--json` are added. */
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: readonly HostFile[];
  /** Parameters with which the KVM module is loaded anew: `ept=0`. */
  readonly kvmArgs?: string | undefined;
  /** Seconds here, from the host's start on. */
  readonly timeoutS?: number;
  /** Where what it prints goes; nowhere by default. */
  readonly stdout?: Writable;
  readonly progress: (line: string) => void;
}

const RESULT_INSIDE = '/work/result.json';

/**
 * Measures in a nested host. Its clock is fixed and its standard input has ended: so a run on vtx repeats.
 * @returns the text of the result that the command wrote, or the exit status where it wrote none
 * @throws VmError HOST_FAILED, SETUP_FAILED
 */
export async function measureThere(there: There): Promise<string | number> {
  const { kind, argv, env = {}, files = [], kvmArgs, timeoutS, stdout = nowhere(), progress } = there;
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-'));
  const outside = path.join(directory, 'result.json');
  try {
    const status = await runInHost({
      kind,
      argv: [...argv, '--host', 'local', '--json', RESULT_INSIDE],
      env,
      upload: files,
      download: [{ inside: RESULT_INSIDE, outside }],
      clock: 'fixed',
      ...(kvmArgs !== undefined && { kvmArgs }),
      ...(timeoutS !== undefined && { timeoutS }),
      stdin: await noInput(),
      stdout,
      stderr: process.stderr,
      progress,
    });
    return status === 0 ? fs.readFileSync(outside, 'utf8') : status;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

const nowhere = (): Writable => new Writable({ write: (_bytes, _encoding, done) => done() });

async function noInput(): Promise<Readable> {
  const input = Readable.from([]).resume();
  await finished(input);
  return input;
}
