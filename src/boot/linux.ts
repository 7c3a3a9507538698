/**
 * Linux through its boot protocol: a bzImage, its command line, initrd and memory map become a plan. A 64-bit kernel
 * is entered by the 64-bit protocol, in long mode; one that is 32-bit only by the 32-bit protocol, in protected mode.
 * Source: Linux Documentation/arch/x86/boot.rst ("32-bit Boot Protocol", "64-bit Boot Protocol").
 *
 *   pref_address (16 MiB as a rule)        kernel, and what it needs to unpack itself (init_size); or, unpacked here
 *                                          (linux-unpacked.ts), the segments of its vmlinux
 *   from 0x1000, where there is room       GDT, page tables (64-bit), boot_params (the zero page), command line
 *   as high as possible below the hole     initrd
 */
import { VmError } from '../errors.js';
import { MIB } from '../memory/map.js';
import { putBootParams } from './boot-params.js';
import { flatEntry } from './flat-entry.js';
import { Layout } from './layout.js';
import { ENTRY_64, HEADER_START, type LinuxHeader, protocolText, readLinuxHeader } from './linux-header.js';
import { planUnpackedLinux } from './linux-unpacked.js';
import { alignUp, hex, lowRamEnd, sizeText } from './place.js';
import type { BootPlan } from './plan.js';
import { type Decompress, extractVmlinux } from './vmlinux.js';

export interface LinuxOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  /** Passed as UTF-8. */
  readonly commandLine: string;
  readonly initrd?: Uint8Array | undefined;
  /** Guest-physical address of the ACPI RSDP; without it the kernel searches the BIOS area. */
  readonly rsdp?: number | undefined;
  /** Lets a 64-bit kernel be unpacked here, with this for what we do not undo; without it the guest unpacks itself. */
  readonly decompress?: Decompress | undefined;
}

/**
 * Plans the boot of a bzImage. The plan's segments refer to `image` and `initrd`; nothing large is copied.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_EMPTY (an initrd without a byte),
 * INITRD_TOO_LARGE, COMMAND_LINE_TOO_LONG, OPTION_INVALID, MEMORY_INVALID
 */
export function planLinux(image: Uint8Array, options: LinuxOptions): BootPlan {
  const header = readLinuxHeader(image);
  const name = `${nameOf(header)}, boot protocol ${protocolText(header.protocol)}`;
  const unpacked = tryUnpacked(image, header, options);
  if (typeof unpacked === 'object') return { ...unpacked, description: `${name}, unpacked (no KASLR)` };
  const note = unpacked === undefined ? '' : `; the guest unpacks it: ${unpacked}`;
  return { ...planPacked(image, header, options), description: name + note };
}

/** The plan, or why there is none; undefined where none is wanted. What fails here may go well the other way. */
function tryUnpacked(image: Uint8Array, header: LinuxHeader, options: LinuxOptions) {
  if (options.decompress === undefined || !header.has64BitEntry || header.payloadBytes === 0) return undefined;
  try {
    const vmlinux = extractVmlinux(image, options.decompress);
    return planUnpackedLinux({ bzImage: image, vmlinux }, header, options);
  } catch (error) {
    if (error instanceof VmError && error.kind === 'input') return error.message;
    throw error;
  }
}

function planPacked(image: Uint8Array, header: LinuxHeader, options: LinuxOptions): Omit<BootPlan, 'description'> {
  const layout = new Layout(options.ramBytes);
  const load = placeKernel(header, options.ramBytes);
  layout.fix({
    address: load,
    bytes: image.subarray(header.kernelOffset, header.kernelOffset + header.kernelBytes),
    memoryBytes: kernelArea(header),
    what: 'kernel',
  });
  const mode = header.has64BitEntry ? 'long' : 'protected';
  const tables = flatEntry(layout, mode);
  const bootParams = putBootParams(layout, {
    header: image.subarray(HEADER_START, header.headerEnd),
    load,
    commandLineMax: header.commandLineMax,
    initrdMax: header.initrdMax,
    ...options,
  });
  return {
    form: 'bzImage',
    isLinux: true,
    segments: layout.segments,
    entry: {
      ...tables,
      rip: header.has64BitEntry ? load + ENTRY_64 : load,
      registers: { rsi: bootParams },
    },
  };
}

/** The version text of Linux begins with its number; of others that use its protocol (memtest86+), with their name. */
function nameOf({ version }: LinuxHeader): string {
  if (version === '') return 'Linux of unknown version';
  return /^\d/.test(version) ? `Linux ${version}` : version;
}

/** Memory that belongs to the kernel from its load address until it has read the memory map. */
const kernelArea = (header: LinuxHeader): number => Math.max(header.initBytes, header.kernelBytes);

/**
 * The load address: where the kernel prefers to be. Lower is useless, for it would move itself up to there
 * (boot.rst, pref_address), and needs init_size bytes from there on in any case.
 */
function placeKernel(header: LinuxHeader, ramBytes: number): number {
  const wish = Math.max(header.preferredAddress, MIB);
  const load = header.relocatable ? alignUp(wish, header.alignment) : wish;
  if (!header.relocatable && header.preferredAddress < MIB) {
    throw new VmError(
      'IMAGE_UNSUPPORTED',
      `this Linux kernel wants to be at ${hex(header.preferredAddress)}, below 1 MiB, and is not relocatable`,
      { hint: 'Use a kernel built with CONFIG_RELOCATABLE.' },
    );
  }
  const end = load + kernelArea(header);
  if (end <= lowRamEnd(ramBytes)) return load;
  throw new VmError(
    'IMAGE_TOO_LARGE',
    `this Linux kernel needs memory from ${hex(load)} to ${hex(end)}; RAM ends at ${hex(lowRamEnd(ramBytes))}`,
    { hint: `Give the machine ${sizeText(end)} of memory or more, and some for the kernel to work with.` },
  );
}
