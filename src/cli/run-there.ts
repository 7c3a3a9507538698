import fs from 'node:fs';
import path from 'node:path';
import { plainBzImage } from '../boot/linux-unpacked.js';
import type { BootPlan } from '../boot/plan.js';
import type { HostFile } from '../host/file.js';
import { runInHost } from '../host/forward.js';
import { KVM_MODULE } from '../host/kind.js';
import { exitStatusOf, type MachineEnd } from '../machine/end.js';
import type { ChosenHost } from './choose-host.js';
import { inputWithSizes } from './front.js';
import { fileOfModule } from './image-options.js';
import { writeReport } from './report.js';
import type { RunOptions } from './run-options.js';
import { AlternateScreen, isTerminal, rawTerminal, TERMINAL_ENV, TERMINAL_SIZE_ENV, terminalSize } from './terminal.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const INSIDE = {
  image: '/work/image',
  initrd: '/work/initrd',
  firmware: '/work/firmware',
  /** It keeps its name, which the kernel is told. */
  module: (index: number, file: string) => `/work/module${index}/${path.basename(file)}`,
  screenshot: '/work/screenshot.png',
  font: '/work/font',
  report: '/work/report.json',
};

/** What a command takes into a nested host and brings out of it, beside what `run` does. */
export interface Inside {
  readonly argv: readonly string[];
  readonly upload: readonly HostFile[];
  readonly download: readonly { readonly inside: string; readonly outside: string }[];
}

/** What a nested host has to know of a command. */
export interface InHost {
  readonly name: 'run' | 'exits' | 'memory';
  /** Whether it draws on the terminal, where there is one. */
  readonly draws: boolean;
  readonly inside?: Inside;
  /** Signals that it takes beside those that end it. */
  readonly signals?: readonly NodeJS.Signals[];
}

/** A machine to be run in a nested host. */
export interface Forwarded {
  readonly image: string;
  readonly plan: BootPlan;
  readonly options: RunOptions;
  readonly font: Uint8Array | undefined;
  readonly command: InHost;
}

/**
 * The same command in a software host: its files go in, report and screenshot come out. A kernel goes in as it was unpacked here,
 * in a fraction of the time that it would take there.
 */
export async function runThere(
  host: Exclude<ChosenHost, 'local'>,
  { image, plan: { unpacked }, options, font, command }: Forwarded,
): Promise<number> {
  const { initrd, module: modules = [], firmware, screenshot, report } = options;
  const started = performance.now();
  const upload: HostFile[] = [
    { path: INSIDE.image, ...(unpacked ? { bytes: plainBzImage(unpacked) } : { source: image }) },
  ];
  if (initrd !== undefined) upload.push({ path: INSIDE.initrd, source: initrd });
  if (firmware !== undefined) upload.push({ path: INSIDE.firmware, source: firmware });
  modules.forEach((text, i) => {
    const { file } = fileOfModule(text);
    upload.push({ path: INSIDE.module(i, file), source: file });
  });
  if (font !== undefined) upload.push({ path: INSIDE.font, bytes: font });
  const { argv = [], upload: more = [], download: others = [] } = command.inside ?? {};
  const download = [
    ...(screenshot === undefined ? [] : [{ inside: INSIDE.screenshot, outside: screenshot }]),
    ...(report === undefined ? [] : [{ inside: INSIDE.report, outside: report }]),
    ...others,
  ];
  for (const { outside } of download) fs.rmSync(outside, { force: true });
  using _terminal = rawTerminal();
  using alternate = new AlternateScreen();
  const size = command.draws ? terminalSize() : undefined;
  const status = await runInHost({
    kind: host,
    argv: [command.name, ...argvInside(options), ...argv],
    env: {
      ...(isTerminal() && { [TERMINAL_ENV]: '1' }),
      ...(size && { [TERMINAL_SIZE_ENV]: `${size.columns}x${size.rows}` }),
      ...(process.env.NO_COLOR && { NO_COLOR: process.env.NO_COLOR }),
    },
    upload: [...upload, ...more],
    download,
    ...(options.timeout === undefined ? {} : { timeoutS: Number(options.timeout) }),
    clock: options.clock,
    signals: [...SIGNALS, ...(command.signals ?? [])],
    ...(size === undefined
      ? { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr }
      : { stdin: inputWithSizes(), stdout: alternate.stdout, stderr: alternate.stderr }),
    progress: (line) => process.stderr.write(`vmlaunch: ${line}\n`),
  });
  // A host that had to be killed leaves no report: what is known here is written.
  if (report !== undefined && !fs.existsSync(report)) {
    const end: MachineEnd = { reason: status === exitStatusOf({ reason: 'timeout' }) ? 'timeout' : 'stopped' };
    writeReport(report, { host, flavour: KVM_MODULE[host].name, end, status, wallMs: performance.now() - started });
  }
  return status;
}

function moduleInside(text: string, index: number): string {
  const { file, commandLine } = fileOfModule(text);
  return `--module=${INSIDE.module(index, file)} ${commandLine}`.trimEnd();
}

function argvInside(options: RunOptions): string[] {
  const {
    form,
    initrd,
    module: modules = [],
    append,
    memory,
    hugePages,
    cpus,
    flat,
    loadAddress,
    unpack,
    firmware,
    reboot,
    without,
    screen,
    screenshot,
    stats,
    traceKvm,
    report,
  } = options;
  const given = (name: string, value: string | undefined) => (value === undefined ? [] : [`${name}=${value}`]);
  return [
    INSIDE.image,
    '--host=local',
    ...given('--form', form),
    ...given('--initrd', initrd && INSIDE.initrd),
    ...modules.map((text, i) => moduleInside(text, i)),
    ...given('--append', append),
    ...given('--memory', memory),
    ...given('--huge-pages', hugePages),
    ...given('--cpus', cpus),
    ...given('--flat', flat),
    ...given('--load-address', loadAddress),
    ...given('--firmware', firmware && INSIDE.firmware),
    ...given('--without', without),
    ...(unpack === false ? ['--no-unpack'] : []),
    ...(reboot === true ? ['--reboot'] : []),
    ...(screen === true ? ['--screen'] : []),
    ...(screenshot === undefined ? [] : [`--screenshot=${INSIDE.screenshot}`, `--font=${INSIDE.font}`]),
    ...(stats === true ? ['--stats'] : []),
    ...(traceKvm === true ? ['--trace-kvm'] : []),
    ...given('--report', report && INSIDE.report),
  ];
}
