import fs from 'node:fs';
import { readElf } from '../boot/elf-file.js';
import { pvhEntry } from '../boot/pvh.js';
import { VmError } from '../errors.js';

/**
 * Starts a kernel in Bochs through its PVH entry (xen/include/public/arch-x86/hvm/start_info.h): what bochs-shim.c
 * copies where, and the page that tells the kernel about it.
 */
const START_INFO = 0x6000;
const INITRAMFS = 0x800_0000;
const MIB = 1 << 20;

const XEN_HVM_START_MAGIC_VALUE = 0x336ec578;
const XEN_HVM_MEMMAP_TYPE_RAM = 1;
const XEN_HVM_MEMMAP_TYPE_RESERVED = 2;
const XEN_HVM_MEMMAP_TYPE_ACPI = 3;

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
  const u64 = (at: number, value: number): void => void page.writeBigUInt64LE(BigInt(value), at);
  const top = memoryMib * MIB;
  const map = [
    [0, 0x9f000, XEN_HVM_MEMMAP_TYPE_RAM],
    [0x9f000, 0x61000, XEN_HVM_MEMMAP_TYPE_RESERVED],
    [MIB, top - MIB - 0x10000, XEN_HVM_MEMMAP_TYPE_RAM],
    [top - 0x10000, 0x10000, XEN_HVM_MEMMAP_TYPE_ACPI], // Bochs' BIOS puts its ACPI tables there
    [0xfec00000, 0x1400000, XEN_HVM_MEMMAP_TYPE_RESERVED], // I/O APIC, local APIC, BIOS
  ] as const;
  page.writeUInt32LE(XEN_HVM_START_MAGIC_VALUE, 0);
  page.writeUInt32LE(1, 4); // version
  page.writeUInt32LE(1, 12); // nr_modules
  u64(16, START_INFO + MODULES); // modlist_paddr
  u64(24, START_INFO + COMMAND_LINE); // cmdline_paddr
  u64(40, START_INFO + MEMORY_MAP); // memmap_paddr
  page.writeUInt32LE(map.length, 48); // memmap_entries
  u64(MODULES, INITRAMFS);
  u64(MODULES + 8, initramfsSize);
  map.forEach(([address, size, type], index) => {
    const at = MEMORY_MAP + index * 24;
    u64(at, address);
    u64(at + 8, size);
    page.writeUInt32LE(type, at + 16);
  });
  if (commandLine.length >= 2048) throw new VmError('BUG', "the host's command line is too long");
  page.write(commandLine, COMMAND_LINE, 'latin1');
  return page;
}
