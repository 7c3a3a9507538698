import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { runInHost } from '../host/forward.js';
import { projectRoot } from '../host/project.js';
import { writeFile } from '../host/write-file.js';
import { LineTable } from '../trace/line-table.js';
import type { Language } from '../trace/printf/languages.js';
import { printfPage } from '../trace/printf/page.js';
import type { PrintfResult } from '../trace/printf/result.js';
import { showPrintf } from '../trace/printf/show-printf.js';
import { printfText } from '../trace/printf/text.js';
import { type ChosenHost, chooseHost, type HostName } from './choose-host.js';

export interface PrintfOptions {
  readonly host: HostName;
  readonly json?: string;
  readonly html?: string;
  readonly lang: Language;
  /** False with --no-text. */
  readonly text: boolean;
}

const RESULT_INSIDE = '/work/printf.json';
const STDOUT = 1;

/**
 * `vmlaunch printf`: runs the printf guest and shows its way, as text on standard output and in files.
 * @returns the exit status
 * @throws VmError
 */
export async function printfCommand(options: PrintfOptions): Promise<number> {
  const { host, why } = chooseHost(options.host, true, 'vtx', 'show VM exits');
  if (options.host === 'auto') process.stderr.write(`vmlaunch: host ${host}: ${why}\n`);
  const result = host === 'local' ? await here() : await there(host);
  if (typeof result === 'number') return result;
  if (options.json !== undefined) writeFile(options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  if (options.html !== undefined) writeFile(options.html, printfPage(result, options.lang));
  const { isTTY, columns = 80 } = process.stdout;
  const colour = isTTY === true && (process.env.NO_COLOR ?? '') === '';
  if (options.text) process.stdout.write(printfText(result, { language: options.lang, colour, columns }));
  return 0;
}

function here(): Promise<PrintfResult> {
  const guest = (name: string) => path.join(projectRoot, 'build/guest-images', name);
  return showPrintf({ image: guest('printf.elf'), lines: LineTable.read(guest('printf.lines.json')) }, STDOUT);
}

/** The same inside: what was measured comes out, and is shown here. A number: the exit status of a run that failed. */
async function there(kind: Exclude<ChosenHost, 'local'>): Promise<PrintfResult | number> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-printf-'));
  const outside = path.join(directory, 'printf.json');
  try {
    const status = await runInHost({
      kind,
      argv: ['printf', '--host', 'local', '--no-text', '--json', RESULT_INSIDE],
      upload: [],
      download: [{ inside: RESULT_INSIDE, outside }],
      clock: 'fixed',
      stdin: await noInput(),
      stdout: process.stdout,
      stderr: process.stderr,
      progress: (line) => void process.stderr.write(`vmlaunch: ${line}\n`),
    });
    return status === 0 ? (JSON.parse(fs.readFileSync(outside, 'utf8')) as PrintfResult) : status;
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** So that a run on vtx repeats. */
async function noInput(): Promise<Readable> {
  const input = Readable.from([]).resume();
  await finished(input);
  return input;
}
