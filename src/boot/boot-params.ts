/**
 * Linux's boot_params, the "zero page": what a loader owes to a kernel that is entered by the 32-bit or 64-bit boot
 * protocol. Source: Linux Documentation/arch/x86/boot.rst and zero-page.rst.
 */
import { VmError } from '../errors.js';
import { e820Map } from '../memory/map.js';
import type { Layout } from './layout.js';
import { HDR, HEADER_START } from './linux-header.js';
import { E820_ENTRY_BYTES, fillMemoryMap, setU64 } from './memory-map.js';
import { PAGE_BYTES } from './place.js';
import { zeroTerminated } from './text.js';

/** Fields of boot_params outside the setup header (zero-page.rst). */
export const BOOT_PARAMS = {
  screen_info: 0x000,
  acpi_rsdp_addr: 0x070,
  e820_entries: 0x1e8,
  e820_table: 0x2d0,
} as const;
export const BOOT_PARAMS_BYTES = 0x1000;

/** Fields of struct screen_info (Linux include/uapi/linux/screen_info.h) and what a BIOS leaves: text mode 3. */
export const SCREEN_INFO = {
  orig_video_mode: 0x06,
  orig_video_cols: 0x07,
  orig_video_ega_bx: 0x0a,
  orig_video_lines: 0x0e,
  orig_video_isVGA: 0x0f,
  orig_video_points: 0x10,
} as const;
const TEXT_MODE = { mode: 3, columns: 80, lines: 25, points: 16 } as const;
/** BIOS "alternate select" (INT 10h, AH 12h, BL 10h): a colour display, 256 KiB of video memory. */
const EGA_BX_COLOUR_256K = 0x0003;
const VIDEO_TYPE_VGAC = 1;

/** A node of the list at setup_data: next u64, type u32, length u32, data (boot.rst; asm/bootparam.h). */
const SETUP_DATA_BYTES = 16;
const SETUP_DATA_TYPE = 8;
const SETUP_DATA_LENGTH = 12;
/** Linux 6.0 and later; older kernels pass over it. */
const SETUP_RNG_SEED = 9;
/** What makes Linux's generator ready: 256 bits. */
const SEED_BYTES = 32;

const LOADER_UNDEFINED = 0xff;
const LOADED_HIGH = 1 << 0;
const COMMAND_LINE_MAX = 0xffff;

export interface BootParamsOptions {
  /** The setup header, as it is in boot_params from HEADER_START on. */
  readonly header: Uint8Array;
  /** Where the kernel begins. */
  readonly load: number;
  readonly commandLine: string;
  /** The longest command line that the kernel takes, in bytes without the zero. */
  readonly commandLineMax: number;
  readonly initrd?: Uint8Array | undefined;
  /** The highest address that a byte of the initrd may have. */
  readonly initrdMax: number;
  /** Guest-physical address of the ACPI RSDP; without it the kernel searches the BIOS area. */
  readonly rsdp?: number | undefined;
}

/**
 * Puts command line, a seed for the kernel's random numbers, initrd (page-aligned, as high as it may be) and boot_params,
 * and gives the address of the last.
 * @throws VmError OPTION_INVALID, COMMAND_LINE_TOO_LONG, IMAGE_EMPTY (an initrd without a byte), INITRD_TOO_LARGE
 */
export function putBootParams(layout: Layout, options: BootParamsOptions): number {
  const most = Math.min(options.commandLineMax, COMMAND_LINE_MAX);
  const text = zeroTerminated(options.commandLine, 'kernel command line', most);
  const bytes = new Uint8Array(BOOT_PARAMS_BYTES);
  const address = layout.putLow('boot_params', bytes, { alignment: PAGE_BYTES });
  const commandLine = layout.putLow('command line', text);
  const seed = putSeed(layout);
  const initrd = putInitrd(layout, options.initrd, options.initrdMax + 1);
  fill(bytes, options, layout.ramBytes, { commandLine, seed, initrd });
  return address;
}

/** Without it the kernel gathers randomness by hashing the times of all that it does, until it has enough. */
function putSeed(layout: Layout): number {
  const node = new DataView(new ArrayBuffer(SETUP_DATA_BYTES + SEED_BYTES));
  node.setUint32(SETUP_DATA_TYPE, SETUP_RNG_SEED, true);
  node.setUint32(SETUP_DATA_LENGTH, SEED_BYTES, true);
  return layout.putLow('random seed', new Uint8Array(node.buffer), {}, SETUP_DATA_BYTES);
}

/** @throws VmError IMAGE_EMPTY, INITRD_TOO_LARGE */
export function putInitrd(layout: Layout, initrd: Uint8Array | undefined, below?: number): number {
  if (initrd === undefined) return 0;
  if (initrd.length === 0) {
    throw new VmError('IMAGE_EMPTY', 'the initrd is empty', { hint: 'Check how it was built.' });
  }
  const limit = below === undefined ? {} : { below };
  return layout.putHigh('initrd', initrd, { ...limit, code: 'INITRD_TOO_LARGE' });
}

/** Where things went; an address is 0 where there is none. */
interface Places {
  readonly commandLine: number;
  readonly seed: number;
  readonly initrd: number;
}

/** Zeroes (a non-zero sentinel would make the kernel distrust it), the header, our own fields. */
function fill(bytes: Uint8Array, options: BootParamsOptions, ramBytes: number, at: Places) {
  const page = new DataView(bytes.buffer);
  fillScreenInfo(page);
  bytes.set(options.header, HEADER_START);
  page.setUint8(HDR.type_of_loader, LOADER_UNDEFINED);
  page.setUint8(HDR.loadflags, page.getUint8(HDR.loadflags) | LOADED_HIGH);
  page.setUint32(HDR.code32_start, options.load, true);
  page.setUint32(HDR.ramdisk_image, at.initrd, true);
  page.setUint32(HDR.ramdisk_size, options.initrd?.length ?? 0, true);
  page.setUint32(HDR.cmd_line_ptr, at.commandLine, true);
  setU64(page, HDR.setup_data, at.seed);
  setU64(page, BOOT_PARAMS.acpi_rsdp_addr, options.rsdp ?? 0);
  const map = e820Map(ramBytes);
  page.setUint8(BOOT_PARAMS.e820_entries, map.length);
  fillMemoryMap(page, BOOT_PARAMS.e820_table, map, E820_ENTRY_BYTES);
}

/** The screen, so that the kernel's VGA console takes it. */
function fillScreenInfo(page: DataView): void {
  const at = (field: keyof typeof SCREEN_INFO) => BOOT_PARAMS.screen_info + SCREEN_INFO[field];
  page.setUint8(at('orig_video_mode'), TEXT_MODE.mode);
  page.setUint8(at('orig_video_cols'), TEXT_MODE.columns);
  page.setUint16(at('orig_video_ega_bx'), EGA_BX_COLOUR_256K, true);
  page.setUint8(at('orig_video_lines'), TEXT_MODE.lines);
  page.setUint8(at('orig_video_isVGA'), VIDEO_TYPE_VGAC);
  page.setUint16(at('orig_video_points'), TEXT_MODE.points, true);
}
