/** Finds out what an image is and plans its boot. */
import { VmError } from '../errors.js';
import { checkPlan } from './check-plan.js';
import { isLinuxElf, planElf } from './elf.js';
import { isElf, readElf, viewOf } from './elf-file.js';
import { planFirmware } from './firmware.js';
import { planFlat } from './flat.js';
import { gunzip, isGzip } from './gzip.js';
import { planLinux } from './linux.js';
import { hasLinuxHeader } from './linux-header.js';
import type { BootModule } from './modules.js';
import { hasMultibootHeader, planMultiboot } from './multiboot.js';
import { planMultiboot2 } from './multiboot2.js';
import { hasMultiboot2Header } from './multiboot2-header.js';
import type { BootPlan, EntryMode, FormName } from './plan.js';
import { hasPvhEntry, planPvh } from './pvh.js';
import { ramBesideFirmware, throughFirmware } from './through-firmware.js';
import type { Decompress } from './vmlinux.js';
import { refuseXenGuest } from './xen-guest.js';

export interface BootOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  /** Takes the image in this form, whatever else it looks like. */
  readonly form?: FormName | undefined;
  /** For images that take one. */
  readonly commandLine?: string | undefined;
  /** The command line of Linux where `commandLine` is absent. */
  readonly linuxCommandLine?: string | undefined;
  /** Linux's initial RAM disk; the first module of other kernels. */
  readonly initrd?: Uint8Array | undefined;
  /** Files for kernels that are not Linux, in this order. */
  readonly modules?: readonly BootModule[] | undefined;
  /** Guest-physical address of the ACPI RSDP, where the machine has one, and the RSDP itself. */
  readonly rsdp?: number | undefined;
  readonly rsdpBytes?: Uint8Array | undefined;
  /** Whether the machine has a VGA text screen at 0xb8000. */
  readonly textScreen?: boolean | undefined;
  /** As `LinuxOptions` have it: lets a bzImage be unpacked here. */
  readonly decompress?: Decompress | undefined;
  /** Takes the image as a flat one, whatever it looks like, and enters it in this mode. */
  readonly flat?: EntryMode | undefined;
  /** Where a flat image goes. */
  readonly loadAddress?: number | undefined;
  /** The firmware that boots a boot sector, or runs before a kernel with a flat 32-bit entry. */
  readonly firmware?: Uint8Array | undefined;
}

type Extra = 'commandLine' | 'initrd' | 'modules' | 'loadAddress' | 'firmware';

interface Form {
  readonly name: FormName;
  /** For messages. */
  readonly what: string;
  /** What an image of this form has, for messages about one that lacks it. */
  readonly sign: string;
  readonly hasSign: (image: Uint8Array) => boolean;
  /** Options that the form has a use for. */
  readonly takes: readonly Extra[];
  /** Throws where an image has the sign and would not run: not asked where the caller names the form. */
  readonly doubt?: (image: Uint8Array) => void;
  readonly plan: (image: Uint8Array, options: BootOptions & { readonly commandLine: string }) => BootPlan;
}

const BOOT_SECTOR_BYTES = 512;
const BOOT_SIGNATURE = 0xaa55;
const NAMES: Record<Extra, string> = {
  commandLine: 'command line',
  initrd: 'initrd',
  modules: 'modules',
  loadAddress: 'load address',
  firmware: 'firmware',
};

/** In the order in which they are looked for; every image can be taken as a flat one. */
const FORMS: readonly Form[] = [
  {
    name: 'bzImage',
    what: 'a Linux bzImage',
    sign: 'a setup header ("HdrS" at 0x202)',
    hasSign: hasLinuxHeader,
    takes: ['commandLine', 'initrd'],
    plan: planLinux,
  },
  {
    name: 'multiboot2',
    what: 'a multiboot 2 kernel',
    sign: 'a multiboot 2 header (0xe85250d6, 8-aligned, with its checksum) in its first 32 KiB',
    hasSign: hasMultiboot2Header,
    takes: ['commandLine', 'initrd', 'modules', 'firmware'],
    plan: planMultiboot2,
  },
  {
    name: 'multiboot',
    what: 'a multiboot kernel',
    sign: 'a multiboot header (0x1badb002, 4-aligned, with its checksum) in its first 8 KiB',
    hasSign: hasMultibootHeader,
    takes: ['commandLine', 'initrd', 'modules', 'firmware'],
    plan: planMultiboot,
  },
  {
    name: 'pvh',
    what: 'a kernel with a PVH entry',
    sign: 'an ELF note with a PVH entry (XEN_ELFNOTE_PHYS32_ENTRY)',
    hasSign: hasPvhEntry,
    takes: ['commandLine', 'initrd', 'modules', 'firmware'],
    doubt: (image) => refuseXenGuest('pvh', readElf(image)),
    plan: planPvh,
  },
  {
    name: 'elf',
    what: 'an ELF executable',
    sign: 'the magic number of ELF',
    hasSign: isElf,
    takes: ['commandLine', 'initrd'],
    doubt: (image) => refuseXenGuest('elf', readElf(image)),
    plan: planElf,
  },
  {
    name: 'boot-sector',
    what: 'a boot sector or floppy image',
    sign: 'the signature 55 AA at byte 510',
    hasSign: isBootSector,
    takes: ['firmware'],
    plan: (image, { ramBytes, firmware }) => planFirmware(image, { ramBytes, rom: firmware }),
  },
  {
    name: 'flat',
    what: 'a flat image',
    sign: 'nothing',
    hasSign: () => true,
    takes: ['loadAddress'],
    doubt: refuseDosExecutable,
    plan: (image, { flat, loadAddress, ramBytes }) => planFlat(image, { mode: flat, loadAddress, ramBytes }),
  },
];

