import path from 'node:path';
import { writeFile } from '../host/write-file.js';
import { fileBytes } from '../machine/image-files.js';
import type { Machine } from '../machine/machine.js';
import type { MachineOptions } from '../machine/options.js';
import { htmlReport } from '../trace/html/report.js';
import { SymbolTable } from '../trace/symbols.js';
import { ConsolePane } from './console-pane.js';
import { ExitsPicture } from './exits-picture.js';
import { type ExitsResult, exitsTable } from './exits-table.js';
import { drawnFront, type Front, frontOf } from './front.js';
import { Rates } from './rates.js';
import { whereWeAre, writeReport } from './report.js';
import { statsText } from './run.js';
import { runImage } from './run-image.js';
import { type RunEnd, runMachine, tellEnd } from './run-machine.js';
import type { RunOptions } from './run-options.js';
import type { Inside } from './run-there.js';
import { writeScreenshot } from './screenshot.js';
import { SizeFilter } from './size-filter.js';
import { type TerminalSize, viewSize } from './terminal.js';
import { Watch } from './watch.js';
import { costRows } from './watch-cost.js';

export interface ExitsOptions extends RunOptions {
  /** Where the exits go in Chrome's trace format. */
  readonly trace?: string;
  /** Where they go as a page. */
  readonly html?: string;
  /** An ELF file or a System.map. */
  readonly symbols?: string;
  readonly breakOn?: readonly string[];
  /** What the image is called, where its file is not: in a nested host. */
  readonly title?: string;
}

type TitledOptions = ExitsOptions & { readonly title: string };

const INSIDE = { trace: '/work/trace.json', html: '/work/exits.html', symbols: '/work/symbols' };
/** After a live view, of the serial console. */
const LAST_LINES = 24;

/** `vmlaunch exits`: runs a machine as `run` does and shows its exits. Returns the exit status. @throws VmError */
export async function exits(image: string, options: ExitsOptions): Promise<number> {
  const { symbols, breakOn = [], screen, title = path.basename(image) } = options;
  // Bad input is told before any host is started.
  const table = symbols === undefined ? undefined : SymbolTable.ofFile(fileBytes(symbols, 'symbols'), symbols);
  return runImage(image, options, {
    name: 'exits',
    draws: screen === true || viewSize() !== undefined,
    machine: { breakOn, timed: true },
    inside: inside({ ...options, title }),
    here: (machine, given, font) => exitsHere(machine, { ...options, ...given, title }, table, font),
  });
}

function inside({ trace, html, symbols, breakOn = [], title }: TitledOptions): Inside {
  return {
    argv: [
      `--title=${title}`,
      ...breakOn.map((text) => `--break-on=${text}`),
      ...(trace === undefined ? [] : [`--trace=${INSIDE.trace}`]),
      ...(html === undefined ? [] : [`--html=${INSIDE.html}`]),
      ...(symbols === undefined ? [] : [`--symbols=${INSIDE.symbols}`]),
    ],
    upload: symbols === undefined ? [] : [{ path: INSIDE.symbols, source: symbols }],
    download: [
      ...(trace === undefined ? [] : [{ inside: INSIDE.trace, outside: trace }]),
      ...(html === undefined ? [] : [{ inside: INSIDE.html, outside: html }]),
    ],
  };
}

async function exitsHere(
  machineOptions: MachineOptions,
  options: TitledOptions,
  symbols?: SymbolTable,
  font?: Uint8Array,
): Promise<number> {
  const { trace, html } = options;
  const watch = await Watch.of(machineOptions, { trace, keepsTable: html !== undefined, symbols });
  await using machine = watch.machine;
  using _recording = watch;
  const view = options.screen === true ? undefined : viewOf(watch, options.title);
  const ended = await runMachine(machine, () => view?.front() ?? frontOf(machine, options));
  const wallMs = watch.runMs;
  watch.stop();
  tellEnd(machine, ended);
  tellBreak(watch, ended);
  const stats = machine.stats();
  const result = watch.finish({
    drawingNs: view?.picture.drawingNs ?? 0,
    // Who ended it, or its time, waits for its files, and takes a nested host away that is slow.
    measures: ended.signal === undefined && ended.end.reason !== 'timeout',
  });
  process.stderr.write(view === undefined ? '' : consoleText(view.console));
  if (options.stats === true) process.stderr.write(statsText(stats, machine.plan));
  process.stderr.write(`\n${exitsTable(result)}`);
  if (options.screenshot !== undefined && font) writeScreenshot(options.screenshot, machine.screen, font);
  const { end, status } = ended;
  if (options.report !== undefined) {
    const { exits: _, kvm: counters, ...others } = stats;
    const { summary, hardware, cost, kernelMissing } = result;
    const more = { ...summary, hardware, counters, ...others, kernelMissing, cost, death: machine.postMortem() };
    writeReport(options.report, { ...whereWeAre(), end, status, wallMs }, more);
  }
  if (html !== undefined) writeFile(html, pageOf(watch, result, options.title));
  return status;
}

/** KVM may have moved rip past it: the registers alone do not tell which instruction it was. */
function tellBreak(watch: Watch, { end }: RunEnd): void {
  const [vcpu] = watch.machine.postMortem()?.vcpus ?? [];
  const exit = end.reason === 'break' && vcpu !== undefined ? watch.lastExit(vcpu.id) : undefined;
  if (exit !== undefined) process.stderr.write(`the exit: ${exit}\n`);
}

function pageOf({ table }: Watch, { summary, wordsOf, cost }: ExitsResult, title: string): string {
  const instructions = new Map(summary.byRip.map(({ rip }) => [rip, wordsOf(rip)]));
  if (table === undefined) return '';
  return htmlReport({
    title,
    ...whereWeAre(),
    date: new Date(),
    exits: table,
    summary,
    instructions,
    cost: costRows(cost),
  });
}

function consoleText(pane: ConsolePane): string {
  const lines = pane.last(LAST_LINES);
  return lines.length === 0 ? '' : `\nserial console, its last lines\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** The live view; undefined where there is no terminal for it. */
function viewOf(watch: Watch, title: string) {
  const size = viewSize();
  if (size === undefined) return undefined;
  const console = new ConsolePane();
  const rates = new Rates();
  const { host, flavour } = whereWeAre();
  const { machine } = watch;
  const cpus = machine.exitRings?.length ?? 1;
  const now = () => {
    const { runMs } = watch;
    const known = watch.now();
    const lines = (count: number) => console.last(count);
    const rate = rates.of(known.summary.byReason, runMs);
    return { title, where: `${host}, ${flavour}`, cpus, runMs, ...known, rates: rate, console: lines };
  };
  const picture = new ExitsPicture(now, { colours: process.env.NO_COLOR === undefined || process.env.NO_COLOR === '' });
  return { console, picture, front: () => viewFront(machine, size, picture, console) };
}

/** The serial console is a part of the view; what is typed goes there. */
function viewFront(machine: Machine, size: TerminalSize, picture: ExitsPicture, console: ConsolePane): Front {
  machine.output.on('data', (bytes: Uint8Array) => console.take(bytes));
  return drawnFront(machine, size, picture, (resized) => {
    const filter = new SizeFilter(resized);
    filter.pipe(machine.input);
    return filter;
  });
}
