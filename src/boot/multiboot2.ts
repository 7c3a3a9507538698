/**
 * Multiboot 2. Source: Multiboot2 Specification 2.0 (GNU GRUB), sections 3.5 (i386 machine state) and 3.6 (boot
 * information). Left out: ELF symbols, BIOS boot device, VBE, APM, EFI, SMBIOS, network.
 */
import { VmError } from '../errors.js';
import { e820Map } from '../memory/map.js';
import { RSDP_V1_BYTES } from './acpi/tables.js';
import { memoryOf } from './check-plan.js';
import { checkEntryWithin, elfSegments, entryAddress } from './elf.js';
import { isElf, readElf, viewOf } from './elf-file.js';
import { flatEntry } from './flat-entry.js';
import { Layout } from './layout.js';
import { memoryMapTable, setU64 } from './memory-map.js';
import {
  addressedSegment,
  invalid,
  KERNEL_NAME,
  LOADER_NAME,
  type MultibootOptions,
  memorySizes,
  namedLine,
  type PlacedModule,
  putModules,
  TEXT_MAX,
  TEXT_SCREEN,
} from './multiboot-image.js';
import { INFO_TAG, type Multiboot2Header, type Relocation, readMultiboot2Header } from './multiboot2-header.js';
import { alignDown, alignUp, hex, lowRamEnd } from './place.js';
import type { BootPlan, Segment } from './plan.js';
import { zeroTerminated } from './text.js';

const MULTIBOOT2_BOOTLOADER_MAGIC = 0x36d76289;
const TAG_ALIGN = 8;
const MMAP_ENTRY_BYTES = 24;

/**
 * Plans the boot of a multiboot 2 image. The plan's segments refer to `image`, `initrd` and the modules.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_EMPTY, INITRD_TOO_LARGE, MODULE_TOO_LARGE,
 * COMMAND_LINE_TOO_LONG, OPTION_INVALID, MEMORY_INVALID
 */
export function planMultiboot2(image: Uint8Array, options: MultibootOptions): BootPlan {
  const layout = new Layout(options.ramBytes, options.firmware !== undefined);
  const header = readMultiboot2Header(image, options);
  const { segments, entry } = wanted(image, header);
  const displacement = header.relocation ? displace(layout, segments, header.relocation) : 0;
  for (const segment of segments) layout.fix({ ...segment, address: segment.address + displacement });
  const rip = checkEntryWithin(layout, entry + displacement);
  const tables = flatEntry(layout, 'protected');
  const loadBase =
    header.relocation && Math.min(...layout.segments.slice(0, segments.length).map(({ address }) => address));
  const info = putInfo(layout, options, loadBase);
  return {
    form: 'multiboot2',
    isLinux: false,
    segments: layout.segments,
    entry: { ...tables, rip, registers: { rax: MULTIBOOT2_BOOTLOADER_MAGIC, rbx: info } },
    description: `a multiboot 2 kernel, placed by ${header.addresses ? 'its address tag' : 'its ELF headers'}`,
  };
}

/** The segments and the entry where the image is linked. */
function wanted(image: Uint8Array, header: Multiboot2Header): { segments: Segment[]; entry: number } {
  const { addresses, entry, offset } = header;
  if (addresses) {
    // load_addr 0xffffffff: from the image's beginning.
    const loadAddress = addresses.loadAddress === 0xffffffff ? addresses.headerAddress - offset : addresses.loadAddress;
    return { segments: [addressedSegment(image, offset, { ...addresses, loadAddress })], entry: entry ?? 0 };
  }
  if (!isElf(image)) throw invalid('it is no ELF file, and its header has no address tag');
  const elf = readElf(image);
  return { segments: elfSegments(elf), entry: entry ?? entryAddress(elf) };
}

