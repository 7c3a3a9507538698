/** The guest-physical address map of the PC: where RAM is, where the hole for MMIO is, what e820 says. */
export const MIB = 0x100000;
export const GIB = 0x40000000;

/** The hole below 4 GiB: PCI windows, I/O APIC, local APIC, firmware. RAM ends here and goes on at 4 GiB. */
export const HOLE_START = 0xc0000000;
export const HOLE_END = 0x100000000;
/** Conventional memory ends here: the extended BIOS data area, video memory and ROMs follow up to 1 MiB. */
export const LOW_RAM_END = 0x9fc00;
/** Where ACPI tables are (RSDP first), in the BIOS area that systems search. */
export const ACPI_TABLES_START = 0xe0000;
export const ACPI_TABLES_END = 0x100000;
export const IO_APIC_BASE = 0xfec00000;
export const LOCAL_APIC_BASE = 0xfee00000;
/**
 * Three pages for KVM_SET_TSS_ADDR and one for KVM_SET_IDENTITY_MAP_ADDR, used by VT-x without unrestricted guest:
 * below the 16 MiB at the end of the hole that a firmware may take.
 */
export const KVM_IDENTITY_MAP_BASE = 0xfeffc000;
export const KVM_TSS_BASE = 0xfeffd000;
export const FIRMWARE_AREA_START = 0xff000000;

export interface Range {
  readonly start: number;
  readonly size: number;
}

/** The pieces of guest-physical address space that `size` bytes of RAM fill, around the hole. */
export function ramRanges(size: number): readonly Range[] {
  if (size <= HOLE_START) return [{ start: 0, size }];
  return [
    { start: 0, size: HOLE_START },
    { start: HOLE_END, size: size - HOLE_START },
  ];
}

/** Types of an e820 entry (ACPI 6.4, table 15.4). */
export const E820_RAM = 1;
export const E820_RESERVED = 2;

export interface E820Entry extends Range {
  readonly type: number;
}

/** The memory map as firmware tells it (INT 15h, E820h). `size`: bytes of RAM, a multiple of 4096, above 1 MiB. */
export function e820Map(size: number): readonly E820Entry[] {
  const [low, high] = ramRanges(size);
  const map: E820Entry[] = [
    { start: 0, size: LOW_RAM_END, type: E820_RAM },
    { start: LOW_RAM_END, size: MIB - LOW_RAM_END, type: E820_RESERVED },
  ];
  if (low && low.size > MIB) map.push({ start: MIB, size: low.size - MIB, type: E820_RAM });
  map.push({ start: IO_APIC_BASE, size: HOLE_END - IO_APIC_BASE, type: E820_RESERVED });
  if (high) map.push({ ...high, type: E820_RAM });
  return map;
}