/**
 * The forms whose signs an image has, first the one that it is taken in; `flat` where it has none.
 * @param image not packed with gzip
 */
export function formsOf(image: Uint8Array): FormName[] {
  const names = FORMS.filter(({ hasSign }) => hasSign(image)).map(({ name }) => name);
  return names.length > 1 ? names.filter((name) => name !== 'flat') : names;
}

/** The form that an image is taken in, be it refused there or not. @param image not packed with gzip */
export function formTaken(image: Uint8Array, { form, flat }: Pick<BootOptions, 'form' | 'flat'>): FormName {
  return form ?? (flat === undefined ? (formsOf(image)[0] ?? 'flat') : 'flat');
}

/** The image without the gzip around it, where there is one. @throws VmError IMAGE_INVALID, IMAGE_TOO_LARGE */
export const unpacked = (image: Uint8Array, ramBytes: number): Uint8Array =>
  isGzip(image) ? gunzip(image, ramBytes) : image;

/**
 * Plans the boot of an image: in the form that the options name, else the first that its contents show.
 * @throws VmError IMAGE_EMPTY, IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, INITRD_TOO_LARGE, MODULE_TOO_LARGE,
 * COMMAND_LINE_TOO_LONG, OPTION_INVALID (an option that the form has no use for), MEMORY_INVALID,
 * FIRMWARE_INVALID
 */
export function planBoot(file: Uint8Array, options: BootOptions): BootPlan {
  if (file.length === 0) throw new VmError('IMAGE_EMPTY', 'the image is empty', { hint: 'Check how it was built.' });
  const image = unpacked(file, options.ramBytes);
  const form = chooseForm(image, options);
  checkExtras(form, options);
  const plan = planForm(form, image, { ...options, commandLine: commandLineOf(image, form, options) });
  checkPlan(plan, options.ramBytes);
  if (plan.isLinux && options.modules?.length) {
    throw new VmError('OPTION_INVALID', 'Linux takes no modules', { hint: 'Give it an initrd.' });
  }
  return plan;
}

function planForm(form: Form, image: Uint8Array, options: BootOptions & { readonly commandLine: string }): BootPlan {
  const { ramBytes, firmware } = options;
  if (firmware === undefined || form.name === 'boot-sector') return form.plan(image, options);
  // ACPI's tables would lie where the firmware does.
  const beside = { ...options, ramBytes: ramBesideFirmware(ramBytes), rsdp: undefined, rsdpBytes: undefined };
  return throughFirmware(form.plan(image, beside), ramBytes, firmware);
}

function chooseForm(image: Uint8Array, { form: asked, flat }: BootOptions): Form {
  const name = asked ?? (flat === undefined ? undefined : 'flat');
  const form = FORMS.find((one) => (name === undefined ? one.hasSign(image) : one.name === name));
  if (form === undefined) throw new VmError('OPTION_INVALID', `there is no image form "${name}"`);
  if (flat !== undefined && form.name !== 'flat') {
    throw new VmError('OPTION_INVALID', `a flat mode is for flat images, and ${form.what} is asked for`, {
      hint: 'Leave one of both out.',
    });
  }
  if (!form.hasSign(image)) {
    throw new VmError('IMAGE_INVALID', `this image is not ${form.what}: it lacks ${form.sign}`, {
      hint: 'Leave the form out, and it is found by the contents.',
    });
  }
  if (name === undefined) form.doubt?.(image);
  return form;
}

function checkExtras(form: Form, options: BootOptions): void {
  const isGiven = (extra: Extra) => {
    const value = options[extra];
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== '';
  };
  const unused = (Object.keys(NAMES) as Extra[]).find((extra) => isGiven(extra) && !form.takes.includes(extra));
  if (unused === undefined) return;
  throw new VmError('OPTION_INVALID', `${form.what} takes no ${NAMES[unused]}`, {
    hint: `Leave it out, or check that the image is what you think: it was taken for ${form.what}.`,
  });
}

function commandLineOf(image: Uint8Array, { name }: Form, options: BootOptions): string {
  if (options.commandLine !== undefined) return options.commandLine;
  const isLinux = name === 'bzImage' || ((name === 'pvh' || name === 'elf') && isLinuxElf(readElf(image)));
  return isLinux ? (options.linuxCommandLine ?? '') : '';
}

function isDosExecutable(image: Uint8Array): boolean {
  return image[0] === 0x4d && image[1] === 0x5a;
}

/** Linux kernels begin so too, since they are EFI programs as well: here is one whose setup header is missing. */
function refuseDosExecutable(image: Uint8Array): void {
  if (!isDosExecutable(image)) return;
  throw new VmError(
    'IMAGE_UNSUPPORTED',
    'this image is a DOS or EFI executable, or the beginning of a truncated Linux kernel, which cannot be booted',
    { hint: 'If it is a kernel, fetch it again. To run the bytes as they are, choose a flat mode.' },
  );
}

function isBootSector(image: Uint8Array): boolean {
  if (image.length < BOOT_SECTOR_BYTES || isDosExecutable(image)) return false;
  return viewOf(image).getUint16(BOOT_SECTOR_BYTES - 2, true) === BOOT_SIGNATURE;
}
