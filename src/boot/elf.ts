/**
 * A kernel that is a bare ELF executable: its segments go to their physical addresses. ELF64 is entered in long mode
 * with the first 4 GiB mapped to themselves, ELF32 in flat protected mode; rsi is the address of Linux's boot_params
 * with memory map, command line and initrd, which is what a vmlinux wants (boot.rst, "64-bit Boot Protocol").
 */
import { VmError } from '../errors.js';
import { putBootParams } from './boot-params.js';
import { placeText } from './check-plan.js';
import { type ElfFile, readElf, textOf } from './elf-file.js';
import { flatEntry } from './flat-entry.js';
import { Layout } from './layout.js';
import { HDR, HEADER_LIMIT, HEADER_START } from './linux-header.js';
import { hex } from './place.js';
import type { BootPlan, Segment } from './plan.js';

export interface ElfOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  readonly commandLine: string;
  readonly initrd?: Uint8Array | undefined;
  readonly rsdp?: number | undefined;
}

/** What a kernel without a setup header is told to have: the last protocol, for the fields that we fill. */
const PROTOCOL = 0x020f;
const HEADER_MAGIC = 0x53726448;
const BOOT_FLAG = 0xaa55;
const COMMAND_LINE_MAX = 2047;
const INITRD_MAX = 0x7fffffff;

/**
 * Plans the boot of an ELF executable. The plan's segments refer to `image` and `initrd`.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_EMPTY, INITRD_TOO_LARGE,
 * COMMAND_LINE_TOO_LONG, OPTION_INVALID, MEMORY_INVALID
 */
export function planElf(image: Uint8Array, options: ElfOptions): BootPlan {
  const layout = new Layout(options.ramBytes);
  const elf = readElf(image);
  fixElf(layout, elf);
  const rip = entryAddress(elf);
  const mode = elf.bits === 64 ? 'long' : 'protected';
  const tables = flatEntry(layout, mode);
  const bootParams = putBootParams(layout, {
    header: setupHeader(),
    load: layout.segments[0]?.address ?? 0,
    commandLineMax: COMMAND_LINE_MAX,
    initrdMax: INITRD_MAX,
    ...options,
  });
  const isLinux = isLinuxElf(elf);
  return {
    form: 'elf',
    isLinux,
    segments: layout.segments,
    entry: { ...tables, rip, registers: { rsi: bootParams } },
    description: `an ELF${elf.bits} executable${isLinux ? `, Linux ${linuxVersion(elf)}`.trimEnd() : ''}`,
  };
}

function setupHeader(): Uint8Array {
  const page = new DataView(new ArrayBuffer(HEADER_LIMIT));
  page.setUint16(HDR.boot_flag, BOOT_FLAG, true);
  page.setUint32(HDR.header, HEADER_MAGIC, true);
  page.setUint16(HDR.version, PROTOCOL, true);
  page.setUint32(HDR.initrd_addr_max, INITRD_MAX, true);
  page.setUint32(HDR.cmdline_size, COMMAND_LINE_MAX, true);
  return new Uint8Array(page.buffer).subarray(HEADER_START);
}

/** The segments as they go into guest memory, `displacement` bytes above where the file wants them. */
export function elfSegments({ segments }: ElfFile, displacement = 0): Segment[] {
  return segments.map(({ index, physicalAddress, bytes, memoryBytes }) => ({
    address: physicalAddress + displacement,
    bytes,
    memoryBytes,
    what: `ELF segment ${index}`,
  }));
}

/** Puts the segments. @throws VmError as `Layout.fix` */
export function fixElf(layout: Layout, elf: ElfFile, displacement = 0): void {
  for (const segment of elfSegments(elf, displacement)) layout.fix(segment);
}

/** Below 4 GiB: what the boot CPU's page tables map, and a 32-bit register holds. */
const ENTRY_LIMIT = 2 ** 32;

/**
 * The physical address of the entry. `e_entry` may be physical, as in Linux, or virtual, as in kernels that run in
 * the upper half: then it is taken back through the segment that holds it.
 * @throws VmError IMAGE_INVALID where it is in no segment, IMAGE_UNSUPPORTED above 4 GiB
 */
export function entryAddress({ entry, segments }: ElfFile): number {
  const holds = (start: bigint, size: number) => entry >= start && entry < start + BigInt(size);
  const physical = segments.find(({ physicalAddress, memoryBytes }) => holds(BigInt(physicalAddress), memoryBytes));
  const virtual = segments.find(({ virtualAddress, memoryBytes }) => holds(virtualAddress, memoryBytes));
  const address = physical
    ? Number(entry)
    : virtual && virtual.physicalAddress + Number(entry - virtual.virtualAddress);
  if (address === undefined) {
    throw new VmError('IMAGE_INVALID', `the entry ${hex(entry)} is in none of the segments that are loaded`, {
      hint: 'Check how the image was linked (readelf -hl).',
    });
  }
  if (address < ENTRY_LIMIT) return address;
  throw new VmError('IMAGE_UNSUPPORTED', `the entry ${hex(address)} is not below 4 GiB`, {
    hint: 'Link the image to lower physical addresses.',
  });
}

/** @throws VmError IMAGE_INVALID where an entry that a header names is in no segment of the image */
export function checkEntryWithin(layout: Layout, address: number): number {
  const holds = layout.segments.some(({ address: start, bytes, memoryBytes = 0 }) => {
    return address >= start && address < start + Math.max(bytes.length, memoryBytes);
  });
  if (holds) return address;
  const where = layout.segments.map(placeText).join(', ');
  throw new VmError('IMAGE_INVALID', `the entry ${hex(address)} is outside of what is loaded: ${where}`, {
    hint: 'Check how the image was linked.',
  });
}

const XEN_ELFNOTE_GUEST_OS = 6;
/** The name of Linux's own notes, and the type of its build salt (include/linux/build-salt.h). */
const LINUX_NOTE = 'Linux';
const LINUX_ELFNOTE_BUILD_SALT = 0x100;

export function isLinuxElf({ notes }: ElfFile): boolean {
  return notes.some(({ name }) => name === LINUX_NOTE) || guestOs(notes) === 'linux';
}

/** Debian's build salt is the kernel's release; elsewhere it may be empty. */
function linuxVersion({ notes }: ElfFile): string {
  const salt = notes.find(({ name, type }) => name === LINUX_NOTE && type === LINUX_ELFNOTE_BUILD_SALT);
  return salt ? textOf(salt.description).replace(/[^ -~]/g, '') : '';
}

/** What Xen's notes call the system (xen/include/public/elfnote.h), or undefined. */
export function guestOs(notes: ElfFile['notes']): string | undefined {
  const note = notes.find(({ name, type }) => name === 'Xen' && type === XEN_ELFNOTE_GUEST_OS);
  return note && textOf(note.description);
}
