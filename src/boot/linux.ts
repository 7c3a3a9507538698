/**
 * Linux through the 64-bit boot protocol: a bzImage, its command line, initrd and memory map become a plan.
 * Source: Linux Documentation/arch/x86/boot.rst ("64-bit Boot Protocol") and zero-page.rst.
 *
 *   0x001000  GDT
 *   0x007000  boot_params (the zero page)
 *   0x009000  page tables: PML4, PDPT, four page directories, to 0x00efff
 *   0x020000  command line, at most 64 KiB
 *   0x0e0000  ACPI tables (not this loader's)
 *   pref_address (16 MiB as a rule)  kernel, and what it needs to unpack itself (init_size)
 *   page-aligned, as high as possible below the hole  initrd
 */
import { VmError } from '../errors.js';
import { e820Map, MIB } from '../memory/map.js';
import { ENTRY_64, HDR, HEADER_START, type LinuxHeader, protocolText, readLinuxHeader } from './linux-header.js';
import { flatGdt, identityPageTables } from './paging.js';
import { alignDown, alignUp, checkRam, hex, lowRamEnd, PAGE_BYTES, sizeText } from './place.js';
import type { BootPlan, Segment } from './plan.js';

const GDT_ADDRESS = 0x1000;
const BOOT_PARAMS_ADDRESS = 0x7000;
const PAGE_TABLES_ADDRESS = 0x9000;
const COMMAND_LINE_ADDRESS = 0x20000;
const COMMAND_LINE_AREA = 0x10000;

/** Fields of boot_params outside the setup header (zero-page.rst). */
export const BOOT_PARAMS = {
  acpi_rsdp_addr: 0x070,
  e820_entries: 0x1e8,
  e820_table: 0x2d0,
} as const;
export const BOOT_PARAMS_BYTES = 0x1000;
export const E820_ENTRY_BYTES = 20;

const LOADER_UNDEFINED = 0xff;
const LOADED_HIGH = 1 << 0;

export interface LinuxOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  /** Passed as UTF-8. */
  readonly commandLine: string;
  readonly initrd?: Uint8Array | undefined;
  /** Guest-physical address of the ACPI RSDP; without it the kernel searches the BIOS area. */
  readonly rsdp?: number | undefined;
}

/**
 * Plans the boot of a bzImage. The plan's segments refer to `image` and `initrd`; nothing large is copied.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_EMPTY (an initrd without a byte),
 * INITRD_TOO_LARGE, COMMAND_LINE_TOO_LONG, OPTION_INVALID, MEMORY_INVALID
 */
