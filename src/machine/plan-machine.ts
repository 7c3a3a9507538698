import { RSDP_BYTES } from '../boot/acpi/tables.js';
import { type BootOptions, formTaken, planBoot, unpacked } from '../boot/load.js';
import type { BootPlan } from '../boot/plan.js';
import { checkOptions } from './check-options.js';
import { decompress } from './decompress.js';
import { fileBytes, mayHoldFloppy, namingFiles, readModule } from './image-files.js';
import { DEFAULT_COMMAND_LINE, DEFAULT_CPUS, DEFAULT_MEMORY, type MachineOptions, memorySize } from './options.js';
import { pcAcpiTables } from './pc.js';

/**
 * Checks a machine's options and plans its boot, without KVM: what is refused is refused here.
 * @throws VmError of kind `input`
 */
export function planMachine(options: MachineOptions): { readonly ramBytes: number; readonly plan: BootPlan } {
  const { image, boot } = bootInput(options);
  return { ramBytes: boot.ramBytes, plan: namingFiles(options, () => planBoot(image, boot)) };
}

/** Whether the image boots through a firmware, and none is named. @throws VmError of kind `input` */
export function lacksFirmware(options: MachineOptions): boolean {
  if (options.firmware !== undefined) return false;
  checkOptions(options);
  const { image, memory = DEFAULT_MEMORY, form, flat } = options;
  if (typeof image === 'string' && !mayHoldFloppy(image)) return false;
  const ramBytes = memorySize(memory);
  const unpackedImage = namingFiles(options, () => unpacked(fileBytes(image, 'image'), ramBytes));
  return formTaken(unpackedImage, { form, flat }) === 'boot-sector';
}

/** What the loaders are given: the files, read, and what this machine is. @throws VmError of kind `input` */
export function bootInput(options: MachineOptions): { readonly image: Uint8Array; readonly boot: BootOptions } {
  checkOptions(options);
  const {
    form,
    commandLine,
    initrd,
    modules = [],
    flat,
    loadAddress,
    cpus = DEFAULT_CPUS,
    firmware,
    unpack = true,
  } = options;
  const { address: rsdp, bytes: tables } = pcAcpiTables(cpus);
  const boot = {
    ramBytes: memorySize(options.memory ?? DEFAULT_MEMORY),
    form,
    commandLine,
    linuxCommandLine: DEFAULT_COMMAND_LINE,
    initrd: initrd === undefined ? undefined : fileBytes(initrd, 'initrd'),
    modules: modules.map(readModule),
    rsdp,
    rsdpBytes: tables.subarray(0, RSDP_BYTES),
    textScreen: true,
    decompress: unpack ? decompress : undefined,
    flat,
    loadAddress,
    firmware: firmware === undefined ? undefined : fileBytes(firmware, 'firmware'),
  };
  return { image: fileBytes(options.image, 'image'), boot };
}
