/**
 * The setup header of a Linux bzImage, read and checked. Everything in it is hostile input.
 * Source: Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
 */
import { VmError } from '../errors.js';
import { hex } from './place.js';

/** Offsets of the header's fields, in the image's first sectors and in boot_params alike (names as in boot.rst). */
export const HDR = {
  setup_sects: 0x1f1,
  syssize: 0x1f4,
  boot_flag: 0x1fe,
  jump: 0x200,
  header: 0x202,
  version: 0x206,
  kernel_version: 0x20e,
  type_of_loader: 0x210,
  loadflags: 0x211,
  code32_start: 0x214,
  ramdisk_image: 0x218,
  ramdisk_size: 0x21c,
  cmd_line_ptr: 0x228,
  initrd_addr_max: 0x22c,
  kernel_alignment: 0x230,
  relocatable_kernel: 0x234,
  xloadflags: 0x236,
  cmdline_size: 0x238,
  payload_offset: 0x248,
  payload_length: 0x24c,
  setup_data: 0x250,
  pref_address: 0x258,
  init_size: 0x260,
} as const;

/** Where the header begins, and the furthest it may reach in boot_params before other fields follow. */
export const HEADER_START = HDR.setup_sects;
export const HEADER_LIMIT = 0x290;
/** `init_size` is the last field that is needed, and of protocol 2.10; a header that ends before its end is not one. */
const HEADER_END_2_10 = 0x264;

const BOOT_FLAG = 0xaa55;
/** "HdrS", little-endian. */
const HEADER_MAGIC = 0x53726448;
/** Brought pref_address and init_size, without which nobody knows where the kernel may be unpacked. */
const OLDEST_PROTOCOL = 0x020a;
/** Brought xloadflags. */
const PROTOCOL_WITH_XLOADFLAGS = 0x020c;
const XLF_KERNEL_64 = 1 << 0;
const SECTOR = 512;
/** The unit of syssize. */
const PARAGRAPH = 16;
/** The boot sector and one sector of setup: no header reaches beyond. */
const SMALLEST_SETUP = 2 * SECTOR;
/** The 64-bit entry point lies here in the protected-mode part. */
export const ENTRY_64 = 0x200;

export interface LinuxHeader {
  /** Boot protocol: major in the upper byte, minor in the lower. */
  readonly protocol: number;
  /** Whether it may be entered in long mode, at ENTRY_64; its 32-bit entry is where it is loaded. */
  readonly has64BitEntry: boolean;
  /** The kernel's version text, or '' where the header names none. */
  readonly version: string;
  /** Where the header ends in the image: it is copied from HEADER_START to here. */
  readonly headerEnd: number;
  /** The protected-mode part: where it begins in the image, and how long it is, in bytes. */
  readonly kernelOffset: number;
  readonly kernelBytes: number;
  /** The compressed kernel within the protected-mode part; length 0 where there is none. */
  readonly payloadOffset: number;
  readonly payloadBytes: number;
  readonly relocatable: boolean;
  /** The alignment a relocatable kernel needs: a power of two. */
  readonly alignment: number;
  /** Where the kernel wants to be; 0 where it has no wish. */
  readonly preferredAddress: number;
  /** Memory the kernel needs from its start before it looks at the memory map, in bytes. */
  readonly initBytes: number;
  /** The highest address that a byte of the initrd may have. */
  readonly initrdMax: number;
  /** The longest command line, without its terminating zero, in bytes. */
  readonly commandLineMax: number;
}

/** Whether `image` says that it is a Linux kernel with a setup header. */
export function hasLinuxHeader(image: Uint8Array): boolean {
  return image.length >= HDR.header + 4 && view(image).getUint32(HDR.header, true) === HEADER_MAGIC;
}

/**
 * Reads and checks the header.
 * @throws VmError IMAGE_INVALID (damaged or truncated), IMAGE_UNSUPPORTED (too old)
 */
export function readLinuxHeader(image: Uint8Array): LinuxHeader {
  if (!hasLinuxHeader(image)) {
    throw invalid(`no "HdrS" at ${hex(HDR.header)} (the file has ${image.length} bytes)`);
  }
  if (image.length < SMALLEST_SETUP) throw truncated(image, SMALLEST_SETUP, 'its setup code');
  const fields = view(image);
  const u32 = (offset: number) => fields.getUint32(offset, true);
  const bootFlag = fields.getUint16(HDR.boot_flag, true);
  if (bootFlag !== BOOT_FLAG) throw invalid(`${hex(bootFlag)} in place of 0xaa55 at ${hex(HDR.boot_flag)}`);
  const protocol = checkProtocol(fields);
  const headerEnd = HDR.header + fields.getUint8(HDR.jump + 1);
  if (headerEnd < HEADER_END_2_10 || headerEnd > HEADER_LIMIT) {
    throw invalid(`its header ends at ${hex(headerEnd)}, not between ${hex(HEADER_END_2_10)} and ${hex(HEADER_LIMIT)}`);
  }
  return {
    protocol,
    has64BitEntry: has64BitEntry(protocol, fields),
    headerEnd,
    ...readParts(image, fields),
    ...readPlacement(fields),
    initrdMax: u32(HDR.initrd_addr_max),
    commandLineMax: u32(HDR.cmdline_size),
  };
}

