/**
 * A kernel for boot loaders on a PC whose firmware has run: so its real-mode services are there. The kernel is in
 * memory from the start, above 1 MiB. The firmware boots a floppy disk with a sector of ours, which does what is left of
 * a boot loader's work: it enters the kernel.
 */
import { VmError } from '../errors.js';
import { HOLE_START, MIB } from '../memory/map.js';
import { placeText } from './check-plan.js';
import { planFirmware } from './firmware.js';
import { sizeText } from './place.js';
import type { BootPlan, Entry } from './plan.js';

/** The end of the RAM is the firmware's and its disk's: the kernel is told of less. */
const FIRMWARE_RAM = MIB;
const SECTOR_BYTES = 512;
const SECTOR_ADDRESS = 0x7c00;
/** The smallest floppy disk. */
const FLOPPY_BYTES = 160 * 1024;
const CR0_PE = 1;
/** In the order of their numbers in instructions. */
const REGISTERS = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const;

/**
 * RAM for the kernel's plan, in bytes.
 * @throws VmError MEMORY_INVALID
 */
export function ramBesideFirmware(ramBytes: number): number {
  if (ramBytes <= HOLE_START && ramBytes > 4 * MIB) return ramBytes - FIRMWARE_RAM;
  throw new VmError('MEMORY_INVALID', `a kernel behind a firmware has no machine with ${sizeText(ramBytes)}`, {
    hint: 'Give the machine more than 4 MiB, and at most 3 GiB.',
  });
}

/**
 * The same plan by way of a firmware.
 * @param plan a kernel's, with a flat 32-bit entry
 * @throws VmError IMAGE_UNSUPPORTED, FIRMWARE_INVALID
 */
export function throughFirmware(plan: BootPlan, ramBytes: number, rom: Uint8Array): BootPlan {
  const low = plan.segments.find(({ address }) => address < MIB);
  if (low !== undefined) {
    throw new VmError('IMAGE_UNSUPPORTED', `the image's ${placeText(low)} is where the firmware works`, {
      hint: 'Link it to 1 MiB or above, or leave the firmware out.',
    });
  }
  const floppy = new Uint8Array(FLOPPY_BYTES);
  floppy.set(bootSector(plan.entry));
  const { segments, form, isLinux } = plan;
  const disk = planFirmware(floppy, { ramBytes, rom });
  return { ...disk, segments, form, isLinux, description: `${plan.description}, behind a firmware` };
}

/** Code that enters 32-bit protected mode as the entry asks. */
function bootSector({ mode, rip, gdt, registers = {} }: Entry): Uint8Array {
  if (mode !== 'protected' || gdt === undefined) throw new VmError('BUG', 'a boot sector enters protected mode only');
  const pointerAt = SECTOR_ADDRESS + SECTOR_BYTES - 8;
  const real = [
    ...[0xfa], // cli
    ...[0x31, 0xc0, 0x8e, 0xd8], // xor ax, ax; mov ds, ax
    ...[0x66, 0x0f, 0x01, 0x16, ...number(pointerAt, 2)], // lgdt [pointer]
    ...[0x0f, 0x20, 0xc0, 0x0c, CR0_PE, 0x0f, 0x22, 0xc0], // mov eax, cr0; or al, PE; mov cr0, eax
  ];
  const farJump = 8;
  const flat = SECTOR_ADDRESS + real.length + farJump;
  real.push(0x66, 0xea, ...number(flat, 4), ...number(gdt.code, 2)); // jmp code:flat
  const code = [
    ...real,
    ...[0x66, 0xb8, ...number(gdt.data, 2)], // mov ax, data
    ...[0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8, 0x8e, 0xd0], // mov ds, ax; and es, fs, gs, ss
    ...REGISTERS.flatMap((name, i) => [0xb8 + i, ...number(registers[name] ?? 0, 4)]), // mov register, value
  ];
  const jump = 5;
  code.push(0xe9, ...number(rip - (SECTOR_ADDRESS + code.length + jump), 4)); // jmp rip
  const sector = new Uint8Array(SECTOR_BYTES);
  sector.set(code);
  sector.set([...number(gdt.limit, 2), ...number(gdt.base, 4), 0x55, 0xaa], SECTOR_BYTES - 8);
  return sector;
}

/** Little endian, modulo 2^(8 × bytes). */
const number = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => (value >> (8 * i)) & 0xff);
