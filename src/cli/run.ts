import type { BootPlan } from '../boot/plan.js';
import { Machine } from '../machine/machine.js';
import type { MachineOptions } from '../machine/options.js';
import type { MachineStats } from '../machine/report.js';
import { frontOf } from './front.js';
import { whereWeAre, writeReport } from './report.js';
import { runImage } from './run-image.js';
import { runMachine, tellEnd } from './run-machine.js';
import type { RunOptions } from './run-options.js';
import { writeScreenshot } from './screenshot.js';

/** `vmlaunch run`: the machine's serial console or text screen is the terminal. Returns the exit status. @throws VmError */
export function run(image: string, options: RunOptions): Promise<number> {
  return runImage(image, options, { name: 'run', draws: options.screen === true, here: runHere });
}

async function runHere(machineOptions: MachineOptions, options: RunOptions, font?: Uint8Array): Promise<number> {
  const started = performance.now();
  await using machine = await Machine.create(machineOptions);
  const ended = await runMachine(machine, () => frontOf(machine, options));
  const { end, status } = ended;
  tellEnd(machine, ended);
  const stats = machine.stats();
  if (options.stats === true) process.stderr.write(statsText(stats, machine.plan));
  if (options.screenshot !== undefined && font) writeScreenshot(options.screenshot, machine.screen, font);
  if (options.report !== undefined) {
    const outcome = { ...whereWeAre(), end, status, wallMs: performance.now() - started };
    writeReport(options.report, outcome, { ...stats, death: machine.postMortem() });
  }
  return status;
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
