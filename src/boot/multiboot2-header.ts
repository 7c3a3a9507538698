/**
 * The header of a multiboot 2 image, read and checked: what it asks for, and which of its requests are refused.
 * Source: Multiboot2 Specification 2.0 (GNU GRUB), section 3.1. Left out: EFI (its tags are for EFI machines only).
 */
import type { VmError } from '../errors.js';
import { viewOf } from './elf-file.js';
import { type AddressFields, findHeader, invalid, type MultibootOptions, unsupported } from './multiboot-image.js';
import { hex } from './place.js';

const MULTIBOOT2_HEADER_MAGIC = 0xe85250d6;
/** The header is in the first 32768 bytes, 8-aligned (3.1). */
const MULTIBOOT_SEARCH = 32768;
const MULTIBOOT_HEADER_ALIGN = 8;
const MULTIBOOT_ARCHITECTURE_I386 = 0;
/** magic, architecture, header_length, checksum. */
const HEADER_BYTES = 16;
const TAG_ALIGN = 8;
const TAG_HEADER_BYTES = 8;
const MULTIBOOT_HEADER_TAG_OPTIONAL = 1 << 0;

/** Header tags (3.1.4 to 3.1.13). */
const HEADER_TAG = {
  END: 0,
  INFORMATION_REQUEST: 1,
  ADDRESS: 2,
  ENTRY_ADDRESS: 3,
  CONSOLE_FLAGS: 4,
  FRAMEBUFFER: 5,
  MODULE_ALIGN: 6,
  EFI_BS: 7,
  ENTRY_ADDRESS_EFI32: 8,
  ENTRY_ADDRESS_EFI64: 9,
  RELOCATABLE: 10,
} as const;

/** Boot information tags (3.6), as requests name them. */
export const INFO_TAG = {
  END: 0,
  CMDLINE: 1,
  BOOT_LOADER_NAME: 2,
  MODULE: 3,
  BASIC_MEMINFO: 4,
  MMAP: 6,
  FRAMEBUFFER: 8,
  ACPI_OLD: 14,
  ACPI_NEW: 15,
  LOAD_BASE_ADDR: 21,
} as const;

const MULTIBOOT_CONSOLE_FLAGS_CONSOLE_REQUIRED = 1 << 0;
const MULTIBOOT_CONSOLE_FLAGS_EGA_TEXT_SUPPORTED = 1 << 1;

/** Where a relocatable image may go. */
export interface Relocation {
  readonly min: number;
  /** The highest address that a byte of it may have. */
  readonly max: number;
  readonly alignment: number;
  /** 2: as high as possible. Else as low as possible. */
  readonly preference: number;
}

export interface Multiboot2Header {
  /** Where it is in the image. */
  readonly offset: number;
  readonly addresses: AddressFields | undefined;
  readonly entry: number | undefined;
  readonly relocation: Relocation | undefined;
}

const u32 = (view: DataView, at: number): number => view.getUint32(at, true);

function isHeader(view: DataView, at: number): boolean {
  if (u32(view, at) !== MULTIBOOT2_HEADER_MAGIC || at + HEADER_BYTES > view.byteLength) return false;
  return (u32(view, at) + u32(view, at + 4) + u32(view, at + 8) + u32(view, at + 12)) % 2 ** 32 === 0;
}

const headerOffset = (image: Uint8Array): number =>
  findHeader(image, MULTIBOOT_SEARCH, MULTIBOOT_HEADER_ALIGN, isHeader);

export const hasMultiboot2Header = (image: Uint8Array): boolean => headerOffset(image) >= 0;

interface Tag {
  readonly type: number;
  readonly isRequired: boolean;
  /** What follows type, flags and size. */
  readonly body: DataView;
}

/**
 * Reads the header. A request that cannot be met is refused where it is required, and ignored where it is optional.
 * @throws VmError IMAGE_INVALID (damaged or truncated), IMAGE_UNSUPPORTED (a required request)
 */
export function readMultiboot2Header(image: Uint8Array, options: MultibootOptions): Multiboot2Header {
  const offset = headerOffset(image);
  if (offset < 0) throw invalid('no header in its first 32768 bytes');
  let addresses: AddressFields | undefined;
  let entry: number | undefined;
  let relocation: Relocation | undefined;
  for (const tag of readTags(image, offset)) {
    if (tag.type === HEADER_TAG.ADDRESS) addresses = readAddresses(tag);
    else if (tag.type === HEADER_TAG.ENTRY_ADDRESS) entry = field(tag, 0, 'entry address');
    else if (tag.type === HEADER_TAG.RELOCATABLE) relocation = readRelocation(tag);
    else if (tag.isRequired) checkRequest(tag, options);
  }
  if (addresses && entry === undefined) throw invalid('its header has an address tag and no entry address tag');
  return { offset, addresses, entry, relocation };
}

