/**
 * Multiboot 1. Source: Multiboot Specification 0.6.96 (GNU GRUB), sections 3.1 (header), 3.2 (machine state) and
 * 3.3 (boot information). Left out: symbol tables, drives, BIOS tables, APM, VBE, the boot device.
 */
import { e820Map } from '../memory/map.js';
import { checkEntryWithin, entryAddress, fixElf } from './elf.js';
import { isElf, readElf, viewOf } from './elf-file.js';
import { flatEntry } from './flat-entry.js';
import { Layout } from './layout.js';
import { E820_ENTRY_BYTES, fillMemoryMap, setU64 } from './memory-map.js';
import {
  addressedSegment,
  findHeader,
  invalid,
  KERNEL_NAME,
  LOADER_NAME,
  type MultibootOptions,
  memorySizes,
  namedLine,
  putModules,
  TEXT_MAX,
  TEXT_SCREEN,
  unsupported,
} from './multiboot-image.js';
import { hex } from './place.js';
import type { BootPlan } from './plan.js';
import { zeroTerminated } from './text.js';

const MULTIBOOT_HEADER_MAGIC = 0x1badb002;
/** The header is in the first 8192 bytes, 4-aligned (3.1). */
const MULTIBOOT_SEARCH = 8192;
const MULTIBOOT_HEADER_ALIGN = 4;
const MULTIBOOT_BOOTLOADER_MAGIC = 0x2badb002;

// Header flags (3.1.2). Bits 0 to 15 are requirements. Modules are aligned to pages and memory is told in any case.
const MULTIBOOT_PAGE_ALIGN = 1 << 0;
const MULTIBOOT_MEMORY_INFO = 1 << 1;
const MULTIBOOT_VIDEO_MODE = 1 << 2;
const KNOWN_REQUIREMENTS = MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO | MULTIBOOT_VIDEO_MODE;
const REQUIREMENTS = 0xffff;
const MULTIBOOT_AOUT_KLUDGE = 1 << 16;

/** Offsets in the header. */
const HEADER = {
  flags: 4,
  checksum: 8,
  header_addr: 12,
  load_addr: 16,
  load_end_addr: 20,
  bss_end_addr: 24,
  entry_addr: 28,
};
const ADDRESSES_END = 32;

/** Offsets in the boot information (3.3). */
const INFO = {
  flags: 0,
  mem_lower: 4,
  mem_upper: 8,
  cmdline: 16,
  mods_count: 20,
  mods_addr: 24,
  mmap_length: 44,
  mmap_addr: 48,
  boot_loader_name: 64,
  framebuffer_addr: 88,
  framebuffer_pitch: 96,
  framebuffer_width: 100,
  framebuffer_height: 104,
  framebuffer_bpp: 108,
  framebuffer_type: 109,
} as const;
const INFO_BYTES = 116;
const INFO_MEMORY = 1 << 0;
const INFO_CMDLINE = 1 << 2;
const INFO_MODS = 1 << 3;
const INFO_MEM_MAP = 1 << 6;
const INFO_BOOT_LOADER_NAME = 1 << 9;
const INFO_FRAMEBUFFER_INFO = 1 << 12;
/** mod_start, mod_end, string, reserved. */
const MODULE_BYTES = 16;
/** The size of what follows, then an entry of e820. */
const MMAP_ENTRY_BYTES = 4 + E820_ENTRY_BYTES;

const isHeader = (view: DataView, at: number): boolean =>
  view.getUint32(at, true) === MULTIBOOT_HEADER_MAGIC &&
  (MULTIBOOT_HEADER_MAGIC + view.getUint32(at + HEADER.flags, true) + view.getUint32(at + HEADER.checksum, true)) %
    2 ** 32 ===
    0;

const headerOffset = (image: Uint8Array): number =>
  findHeader(image, MULTIBOOT_SEARCH, MULTIBOOT_HEADER_ALIGN, isHeader);

export const hasMultibootHeader = (image: Uint8Array): boolean => headerOffset(image) >= 0;

/**
 * Plans the boot of a multiboot image. The plan's segments refer to `image`, `initrd` and the modules.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_EMPTY, INITRD_TOO_LARGE, MODULE_TOO_LARGE,
 * COMMAND_LINE_TOO_LONG, OPTION_INVALID, MEMORY_INVALID
 */
