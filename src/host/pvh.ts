import fs from 'node:fs';
import { readElf } from '../boot/elf-file.js';
import { memoryMapTable, setU64 } from '../boot/memory-map.js';
import {
  MEMMAP_ENTRY_BYTES,
  pvhEntry,
  START_INFO as START_INFO_FIELDS,
  START_INFO_VERSION,
  XEN_HVM_START_MAGIC_VALUE,
} from '../boot/pvh.js';
import { VmError } from '../errors.js';
import { E820_RAM, E820_RESERVED, MIB } from '../memory/map.js';

/**
 * Starts a kernel in Bochs through its PVH entry (xen/include/public/arch-x86/hvm/start_info.h): what bochs-shim.c
 * copies where, and the page that tells the kernel about it.
 */
const START_INFO = 0x6000;
const INITRAMFS = 0x800_0000;
/** ACPI reclaim memory (ACPI 6.4, table 15.4). */
const E820_ACPI = 3;

export interface PvhPlanOptions {
  /** Path of an uncompressed kernel. */
  readonly kernel: string;
  readonly initramfs: string;
  readonly memoryMib: number;
  readonly commandLine: string;
  /** The path at which the shim can read this plan: the start info is its first page. */
  readonly plan: string;
}

/** The plan: the start info's page, then a line for each thing to load and one for where to enter. */
export function pvhPlan({ kernel, initramfs, memoryMib, commandLine, plan }: PvhPlanOptions): Buffer {
  const { loads, entry } = readKernel(kernel);
  const initramfsSize = fs.statSync(initramfs).size;
  const load = (address: number, size: number, offset: number, file: string): string =>
    `load ${address} ${size} ${offset} ${file}\n`;
  const lines = [
    '\n', // ends the page, for those who read lines
    ...loads.map(({ address, size, offset }) => load(address, size, offset, kernel)),
    load(INITRAMFS, initramfsSize, 0, initramfs),
    load(START_INFO, 4096, 0, plan),
    `enter ${entry} ${START_INFO}\n`,
  ];
  return Buffer.concat([startInfo(initramfsSize, memoryMib, commandLine), Buffer.from(lines.join(''))]);
}

interface Load {
  /** Guest-physical. */
  readonly address: number;
  readonly size: number;
  /** In the file. */
  readonly offset: number;
}

function readKernel(file: string): { loads: Load[]; entry: number } {
  const image = fs.readFileSync(file);
  const elf = readElf(image);
  const entry = pvhEntry(elf);
  if (entry === undefined) throw new VmError('SETUP_FAILED', `${file} has no PVH entry`);
  const loads = elf.segments.map(({ physicalAddress, bytes }) => ({
    address: physicalAddress,
    size: bytes.length,
    offset: bytes.byteOffset - image.byteOffset,
  }));
  return { loads, entry };
}

function startInfo(initramfsSize: number, memoryMib: number, commandLine: string): Buffer {
  const MODULES = 64;
  const MEMORY_MAP = 128;
  const COMMAND_LINE = 512;
  const page = Buffer.alloc(4096);
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const u32 = (field: keyof typeof START_INFO_FIELDS, value: number) =>
    view.setUint32(START_INFO_FIELDS[field], value, true);
  const u64 = (field: keyof typeof START_INFO_FIELDS, value: number) => setU64(view, START_INFO_FIELDS[field], value);
  const top = memoryMib * MIB;
  const map = [
    { start: 0, size: 0x9f000, type: E820_RAM },
    { start: 0x9f000, size: 0x61000, type: E820_RESERVED },
    { start: MIB, size: top - MIB - 0x10000, type: E820_RAM },
    { start: top - 0x10000, size: 0x10000, type: E820_ACPI }, // Bochs' BIOS puts its ACPI tables there
    { start: 0xfec00000, size: 0x1400000, type: E820_RESERVED }, // I/O APIC, local APIC, BIOS
  ];
  u32('magic', XEN_HVM_START_MAGIC_VALUE);
  u32('version', START_INFO_VERSION);
  u32('nr_modules', 1);
  u64('modlist_paddr', START_INFO + MODULES);
  u64('cmdline_paddr', START_INFO + COMMAND_LINE);
  u64('memmap_paddr', START_INFO + MEMORY_MAP);
  u32('memmap_entries', map.length);
  setU64(view, MODULES, INITRAMFS);
  setU64(view, MODULES + 8, initramfsSize);
  page.set(memoryMapTable(map, MEMMAP_ENTRY_BYTES), MEMORY_MAP);
  if (commandLine.length >= 2048) throw new VmError('BUG', "the host's command line is too long");
  page.write(commandLine, COMMAND_LINE, 'latin1');
  return page;
}