function readTags(image: Uint8Array, offset: number): Tag[] {
  const view = viewOf(image);
  const architecture = u32(view, offset + 4);
  if (architecture !== MULTIBOOT_ARCHITECTURE_I386)
    throw unsupported(`is for architecture ${architecture}, not for x86 (0)`);
  const end = offset + u32(view, offset + 8);
  if (end > image.length)
    throw invalid(`it is truncated: its header ends at byte ${end}, the file has ${image.length}`);
  const tags: Tag[] = [];
  for (let at = offset + HEADER_BYTES; at + TAG_HEADER_BYTES <= end; ) {
    const type = view.getUint16(at, true);
    const size = u32(view, at + 4);
    if (type === HEADER_TAG.END) return tags;
    if (size < TAG_HEADER_BYTES || at + size > end)
      throw invalid(`the tag at ${hex(at)} of its header has ${size} bytes`);
    const body = new DataView(image.buffer, image.byteOffset + at + TAG_HEADER_BYTES, size - TAG_HEADER_BYTES);
    tags.push({ type, isRequired: (view.getUint16(at + 2, true) & MULTIBOOT_HEADER_TAG_OPTIONAL) === 0, body });
    at += Math.ceil(size / TAG_ALIGN) * TAG_ALIGN;
  }
  throw invalid('its header has no end tag');
}

function field({ body }: Tag, index: number, what: string): number {
  if (body.byteLength < (index + 1) * 4) throw invalid(`the ${what} tag of its header is too short`);
  return u32(body, index * 4);
}

function readAddresses(tag: Tag): AddressFields {
  const [headerAddress, loadAddress, loadEnd, bssEnd] = [0, 1, 2, 3].map((i) => field(tag, i, 'address')) as [
    number,
    number,
    number,
    number,
  ];
  return { headerAddress, loadAddress, loadEnd, bssEnd };
}

function readRelocation(tag: Tag): Relocation {
  const [min, max, alignment, preference] = [0, 1, 2, 3].map((i) => field(tag, i, 'relocatable')) as [
    number,
    number,
    number,
    number,
  ];
  if (alignment === 0 || (alignment & (alignment - 1)) !== 0) {
    throw invalid(`the alignment ${hex(alignment)} of its relocatable tag is no power of two`);
  }
  return { min, max, alignment, preference };
}

function checkRequest(tag: Tag, options: MultibootOptions): void {
  switch (tag.type) {
    case HEADER_TAG.INFORMATION_REQUEST:
      return checkInformation(tag, options);
    case HEADER_TAG.CONSOLE_FLAGS:
      return checkConsole(tag, options);
    case HEADER_TAG.FRAMEBUFFER:
      return checkFramebuffer(tag, options);
    case HEADER_TAG.MODULE_ALIGN:
    case HEADER_TAG.EFI_BS:
    case HEADER_TAG.ENTRY_ADDRESS_EFI32:
    case HEADER_TAG.ENTRY_ADDRESS_EFI64:
      return;
    default:
      throw unsupported(`requires a feature that multiboot 2 does not have here (header tag ${tag.type})`);
  }
}

function checkInformation({ body }: Tag, { rsdpBytes, textScreen = false }: MultibootOptions): void {
  const given: number[] = Object.values(INFO_TAG);
  for (let at = 0; at + 4 <= body.byteLength; at += 4) {
    const type = u32(body, at);
    const isAcpi = type === INFO_TAG.ACPI_OLD || type === INFO_TAG.ACPI_NEW;
    const isAbsent = (isAcpi && rsdpBytes === undefined) || (type === INFO_TAG.FRAMEBUFFER && !textScreen);
    if (isAbsent || !given.includes(type)) {
      throw unsupported(`requires information that this machine does not give (tag ${type})`);
    }
  }
}

function checkConsole(tag: Tag, { textScreen = false }: MultibootOptions): void {
  const flags = field(tag, 0, 'console flags');
  if ((flags & MULTIBOOT_CONSOLE_FLAGS_CONSOLE_REQUIRED) === 0) return;
  if (textScreen && (flags & MULTIBOOT_CONSOLE_FLAGS_EGA_TEXT_SUPPORTED) !== 0) return;
  throw noScreen('requires a console that it supports', textScreen);
}

/** Width and height are wishes; a depth of 0 asks for text, anything else for pixels. */
function checkFramebuffer(tag: Tag, { textScreen = false }: MultibootOptions): void {
  const depth = field(tag, 2, 'framebuffer');
  if (textScreen && depth === 0) return;
  throw noScreen(`requires ${depth === 0 ? 'a text screen' : `a framebuffer of ${depth} bits a pixel`}`, textScreen);
}

function noScreen(what: string, textScreen: boolean): VmError {
  return unsupported(`${what}, and this machine has ${textScreen ? 'text only' : 'no screen'}`);
}
