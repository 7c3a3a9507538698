import type { MachineOptions } from '../machine/options.js';
import { planMachine } from '../machine/plan-machine.js';
import { chooseHost, isSurelyLocal } from './choose-host.js';
import { withFirmware } from './firmware.js';
import { machineOptions, type RunOptions } from './run-options.js';
import type { InHost } from './run-there.js';
import { screenshotFont } from './screenshot.js';

/** A command that runs a machine: `run`, or one that watches it as well. */
export interface ImageCommand extends InHost {
  /** What the machine is made with beside the options of `run`. */
  readonly machine?: Partial<MachineOptions>;
  /** Runs the machine on the local KVM. @returns the exit status */
  here(machine: MachineOptions, options: RunOptions, font?: Uint8Array): Promise<number>;
}

/** Runs a command's machine here, or the same command in a nested host. @returns the exit status @throws VmError */
export async function runImage(image: string, given: RunOptions, command: ImageCommand): Promise<number> {
  const options = await withFirmware(image, given);
  const machine = { ...machineOptions(image, options), ...command.machine };
  const font = await screenshotFont(options);
  // Bad input is told before any host is started. The local machine plans for itself.
  const plan = isSurelyLocal(options.host) ? undefined : planMachine(machine).plan;
  const { host, why } = chooseHost(options.host, plan?.isLinux ?? true);
  if (options.host === 'auto') process.stderr.write(`vmlaunch: host ${host}: ${why}\n`);
  if (host === 'local' || plan === undefined) return command.here(machine, options, font);
  const { runThere } = await import('./run-there.js');
  return runThere(host, { image, plan, options, font, command });
}
