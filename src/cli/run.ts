import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { plainBzImage } from '../boot/linux-unpacked.js';
import type { BootPlan } from '../boot/plan.js';
import { VmError } from '../errors.js';
import type { HostFile } from '../host/file.js';
import { runInHost } from '../host/forward.js';
import { KVM_MODULE } from '../host/kind.js';
import { writeFile } from '../host/write-file.js';
import { type ParavirtFeatures, pvFeatureNames } from '../kvm/cpuid.js';
import { localFlavour, softwareHost } from '../kvm/flavour.js';
import { exitStatusOf, type MachineEnd } from '../machine/end.js';
import { Machine, planMachine } from '../machine/machine.js';
import type { MachineOptions } from '../machine/options.js';
import type { PostMortem } from '../machine/post-mortem.js';
import { describePostMortem } from '../machine/post-mortem-words.js';
import type { MachineStats } from '../machine/report.js';
import { type ChosenHost, chooseHost, type HostName } from './choose-host.js';
import { withFirmware } from './firmware.js';
import { inputWithSizes, screenFront, serialFront } from './front.js';
import { fileOfModule, type ImageOptions, imageOptions, numberOf } from './image-options.js';
import { printError } from './print-error.js';
import { waitForReader } from './reader.js';
import { type ScreenshotOptions, screenshotFont, writeScreenshot } from './screenshot.js';
import { AlternateScreen, isTerminal, rawTerminal, TERMINAL_ENV, TERMINAL_SIZE_ENV, terminalSize } from './terminal.js';

export interface RunOptions extends ImageOptions, ScreenshotOptions {
  readonly cpus: string;
  readonly timeout?: string;
  readonly reboot?: boolean;
  readonly without?: string;
  readonly screen?: boolean;
  readonly stats?: boolean;
  readonly report?: string;
  readonly traceKvm?: boolean;
  readonly host: HostName;
  readonly clock: 'now' | 'fixed';
}

const SIGNALLED = 128;

/** `vmlaunch run`: the machine's serial console or text screen is the terminal. Returns the exit status. @throws VmError */
export async function run(image: string, given: RunOptions): Promise<number> {
  const options = await withFirmware(image, given);
  const machineOptions = optionsOf(image, options);
  const font = await screenshotFont(options);
  // Bad input is told before any host is started. The local machine plans for itself.
  if (options.host === 'local') return runHere(machineOptions, options, font);
  const { plan } = planMachine(machineOptions);
  const { host, why } = chooseHost(options.host, plan.isLinux);
  if (options.host === 'auto') process.stderr.write(`vmlaunch: host ${host}: ${why}\n`);
  if (host === 'local') return await runHere(machineOptions, options, font);
  return await runThere(host, image, plan, options, font);
}

function optionsOf(image: string, options: RunOptions): MachineOptions {
  return {
    ...imageOptions(image, options),
    cpus: numberOf(options.cpus, '--cpus'),
    timeoutS: numberOf(options.timeout, '--timeout'),
    reboot: options.reboot,
    paravirt: paravirtOf(options.without),
    traceKvm: options.traceKvm,
    timed: options.stats === true || options.report !== undefined,
  };
}

function paravirtOf(without: string | undefined): ParavirtFeatures {
  if (without === undefined) return {};
  const names = without === 'all' ? pvFeatureNames : without.split(',');
  const known: readonly string[] = pvFeatureNames;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new VmError('OPTION_INVALID', `--without ${unknown}: there is no such feature`, {
      hint: `Known: all, ${pvFeatureNames.join(', ')}.`,
    });
  }
  return Object.fromEntries(names.map((name) => [name, false]));
}

async function runHere(machineOptions: MachineOptions, options: RunOptions, font?: Uint8Array): Promise<number> {
  const started = performance.now();
  await using machine = await Machine.create(machineOptions);
  let signal: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGALRM') return void machine.stop({ reason: 'timeout' });
    signal ??= name;
    void machine.stop();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGALRM'] as const;
  for (const name of signals) process.on(name, onSignal);
  using _terminal = rawTerminal();
  // Nobody reads any more: what SIGPIPE is to other programs.
  process.stdout.on('error', () => {
    machine.output.resume();
    onSignal('SIGPIPE');
  });
  using front = options.screen === true ? screenFront(machine) : serialFront(machine);
  machine.start();
  const end = await machine.ended;
  for (const name of signals) process.off(name, onSignal);
  const status = signal === undefined ? exitStatusOf(end) : SIGNALLED + os.constants.signals[signal];
  if (!machine.output.readableEnded) await waitForReader(once(machine.output, 'end'), status);
  front.finish();
  if (end.reason === 'error') printError(end.error);
  else process.stderr.write(`vmlaunch: ${wordsOf(end, signal)}\n`);
  const death = machine.postMortem();
  if (death !== undefined) process.stderr.write(describePostMortem(death));
  const stats = machine.stats();
  if (options.stats === true) process.stderr.write(statsText(stats, machine.plan));
  if (options.screenshot !== undefined && font) writeScreenshot(options.screenshot, machine.screen, font);
  if (options.report !== undefined) {
    const { flavour } = localFlavour();
    const host = softwareHost() ?? 'local';
    writeReport(options.report, { host, flavour, end, status, wallMs: performance.now() - started, stats, death });
  }
  return status;
}

