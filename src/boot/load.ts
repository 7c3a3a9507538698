/** Finds out what an image is and plans its boot. */
import { VmError } from '../errors.js';
import { planFlat } from './flat.js';
import { planLinux } from './linux.js';
import { hasLinuxHeader } from './linux-header.js';
import type { BootPlan, EntryMode } from './plan.js';

export interface BootOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  /** For images that take one. */
  readonly commandLine?: string | undefined;
  readonly initrd?: Uint8Array | undefined;
  /** Guest-physical address of the ACPI RSDP, where the machine has one. */
  readonly rsdp?: number | undefined;
  /** Takes the image as a flat one, whatever it looks like, and enters it in this mode. */
  readonly flat?: EntryMode | undefined;
  /** Where a flat image goes. */
  readonly loadAddress?: number | undefined;
}

interface Form {
  readonly matches: (image: Uint8Array) => boolean;
  readonly plan: (image: Uint8Array, options: BootOptions) => BootPlan;
}

/** Forms in the order in which they are tried; what none of them knows is a flat image. */
const FORMS: readonly Form[] = [
  { matches: hasLinuxHeader, plan: planBzImage },
  { matches: startsWith(0x7f, 0x45, 0x4c, 0x46), plan: refuse('an ELF executable', '') },
  {
    // Linux kernels begin so too, since they are EFI programs as well: here is one whose header is missing.
    matches: startsWith(0x4d, 0x5a),
    plan: refuse(
      'a DOS or EFI executable, or the beginning of a truncated Linux kernel',
      ' If it is a kernel, fetch it again.',
    ),
  },
];

/**
 * Plans the boot of an image whose form its first bytes tell: a Linux bzImage, or else a flat image (real mode).
 * @throws VmError IMAGE_EMPTY, IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, INITRD_TOO_LARGE,
 * COMMAND_LINE_TOO_LONG, OPTION_INVALID (an option that the form has no use for), MEMORY_INVALID
 */
export function planBoot(image: Uint8Array, options: BootOptions): BootPlan {
  const form = options.flat === undefined ? FORMS.find(({ matches }) => matches(image)) : undefined;
  return form ? form.plan(image, options) : planBare(image, options);
}

function planBzImage(image: Uint8Array, options: BootOptions): BootPlan {
  if (options.loadAddress !== undefined) {
    throw new VmError('OPTION_INVALID', 'a Linux kernel says itself where it is loaded: it takes no load address', {
      hint: 'Leave the load address out.',
    });
  }
  const { ramBytes, initrd, rsdp, commandLine = '' } = options;
  return planLinux(image, { ramBytes, commandLine, initrd, rsdp });
}

function planBare(image: Uint8Array, options: BootOptions): BootPlan {
  const unused = options.initrd ? 'initrd' : options.commandLine ? 'command line' : undefined;
  if (unused) {
    throw new VmError('OPTION_INVALID', `a flat image takes no ${unused}`, {
      hint: 'Leave it out, or check that the image is what you think: it is no Linux bzImage.',
    });
  }
  return planFlat(image, { mode: options.flat, loadAddress: options.loadAddress, ramBytes: options.ramBytes });
}

function startsWith(...magic: number[]): Form['matches'] {
  return (image) => magic.every((byte, i) => image[i] === byte);
}

function refuse(what: string, advice: string): Form['plan'] {
  return () => {
    throw new VmError('IMAGE_UNSUPPORTED', `this image is ${what}, which cannot be booted yet`, {
      hint: `Give a Linux bzImage or a flat image.${advice} To run the bytes as they are, choose a flat mode.`,
    });
  };
}