export function planMultiboot(image: Uint8Array, options: MultibootOptions): BootPlan {
  const layout = new Layout(options.ramBytes, options.firmware !== undefined);
  const at = headerOffset(image);
  if (at < 0) throw invalid('no header in its first 8192 bytes');
  const flags = viewOf(image).getUint32(at + HEADER.flags, true);
  checkRequirements(flags, options);
  const rip = (flags & MULTIBOOT_AOUT_KLUDGE) === 0 ? fixElfImage(layout, image) : fixAddressed(layout, image, at);
  const tables = flatEntry(layout, 'protected');
  const info = putInfo(layout, options);
  return {
    form: 'multiboot',
    isLinux: false,
    segments: layout.segments,
    entry: { ...tables, rip, registers: { rax: MULTIBOOT_BOOTLOADER_MAGIC, rbx: info } },
    description: `a multiboot kernel, placed by ${(flags & MULTIBOOT_AOUT_KLUDGE) === 0 ? 'its ELF headers' : 'its address fields'}`,
  };
}

function checkRequirements(flags: number, { textScreen = false }: MultibootOptions): void {
  const unknown = flags & REQUIREMENTS & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0) throw unsupported(`requires features that multiboot 1 does not have (flags ${hex(unknown)})`);
  if ((flags & MULTIBOOT_VIDEO_MODE) !== 0 && !textScreen) {
    throw unsupported('requires a video mode (flag 2), and this machine has no screen');
  }
}

function fixElfImage(layout: Layout, image: Uint8Array): number {
  if (!isElf(image)) throw invalid('it is no ELF file, and its header has no address fields (flag 16)');
  const elf = readElf(image);
  fixElf(layout, elf);
  return entryAddress(elf);
}

function fixAddressed(layout: Layout, image: Uint8Array, at: number): number {
  if (at + ADDRESSES_END > image.length) throw invalid('its header is cut off within the address fields');
  const field = (name: keyof typeof HEADER) => viewOf(image).getUint32(at + HEADER[name], true);
  const segment = addressedSegment(image, at, {
    headerAddress: field('header_addr'),
    loadAddress: field('load_addr'),
    loadEnd: field('load_end_addr'),
    bssEnd: field('bss_end_addr'),
  });
  layout.fix(segment);
  return checkEntryWithin(layout, field('entry_addr'));
}

function putInfo(layout: Layout, options: MultibootOptions): number {
  const bytes = new Uint8Array(INFO_BYTES);
  const address = layout.putLow('multiboot information', bytes);
  const info = viewOf(bytes);
  const put = (offset: number, value: number) => info.setUint32(offset, value, true);
  const text = (what: string, value: string) => layout.putLow(what, zeroTerminated(value, what, TEXT_MAX));
  const { lower, upper } = memorySizes(layout.ramBytes);
  put(INFO.mem_lower, lower);
  put(INFO.mem_upper, upper);
  put(INFO.cmdline, text('command line', namedLine(KERNEL_NAME, options.commandLine)));
  put(INFO.boot_loader_name, text('boot loader name', LOADER_NAME));
  const map = memoryMap(layout.ramBytes);
  put(INFO.mmap_length, map.length);
  put(INFO.mmap_addr, layout.putLow('memory map', map));
  const modules = putModules(layout, options);
  const list = new DataView(new ArrayBuffer(modules.length * MODULE_BYTES));
  for (const [i, { start, end, commandLine }] of modules.entries()) {
    list.setUint32(i * MODULE_BYTES, start, true);
    list.setUint32(i * MODULE_BYTES + 4, end, true);
    list.setUint32(i * MODULE_BYTES + 8, text('module command line', commandLine), true);
  }
  let flags = INFO_MEMORY | INFO_CMDLINE | INFO_MEM_MAP | INFO_BOOT_LOADER_NAME;
  if (modules.length > 0) {
    flags |= INFO_MODS;
    put(INFO.mods_count, modules.length);
    put(INFO.mods_addr, layout.putLow('module list', new Uint8Array(list.buffer)));
  }
  if (options.textScreen === true) {
    flags |= INFO_FRAMEBUFFER_INFO;
    fillTextScreen(info);
  }
  put(INFO.flags, flags);
  return address;
}

function fillTextScreen(info: DataView): void {
  setU64(info, INFO.framebuffer_addr, TEXT_SCREEN.address);
  info.setUint32(INFO.framebuffer_pitch, TEXT_SCREEN.pitch, true);
  info.setUint32(INFO.framebuffer_width, TEXT_SCREEN.width, true);
  info.setUint32(INFO.framebuffer_height, TEXT_SCREEN.height, true);
  info.setUint8(INFO.framebuffer_bpp, TEXT_SCREEN.bitsPerCell);
  info.setUint8(INFO.framebuffer_type, TEXT_SCREEN.type);
}

function memoryMap(ramBytes: number): Uint8Array {
  const map = e820Map(ramBytes);
  const table = new Uint8Array(map.length * MMAP_ENTRY_BYTES);
  const view = viewOf(table);
  for (const i of map.keys()) view.setUint32(i * MMAP_ENTRY_BYTES, E820_ENTRY_BYTES, true);
  fillMemoryMap(view, MMAP_ENTRY_BYTES - E820_ENTRY_BYTES, map, MMAP_ENTRY_BYTES);
  return table;
}
