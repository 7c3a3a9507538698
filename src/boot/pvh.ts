/**
 * Kernels with a PVH entry: an ELF file whose note names a 32-bit physical entry, and a start info in memory.
 * Source: Xen public headers, elfnote.h (XEN_ELFNOTE_PHYS32_ENTRY) and arch-x86/hvm/start_info.h; Xen's docs/misc/pvh.
 */
import { VmError } from '../errors.js';
import { e820Map } from '../memory/map.js';
import { putInitrd } from './boot-params.js';
import { checkEntryWithin, fixElf, isLinuxElf } from './elf.js';
import { type ElfFile, isElf, readElf, viewOf } from './elf-file.js';
import { flatEntry } from './flat-entry.js';
import { Layout } from './layout.js';
import { memoryMapTable, setU64 } from './memory-map.js';
import { type BootModule, checkModule } from './modules.js';
import type { BootPlan } from './plan.js';
import { zeroTerminated } from './text.js';

const XEN_ELFNOTE_PHYS32_ENTRY = 18;

export const XEN_HVM_START_MAGIC_VALUE = 0x336ec578;
/** Version 1 brought the memory map. */
export const START_INFO_VERSION = 1;
/** Offsets in struct hvm_start_info. */
export const START_INFO = {
  magic: 0,
  version: 4,
  nr_modules: 12,
  modlist_paddr: 16,
  cmdline_paddr: 24,
  rsdp_paddr: 32,
  memmap_paddr: 40,
  memmap_entries: 48,
} as const;
const START_INFO_BYTES = 56;
/** struct hvm_modlist_entry: paddr, size, cmdline_paddr, reserved, 64 bits each. */
const MODLIST_ENTRY_BYTES = 32;
/** struct hvm_memmap_table_entry: addr and size of 64 bits, type and reserved of 32. Types are e820's. */
export const MEMMAP_ENTRY_BYTES = 24;
const COMMAND_LINE_MAX = 0xffff;

export interface PvhOptions {
  /** RAM of the machine, in bytes: a multiple of 4096, above 1 MiB. */
  readonly ramBytes: number;
  readonly commandLine: string;
  /** The first module. */
  readonly initrd?: Uint8Array | undefined;
  readonly modules?: readonly BootModule[] | undefined;
  readonly rsdp?: number | undefined;
  /** What runs before the kernel, where something does. */
  readonly firmware?: Uint8Array | undefined;
}

/** The entry that the file's notes name, or undefined. */
export function pvhEntry({ notes }: ElfFile): number | undefined {
  const note = notes.find(({ name, type }) => name === 'Xen' && type === XEN_ELFNOTE_PHYS32_ENTRY);
  // 64-bit Linux gives it as 8 bytes; the upper half has no meaning for a 32-bit entry.
  if (note === undefined || note.description.length < 4) return undefined;
  return viewOf(note.description).getUint32(0, true);
}

/** Whether the image is a sound ELF file with a PVH entry. */
export function hasPvhEntry(image: Uint8Array): boolean {
  if (!isElf(image)) return false;
  try {
    return pvhEntry(readElf(image)) !== undefined;
  } catch (error) {
    if (error instanceof VmError) return false;
    throw error;
  }
}

/**
 * Plans the boot through the PVH entry. The plan's segments refer to `image`, `initrd` and the modules.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_EMPTY, INITRD_TOO_LARGE, MODULE_TOO_LARGE,
 * COMMAND_LINE_TOO_LONG, OPTION_INVALID, MEMORY_INVALID
 */
export function planPvh(image: Uint8Array, options: PvhOptions): BootPlan {
  const layout = new Layout(options.ramBytes, options.firmware !== undefined);
  const elf = readElf(image);
  const entry = pvhEntry(elf);
  if (entry === undefined) {
    throw new VmError('IMAGE_INVALID', 'this ELF file has no PVH entry (note 18 of "Xen", XEN_ELFNOTE_PHYS32_ENTRY)', {
      hint: 'Take another form.',
    });
  }
  fixElf(layout, elf);
  const rip = checkEntryWithin(layout, entry);
  const tables = flatEntry(layout, 'protected');
  const startInfo = putStartInfo(layout, options);
  const isLinux = isLinuxElf(elf);
  return {
    form: 'pvh',
    isLinux,
    segments: layout.segments,
    entry: { ...tables, rip, registers: { rbx: startInfo } },
    description: `${isLinux ? 'Linux' : 'a kernel'}, ELF${elf.bits} with a PVH entry`,
  };
}

function putStartInfo(layout: Layout, options: PvhOptions): number {
  const bytes = new Uint8Array(START_INFO_BYTES);
  const address = layout.putLow('hvm_start_info', bytes);
  const page = viewOf(bytes);
  page.setUint32(START_INFO.magic, XEN_HVM_START_MAGIC_VALUE, true);
  page.setUint32(START_INFO.version, START_INFO_VERSION, true);
  const commandLine = zeroTerminated(options.commandLine, 'command line', COMMAND_LINE_MAX);
  setU64(page, START_INFO.cmdline_paddr, layout.putLow('command line', commandLine));
  setU64(page, START_INFO.rsdp_paddr, options.rsdp ?? 0);
  const map = e820Map(layout.ramBytes);
  setU64(page, START_INFO.memmap_paddr, layout.putLow('memory map', memoryMapTable(map, MEMMAP_ENTRY_BYTES)));
  page.setUint32(START_INFO.memmap_entries, map.length, true);
  const modules = putModules(layout, options);
  if (modules.length === 0) return address;
  page.setUint32(START_INFO.nr_modules, modules.length / MODLIST_ENTRY_BYTES, true);
  setU64(page, START_INFO.modlist_paddr, layout.putLow('module list', modules));
  return address;
}

/** The module list; the modules go as high as possible below the hole. */
function putModules(layout: Layout, { initrd, modules = [] }: PvhOptions): Uint8Array {
  const count = modules.length + (initrd ? 1 : 0);
  const view = new DataView(new ArrayBuffer(count * MODLIST_ENTRY_BYTES));
  const entry = (index: number, address: number, size: number, commandLine: number) => {
    setU64(view, index * MODLIST_ENTRY_BYTES, address);
    setU64(view, index * MODLIST_ENTRY_BYTES + 8, size);
    setU64(view, index * MODLIST_ENTRY_BYTES + 16, commandLine);
  };
  if (initrd) entry(0, putInitrd(layout, initrd), initrd.length, 0);
  for (const [i, module] of modules.entries()) {
    checkModule(module, i);
    const address = layout.putHigh(`module ${i + 1}`, module.bytes, { code: 'MODULE_TOO_LARGE' });
    const text = zeroTerminated(module.commandLine, `command line of module ${i + 1}`, COMMAND_LINE_MAX);
    entry(count - modules.length + i, address, module.bytes.length, layout.putLow('module command line', text));
  }
  return new Uint8Array(view.buffer);
}
