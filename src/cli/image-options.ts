/** The options by which commands are told what image to take, and with what. */
import type { FormName } from '../boot/plan.js';
import { VmError } from '../errors.js';
import type { MachineOptions } from '../machine/options.js';
import type { HugePages } from '../memory/huge-pages.js';

export interface ImageOptions {
  readonly form?: FormName;
  readonly initrd?: string;
  /** Each a file's name, and after a space the module's arguments. */
  readonly module?: readonly string[];
  readonly append?: string;
  readonly memory: string;
  readonly hugePages?: HugePages;
  readonly flat?: 'real' | 'protected' | 'long';
  readonly loadAddress?: string;
  /** False with --no-unpack. */
  readonly unpack?: boolean;
  readonly firmware?: string;
}

/** @throws VmError OPTION_INVALID */
export function imageOptions(image: string, options: ImageOptions): MachineOptions {
  return {
    image,
    form: options.form,
    initrd: options.initrd,
    modules: options.module?.map(fileOfModule),
    commandLine: options.append,
    memory: options.memory,
    hugePages: options.hugePages,
    flat: options.flat,
    unpack: options.unpack,
    loadAddress: numberOf(options.loadAddress, '--load-address'),
    firmware: options.firmware,
  };
}

/** "FILE ARGUMENTS", at the first space. */
export function fileOfModule(text: string): { readonly file: string; readonly commandLine: string } {
  const space = text.indexOf(' ');
  return space < 0
    ? { file: text, commandLine: '' }
    : { file: text.slice(0, space), commandLine: text.slice(space + 1).trim() };
}

/** @throws VmError OPTION_INVALID */
export function numberOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new VmError('OPTION_INVALID', `${option} ${text} is no number`);
}
