/** What multiboot 1 and 2 have in common: where the image goes, modules after it, and the memory they tell of. */
import { VmError } from '../errors.js';
import { LOW_RAM_END, MIB } from '../memory/map.js';
import { viewOf } from './elf-file.js';
import type { Layout } from './layout.js';
import { type BootModule, checkModule } from './modules.js';
import { hex, lowRamEnd, PAGE_BYTES } from './place.js';
import type { Segment } from './plan.js';

export const LOADER_NAME = 'vmlaunch';

/**
 * A command line as the kernel gets it: a name first, as from GRUB 0.97, SYSLINUX and QEMU. GRUB 2 leaves the name
 * out, and kernels that mind (Xen) tell it by the boot loader's name. Loaders know no file names: the kernel's is this.
 */
export const namedLine = (name: string, commandLine: string): string => `${name} ${commandLine}`.trimEnd();
export const KERNEL_NAME = 'kernel';
export const TEXT_MAX = 0xffff;

export interface MultibootOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  readonly commandLine: string;
  /** The first module. */
  readonly initrd?: Uint8Array | undefined;
  readonly modules?: readonly BootModule[] | undefined;
  /** The ACPI RSDP itself: multiboot 2 hands over a copy. */
  readonly rsdpBytes?: Uint8Array | undefined;
  /** Whether there is a screen: VGA text of 80 columns and 25 lines at 0xb8000. */
  readonly textScreen?: boolean | undefined;
  /** What runs before the kernel, where something does. */
  readonly firmware?: Uint8Array | undefined;
}

/** The address fields of a header, in both versions the same. */
export interface AddressFields {
  readonly headerAddress: number;
  /** 0xffffffff in multiboot 2: the image's first byte, wherever the header is. */
  readonly loadAddress: number;
  /** 0: to the end of the file. */
  readonly loadEnd: number;
  /** 0: nothing is to be zeroed. */
  readonly bssEnd: number;
}

/**
 * The segment that the address fields ask for.
 * @param headerOffset where the header is in the image
 * @throws VmError IMAGE_INVALID
 */
export function addressedSegment(image: Uint8Array, headerOffset: number, fields: AddressFields): Segment {
  const { headerAddress, loadAddress, loadEnd, bssEnd } = fields;
  const offset = headerOffset - (headerAddress - loadAddress);
  if (loadAddress > headerAddress || offset < 0) {
    throw invalid(`its load_addr ${hex(loadAddress)} does not fit its header at ${hex(headerAddress)}`);
  }
  if (loadEnd !== 0 && loadEnd <= headerAddress) {
    throw invalid(`its load_end_addr ${hex(loadEnd)} is not above its header at ${hex(headerAddress)}`);
  }
  const size = loadEnd === 0 ? image.length - offset : loadEnd - loadAddress;
  if (offset + size > image.length) {
    throw invalid(`it is truncated: what it loads ends at byte ${offset + size}, the file has ${image.length}`);
  }
  const end = loadAddress + size;
  if (bssEnd !== 0 && bssEnd < end)
    throw invalid(`its bss_end_addr ${hex(bssEnd)} is below ${hex(end)}, where it ends`);
  const bytes = image.subarray(offset, offset + size);
  return { address: loadAddress, bytes, memoryBytes: Math.max(size, bssEnd - loadAddress), what: 'kernel' };
}

export interface PlacedModule {
  readonly start: number;
  readonly end: number;
  readonly commandLine: string;
}

/**
 * Puts the modules, the initrd first, one after another above the kernel, each at the start of a page.
 * @throws VmError IMAGE_EMPTY, INITRD_TOO_LARGE, MODULE_TOO_LARGE
 */
export function putModules(layout: Layout, { initrd, modules = [] }: MultibootOptions): PlacedModule[] {
  const from = layout.end;
  const placed: PlacedModule[] = [];
  const put = (what: string, bytes: Uint8Array, commandLine: string, code: 'INITRD_TOO_LARGE' | 'MODULE_TOO_LARGE') => {
    const start = layout.putLow(what, bytes, { alignment: PAGE_BYTES, from, code });
    placed.push({ start, end: start + bytes.length, commandLine });
  };
  if (initrd) {
    checkModule({ bytes: initrd }, 0);
    put('initrd', initrd, 'initrd', 'INITRD_TOO_LARGE');
  }
  for (const [i, module] of modules.entries()) {
    checkModule(module, i);
    put(`module ${i + 1}`, module.bytes, namedLine(module.name, module.commandLine), 'MODULE_TOO_LARGE');
  }
  return placed;
}

/** mem_lower and mem_upper: KiB from 0, and KiB from 1 MiB to the first hole. */
export function memorySizes(ramBytes: number): { readonly lower: number; readonly upper: number } {
  return { lower: LOW_RAM_END / 1024, upper: (lowRamEnd(ramBytes) - MIB) / 1024 };
}

/** EGA text as both versions describe it. */
export const TEXT_SCREEN = { address: 0xb8000, pitch: 160, width: 80, height: 25, bitsPerCell: 16, type: 2 } as const;

/** Where a header with this magic number begins, among the first `limit` bytes; -1 where there is none. */
export function findHeader(
  image: Uint8Array,
  limit: number,
  alignment: number,
  isHeader: (view: DataView, at: number) => boolean,
): number {
  const view = viewOf(image);
  const last = Math.min(image.length, limit) - 12;
  for (let at = 0; at <= last; at += alignment) if (isHeader(view, at)) return at;
  return -1;
}

export function invalid(fault: string): VmError {
  return new VmError('IMAGE_INVALID', `this multiboot image is damaged: ${fault}`, {
    hint: 'Check how it was built.',
  });
}

export function unsupported(what: string): VmError {
  return new VmError('IMAGE_UNSUPPORTED', `this multiboot image ${what}`, {
    hint: 'Build it without, or make the request optional.',
  });
}