/** How far the image is moved: not at all where it may be where it is linked. @throws VmError IMAGE_TOO_LARGE */
function displace(layout: Layout, segments: readonly Segment[], relocation: Relocation): number {
  const start = Math.min(...segments.map(({ address }) => address));
  const size = Math.max(...segments.map((segment) => segment.address + memoryOf(segment))) - start;
  const { min, max, alignment, preference } = relocation;
  const last = Math.min(max + 1, lowRamEnd(layout.ramBytes)) - size;
  if (start >= min && start <= last && start % alignment === 0 && layout.isFree(start, size)) return 0;
  // Nothing else has been put yet: the largest areas are those below 0x9fc00 and above 1 MiB.
  const lowest = [Math.max(min, 0x1000), Math.max(min, 0x100000)].map((at) => alignUp(at, alignment));
  const candidates = preference === 2 ? [alignDown(Math.max(last, 0), alignment), ...lowest] : lowest;
  const found = candidates.find((at) => at >= min && at <= last && layout.isFree(at, size));
  if (found !== undefined) return found - start;
  throw new VmError(
    'IMAGE_TOO_LARGE',
    `this multiboot image needs ${size} bytes between ${hex(min)} and ${hex(max)}, and there is no RAM for them`,
    { hint: 'Give the machine more memory.' },
  );
}

function putInfo(layout: Layout, options: MultibootOptions, loadBase: number | undefined): number {
  const modules = putModules(layout, options);
  const tags = infoTags(layout.ramBytes, options, modules, loadBase);
  const total = 8 + tags.reduce((sum, { length }) => sum + alignUp(length, TAG_ALIGN), 0);
  const info = new Uint8Array(total);
  viewOf(info).setUint32(0, total, true);
  let at = 8;
  for (const bytes of tags) {
    info.set(bytes, at);
    at += alignUp(bytes.length, TAG_ALIGN);
  }
  return layout.putLow('multiboot information', info);
}

function infoTags(
  ramBytes: number,
  { commandLine, rsdpBytes, textScreen = false }: MultibootOptions,
  modules: readonly PlacedModule[],
  loadBase: number | undefined,
): Uint8Array[] {
  const { lower, upper } = memorySizes(ramBytes);
  const tags = [
    tag(INFO_TAG.CMDLINE, text('command line', namedLine(KERNEL_NAME, commandLine))),
    tag(INFO_TAG.BOOT_LOADER_NAME, text('boot loader name', LOADER_NAME)),
    ...modules.map(({ start, end, commandLine: line }) =>
      tag(INFO_TAG.MODULE, words(start, end), text('module command line', line)),
    ),
    tag(INFO_TAG.BASIC_MEMINFO, words(lower, upper)),
    tag(INFO_TAG.MMAP, words(MMAP_ENTRY_BYTES, 0), memoryMapTable(e820Map(ramBytes), MMAP_ENTRY_BYTES)),
  ];
  if (textScreen) tags.push(tag(INFO_TAG.FRAMEBUFFER, screen()));
  if (rsdpBytes) {
    tags.push(tag(INFO_TAG.ACPI_OLD, rsdpBytes.subarray(0, RSDP_V1_BYTES)), tag(INFO_TAG.ACPI_NEW, rsdpBytes));
  }
  if (loadBase !== undefined) tags.push(tag(INFO_TAG.LOAD_BASE_ADDR, words(loadBase)));
  return [...tags, tag(INFO_TAG.END)];
}

/** type, size (with these 8 bytes, without what aligns the next tag), then what it says. */
function tag(type: number, ...parts: Uint8Array[]): Uint8Array {
  const size = 8 + parts.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([words(type, size), ...parts]);
}

function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [i, value] of values.entries()) view.setUint32(i * 4, value, true);
  return new Uint8Array(view.buffer);
}

const text = (what: string, value: string): Uint8Array => zeroTerminated(value, what, TEXT_MAX);

/** The framebuffer tag without its type and size: address, pitch, width, height, depth, type, reserved. */
function screen(): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  setU64(view, 0, TEXT_SCREEN.address);
  view.setUint32(8, TEXT_SCREEN.pitch, true);
  view.setUint32(12, TEXT_SCREEN.width, true);
  view.setUint32(16, TEXT_SCREEN.height, true);
  view.setUint8(20, TEXT_SCREEN.bitsPerCell);
  view.setUint8(21, TEXT_SCREEN.type);
  return new Uint8Array(view.buffer);
}