export function planLinux(image: Uint8Array, options: LinuxOptions): BootPlan {
  checkRam(options.ramBytes);
  const header = readLinuxHeader(image);
  const load = placeKernel(header, options.ramBytes);
  const commandLine = encodeCommandLine(options.commandLine, header);
  const initrd = placeInitrd(options.initrd, header, load, options.ramBytes);
  const { segment: gdtSegment, gdt } = flatGdt(GDT_ADDRESS, 'long');
  const kernel = image.subarray(header.kernelOffset, header.kernelOffset + header.kernelBytes);
  const segments = [
    gdtSegment,
    { address: BOOT_PARAMS_ADDRESS, bytes: bootParams(image, header, load, initrd, options), what: 'boot_params' },
    identityPageTables(PAGE_TABLES_ADDRESS),
    { address: COMMAND_LINE_ADDRESS, bytes: commandLine, what: 'command line' },
    { address: load, bytes: kernel, what: 'kernel' },
  ];
  if (initrd) segments.push(initrd);
  return {
    form: 'bzImage',
    segments,
    entry: {
      mode: 'long',
      rip: load + ENTRY_64,
      registers: { rsi: BOOT_PARAMS_ADDRESS },
      gdt,
      cr3: PAGE_TABLES_ADDRESS,
    },
    description: `Linux ${header.version || 'of unknown version'}, boot protocol ${protocolText(header.protocol)}`,
  };
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

function encodeCommandLine(text: string, header: LinuxHeader): Uint8Array {
  const bytes = new TextEncoder().encode(`${text}\0`);
  if (bytes.indexOf(0) !== bytes.length - 1) {
    throw new VmError('OPTION_INVALID', 'the kernel command line contains a zero byte', {
      hint: 'Leave it out: the kernel would not see what follows it.',
    });
  }
  const most = Math.min(header.commandLineMax, COMMAND_LINE_AREA - 1);
  if (bytes.length - 1 > most) {
    throw new VmError(
      'COMMAND_LINE_TOO_LONG',
      `the kernel command line has ${bytes.length - 1} bytes, and this kernel takes ${most}`,
      { hint: 'Shorten it.' },
    );
  }
  return bytes;
}

/** The highest page-aligned place below both initrd_addr_max and the hole: above the kernel, or else between 1 MiB and it. */
function placeInitrd(
  initrd: Uint8Array | undefined,
  header: LinuxHeader,
  load: number,
  ramBytes: number,
): Segment | undefined {
  if (!initrd) return undefined;
  if (initrd.length === 0) throw new VmError('IMAGE_EMPTY', 'the initrd is empty', { hint: 'Leave it out.' });
  const top = Math.min(lowRamEnd(ramBytes), header.initrdMax + 1);
  const gaps = [
    { start: load + kernelArea(header), end: top },
    { start: MIB, end: Math.min(top, load) },
  ];
  for (const gap of gaps) {
    const address = alignDown(Math.max(gap.end - initrd.length, 0), PAGE_BYTES);
    if (address >= gap.start) return { address, bytes: initrd, what: 'initrd' };
  }
  const room = Math.max(...gaps.map((gap) => gap.end - alignUp(gap.start, PAGE_BYTES)), 0);
  throw new VmError(
    'INITRD_TOO_LARGE',
    `the initrd has ${sizeText(initrd.length)}, and beside the kernel there is room for ${sizeText(room)}`,
    {
      hint:
        top < lowRamEnd(ramBytes)
          ? `This kernel takes an initrd below ${hex(top)} only: make it smaller.`
          : 'Give the machine more memory, or make the initrd smaller.',
    },
  );
}

/** The zero page: zeroes (a non-zero sentinel would make the kernel distrust it), the image's header, our own fields. */
function bootParams(
  image: Uint8Array,
  header: LinuxHeader,
  load: number,
  initrd: Segment | undefined,
  options: LinuxOptions,
): Uint8Array {
  const bytes = new Uint8Array(BOOT_PARAMS_BYTES);
  bytes.set(image.subarray(HEADER_START, header.headerEnd), HEADER_START);
  const page = new DataView(bytes.buffer);
  page.setUint8(HDR.type_of_loader, LOADER_UNDEFINED);
  page.setUint8(HDR.loadflags, page.getUint8(HDR.loadflags) | LOADED_HIGH);
  page.setUint32(HDR.code32_start, load, true);
  page.setUint32(HDR.ramdisk_image, initrd?.address ?? 0, true);
  page.setUint32(HDR.ramdisk_size, initrd?.bytes.length ?? 0, true);
  page.setUint32(HDR.cmd_line_ptr, COMMAND_LINE_ADDRESS, true);
  setU64(page, HDR.setup_data, 0);
  setU64(page, BOOT_PARAMS.acpi_rsdp_addr, options.rsdp ?? 0);
  const map = e820Map(options.ramBytes);
  page.setUint8(BOOT_PARAMS.e820_entries, map.length);
  for (const [i, entry] of map.entries()) {
    const at = BOOT_PARAMS.e820_table + i * E820_ENTRY_BYTES;
    setU64(page, at, entry.start);
    setU64(page, at + 8, entry.size);
    page.setUint32(at + 16, entry.type, true);
  }
  return bytes;
}

function setU64(page: DataView, offset: number, value: number): void {
  page.setUint32(offset, value >>> 0, true);
  page.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}
