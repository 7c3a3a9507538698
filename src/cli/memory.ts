import path from 'node:path';
import { VmError } from '../errors.js';
import { writeFile } from '../host/write-file.js';
import { flavourName } from '../kvm/flavour.js';
import { asText } from '../machine/cpu-state.js';
import { Machine } from '../machine/machine.js';
import { DEFAULT_MEMORY, type MachineOptions, memorySize } from '../machine/options.js';
import { memoryPage } from '../trace/memory/page.js';
import { SecondLevelRecording } from '../trace/memory/second-level.js';
import { memoryText } from '../trace/memory/text.js';
import { type MemoryView, memoryView } from '../trace/memory/view.js';
import { frontOf } from './front.js';
import { Pen, plainOptionsOf } from './pen.js';
import { whereWeAre, writeReport } from './report.js';
import { runImage } from './run-image.js';
import { type RunEnd, runMachine, tellEnd } from './run-machine.js';
import type { RunOptions } from './run-options.js';
import type { Inside } from './run-there.js';
import { writeScreenshot } from './screenshot.js';

export interface MemoryOptions extends RunOptions {
  /** Linear addresses: the machine stops before an instruction there. */
  readonly at?: readonly string[];
  readonly afterExits?: string;
  /** Linear addresses to walk, in place of rip and rsp. */
  readonly walk?: readonly string[];
  readonly json?: string;
  readonly html?: string;
  /** What the image is called, where its file is not: in a nested host. */
  readonly title?: string;
  /** Where the text is for another process's terminal: its columns, and "colour" where it has such. */
  readonly style?: string;
}

interface Style {
  readonly columns: number;
  readonly colour: boolean;
}

const INSIDE = { json: '/work/memory.json', html: '/work/memory.html' };
const DEFAULT_COLUMNS = 80;
/** Wider lines are hard to read. */
const MOST_COLUMNS = 120;
/** Stops the machine and shows it, and is no failure. */
const SHOW_SIGNAL = 'SIGUSR2';

/**
 * `vmlaunch memory`: runs a machine as `run` does, to a moment or to its end, and shows its memory then. Returns the exit
 * status. @throws VmError
 */
export async function memory(image: string, options: MemoryOptions): Promise<number> {
  const walks = (options.walk ?? []).map(addressOf);
  const breakOn = [
    ...(options.at ?? []).map((text) => `at:0x${addressOf(text).toString(16)}`),
    ...(options.afterExits === undefined ? [] : [`exits:${options.afterExits}`]),
  ];
  const title = options.title ?? path.basename(image);
  const style = styleOf(options.style);
  return runImage(image, options, {
    name: 'memory',
    draws: options.screen === true,
    signals: [SHOW_SIGNAL],
    machine: { breakOn },
    inside: inside({ ...options, title }, style),
    here: (machine, given, font) => memoryHere(machine, { ...options, ...given, title }, { walks, style, font }),
  });
}

/** @throws VmError OPTION_INVALID */
function addressOf(text: string): bigint {
  if (/^(0x[\da-f]{1,16}|\d+)$/i.test(text) && BigInt(text) < 1n << 64n) return BigInt(text);
  throw new VmError('OPTION_INVALID', `no address: ${JSON.stringify(text)}`, { hint: 'Such as 0x100020.' });
}

function styleOf(text: string | undefined): Style {
  if (text !== undefined) {
    const [columns, colour] = text.split(',');
    return { columns: Number(columns), colour: colour === 'colour' };
  }
  const columns = Math.min(process.stderr.columns ?? DEFAULT_COLUMNS, MOST_COLUMNS);
  return { columns, colour: plainOptionsOf(process.stderr.isTTY === true, process.env).colour };
}

function inside(options: MemoryOptions & { readonly title: string }, { columns, colour }: Style): Inside {
  const { at = [], afterExits, walk = [], json, html, title } = options;
  return {
    argv: [
      `--title=${title}`,
      `--style=${columns}${colour ? ',colour' : ''}`,
      ...at.map((text) => `--at=${text}`),
      ...(afterExits === undefined ? [] : [`--after-exits=${afterExits}`]),
      ...walk.map((text) => `--walk=${text}`),
      ...(json === undefined ? [] : [`--json=${INSIDE.json}`]),
      ...(html === undefined ? [] : [`--html=${INSIDE.html}`]),
    ],
    upload: [],
    download: [
      ...(html === undefined ? [] : [{ inside: INSIDE.html, outside: html }]),
      ...(json === undefined ? [] : [{ inside: INSIDE.json, outside: json }]),
    ],
  };
}

interface HereOptions {
  readonly walks: readonly bigint[];
  readonly style: Style;
  readonly font: Uint8Array | undefined;
}

async function memoryHere(
  machineOptions: MachineOptions,
  options: MemoryOptions & { readonly title: string },
  { walks, style, font }: HereOptions,
): Promise<number> {
  const started = performance.now();
  const recording = SecondLevelRecording.open(flavourName());
  const trace = typeof recording === 'string' ? undefined : recording;
  try {
    await using machine = await Machine.create({ ...machineOptions, threadsFile: trace?.threadsFile });
    const ended = await run(machine, options);
    trace?.drain();
    const ramBytes = memorySize(machineOptions.memory ?? DEFAULT_MEMORY);
    const view = memoryView({
      moment: momentOf(ended),
      ramBytes,
      machine: machine.stopped(),
      memory: machine.memory,
      vcpuCounters: machine.stats().kvm,
      flavour: flavourName(),
      recording,
      walks,
    });
    show(view, options, style);
    if (options.screenshot !== undefined && font) writeScreenshot(options.screenshot, machine.screen, font);
    if (options.report !== undefined) {
      const outcome = { ...whereWeAre(), end: ended.end, status: ended.status, wallMs: performance.now() - started };
      writeReport(options.report, outcome, { ...machine.stats(), death: machine.postMortem() });
    }
    return ended.status;
  } finally {
    trace?.close();
  }
}

async function run(machine: Machine, options: MemoryOptions): Promise<RunEnd> {
  const stop = (): void => void machine.stop();
  process.on(SHOW_SIGNAL, stop);
  try {
    const ended = await runMachine(machine, () => frontOf(machine, options));
    // Where it was stopped is what is shown; why it died comes first.
    tellEnd(machine, ended, { tellsDeath: ended.end.reason !== 'break' });
    return ended;
  } finally {
    process.off(SHOW_SIGNAL, stop);
  }
}

function momentOf({ end, signal }: RunEnd): string {
  if (signal !== undefined) return `as ${signal} found it`;
  if (end.reason === 'break') return `stopped at ${end.by}`;
  return end.reason === 'stopped' ? 'as it was when it was stopped' : `at its end: ${end.reason}`;
}

function show(view: MemoryView, options: MemoryOptions & { readonly title: string }, style: Style): void {
  const pen = new Pen({ colour: style.colour, ascii: false });
  process.stderr.write(`\n${memoryText(view, { bold: pen.bold, dim: pen.dim, width: style.columns })}`);
  const { title, json, html } = options;
  if (html !== undefined) writeFile(html, memoryPage({ title, ...whereWeAre(), date: new Date(), view }));
  if (json !== undefined) {
    writeFile(json, `${JSON.stringify({ schema: 1, title, ...whereWeAre(), ...asText(view) }, null, 2)}\n`);
  }
}
