/** The options of the commands that run a machine. */
import { VmError } from '../errors.js';
import { type ParavirtFeatures, pvFeatureNames } from '../kvm/cpuid.js';
import type { MachineOptions } from '../machine/options.js';
import type { HostName } from './choose-host.js';
import { type ImageOptions, imageOptions, numberOf } from './image-options.js';
import type { ScreenshotOptions } from './screenshot.js';

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

/** @throws VmError OPTION_INVALID */
export function machineOptions(image: string, options: RunOptions): MachineOptions {
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