function wordsOf(end: MachineEnd, signal: string | undefined): string {
  if (signal !== undefined) return `stopped by ${signal}`;
  const by = 'by' in end ? ` (${end.by})` : '';
  return `the machine ended: ${end.reason}${by}`;
}

/** The exit table of `--stats`. */
export function statsText({ exits, time, unclaimed, kvm }: MachineStats, { unpacked }: Pick<BootPlan, 'unpacked'>) {
  const lines = ['exits that reached vmlaunch'];
  for (const [reason, count] of Object.entries(exits.byReason).sort((a, b) => b[1] - a[1])) {
    lines.push(`  ${reason.padEnd(20)} ${String(count).padStart(12)}`);
  }
  lines.push(`  ${'total'.padEnd(20)} ${String(exits.total).padStart(12)}`);
  if (kvm?.exits !== undefined) lines.push(`exits counted by KVM   ${String(kvm.exits).padStart(12)}`);
  if (time !== undefined) {
    lines.push(`time inside KVM_RUN    ${(time.insideNs / 1e6).toFixed(1).padStart(12)} ms`);
    lines.push(`time outside KVM_RUN   ${(time.outsideNs / 1e6).toFixed(1).padStart(12)} ms`);
  }
  lines.push(`unclaimed bytes        ${String(unclaimed.pio).padStart(12)} of ports, ${unclaimed.mmio} of MMIO`);
  if (unpacked)
    lines.push('KASLR                           off: the kernel came unpacked (--no-unpack leaves that to it)');
  return `${lines.join('\n')}\n`;
}

interface Outcome {
  readonly host: ChosenHost;
  readonly flavour: string;
  readonly end: MachineEnd;
  readonly status: number;
  readonly wallMs: number;
  /** Absent where the host had to be killed. */
  readonly stats?: MachineStats;
  readonly death?: PostMortem | undefined;
}

function writeReport(file: string, { host, flavour, end, status, wallMs, stats, death }: Outcome): void {
  const detail = end.reason === 'error' ? { error: { code: end.error.code, message: end.error.message } } : {};
  const report = {
    host,
    flavour,
    end: { reason: end.reason, status, ...('by' in end ? { by: end.by } : {}), ...detail },
    wallMs: Math.round(wallMs),
    ...stats,
    death,
  };
  writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

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

/**
 * The same command in a software host: its files go in, report and screenshot come out. A kernel goes in as it was unpacked here,
 * in a fraction of the time that it would take there.
 */
async function runThere(
  host: Exclude<ChosenHost, 'local'>,
  image: string,
  { unpacked }: BootPlan,
  options: RunOptions,
  font?: Uint8Array,
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
  const download = [
    ...(screenshot === undefined ? [] : [{ inside: INSIDE.screenshot, outside: screenshot }]),
    ...(report === undefined ? [] : [{ inside: INSIDE.report, outside: report }]),
  ];
  for (const { outside } of download) fs.rmSync(outside, { force: true });
  using _terminal = rawTerminal();
  using alternate = new AlternateScreen();
  const size = options.screen === true ? terminalSize() : undefined;
  const status = await runInHost({
    kind: host,
    argv: argvInside(options),
    env: {
      ...(isTerminal() && { [TERMINAL_ENV]: '1' }),
      ...(size && { [TERMINAL_SIZE_ENV]: `${size.columns}x${size.rows}` }),
    },
    upload,
    download,
    ...(options.timeout === undefined ? {} : { timeoutS: Number(options.timeout) }),
    clock: options.clock,
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
    'run',
    INSIDE.image,
    '--host=local',
    ...given('--form', form),
    ...given('--initrd', initrd && INSIDE.initrd),
    ...modules.map((text, i) => moduleInside(text, i)),
    ...given('--append', append),
    ...given('--memory', memory),
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