/** "2.15" for 0x20f. */
export const protocolText = (protocol: number): string => `${protocol >> 8}.${protocol & 0xff}`;

function checkProtocol(fields: DataView): number {
  const protocol = fields.getUint16(HDR.version, true);
  if (protocol < OLDEST_PROTOCOL) {
    throw new VmError(
      'IMAGE_UNSUPPORTED',
      `this Linux kernel is too old: boot protocol ${protocolText(protocol)}, and 2.10 (Linux 2.6.31) is needed`,
      { hint: 'Use a newer kernel.' },
    );
  }
  return protocol;
}

function has64BitEntry(protocol: number, fields: DataView): boolean {
  return protocol >= PROTOCOL_WITH_XLOADFLAGS && (fields.getUint16(HDR.xloadflags, true) & XLF_KERNEL_64) !== 0;
}

function readParts(image: Uint8Array, fields: DataView) {
  // boot.rst: for backwards compatibility, 0 here means 4.
  const setupSectors = fields.getUint8(HDR.setup_sects) || 4;
  const kernelOffset = (setupSectors + 1) * SECTOR;
  if (image.length < kernelOffset) throw truncated(image, kernelOffset, `its ${setupSectors} sectors of setup code`);
  const paragraphs = fields.getUint32(HDR.syssize, true) * PARAGRAPH;
  if (paragraphs <= ENTRY_64) throw invalid(`its kernel has ${paragraphs} bytes, too few for an entry at 0x200`);
  // The size is rounded up, and the file need not be: memtest86+ ends within its last paragraph.
  const kernelBytes = Math.min(paragraphs, image.length - kernelOffset);
  if (kernelBytes <= paragraphs - PARAGRAPH) throw truncated(image, kernelOffset + paragraphs, 'its kernel');
  const payloadOffset = fields.getUint32(HDR.payload_offset, true);
  const payloadBytes = fields.getUint32(HDR.payload_length, true);
  if (payloadOffset + payloadBytes > kernelBytes) {
    throw invalid(
      `its payload (${payloadBytes} bytes at ${hex(payloadOffset)}) reaches beyond its kernel of ${kernelBytes} bytes`,
    );
  }
  const version = readVersion(image.subarray(0, kernelOffset), fields.getUint16(HDR.kernel_version, true));
  return { kernelOffset, kernelBytes, payloadOffset, payloadBytes, version };
}

function readPlacement(fields: DataView) {
  const relocatable = fields.getUint8(HDR.relocatable_kernel) !== 0;
  const alignment = fields.getUint32(HDR.kernel_alignment, true);
  if (relocatable && (alignment === 0 || (alignment & (alignment - 1)) !== 0)) {
    throw invalid(`its kernel_alignment ${hex(alignment)} is no power of two`);
  }
  const initBytes = fields.getUint32(HDR.init_size, true);
  if (initBytes === 0) throw invalid('its init_size is 0');
  const preferredAddress =
    fields.getUint32(HDR.pref_address + 4, true) * 2 ** 32 + fields.getUint32(HDR.pref_address, true);
  return { relocatable, alignment, initBytes, preferredAddress };
}

/** The version text; its offset counts from 0x200. Only printable ASCII is taken: it ends up on terminals. */
function readVersion(setup: Uint8Array, offset: number): string {
  if (offset === 0) return '';
  const text = setup.subarray(offset + 0x200, offset + 0x200 + 256);
  const end = text.findIndex((byte) => byte < 0x20 || byte > 0x7e);
  return Buffer.from(end < 0 ? text : text.subarray(0, end)).toString('latin1');
}

function view(image: Uint8Array): DataView {
  return new DataView(image.buffer, image.byteOffset, image.byteLength);
}

function truncated(image: Uint8Array, needed: number, what: string): VmError {
  return invalid(`it is truncated: ${what} ends at byte ${needed}, the file has ${image.length}`);
}

function invalid(fault: string): VmError {
  return new VmError('IMAGE_INVALID', `this Linux kernel is damaged: ${fault}`, {
    hint: 'Fetch or build the bzImage again.',
  });
}
