/**
 * The ACPI tables as files for a firmware that places them itself: QEMU's table loader (SeaBIOS,
 * src/fw/romfile_loader.h). A list of commands says where the tables go, which of their fields are pointers, and over
 * which bytes checksums go.
 */
import type { FwCfgFile } from '../../devices/fw-cfg.js';
import { zeroTerminated } from '../text.js';
import { type AcpiOptions, acpiTables, FACS_BYTES, FADT, HEADER_BYTES, RSDP_BYTES, RSDP_V1_BYTES } from './tables.js';

const TABLES = 'etc/acpi/tables';
const COMMANDS = 'etc/table-loader';

const ROMFILE_LOADER_COMMAND_ALLOCATE = 1;
const ROMFILE_LOADER_COMMAND_ADD_POINTER = 2;
const ROMFILE_LOADER_COMMAND_ADD_CHECKSUM = 3;
/** Below 1 MiB, where systems look for the RSDP. */
const ROMFILE_LOADER_ALLOC_ZONE_FSEG = 2;
const COMMAND_BYTES = 128;
const FILE_NAME_BYTES = 56;

/** Fields of the RSDP (ACPI 6.4, 5.2.5.3) and of a table's header (5.2.6). */
const RSDP = { checksum: 8, rsdt: 16, xsdt: 24, extendedChecksum: 32 } as const;
const HEADER = { length: 4, checksum: 9 } as const;

/** The tables, and the commands. @throws VmError BUG as acpiTables */
export function acpiFirmwareFiles(options: Omit<AcpiOptions, 'base'>): readonly FwCfgFile[] {
  const bytes = acpiTables({ ...options, base: 0 });
  const commands = [allocate(), ...relocations(bytes)];
  return [
    { name: TABLES, bytes },
    { name: COMMANDS, bytes: Buffer.concat(commands) },
  ];
}

/** What has to be done once the tables, whose pointers are offsets, have an address. */
function relocations(bytes: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsetAt = (at: number): number => view.getUint32(at, true);
  const lengthOf = (table: number): number => offsetAt(table + HEADER.length);
  const sum = (table: number): Uint8Array => addChecksum(table + HEADER.checksum, table, lengthOf(table));
  const root = (table: number, width: number): Uint8Array[] => {
    const entries = (lengthOf(table) - HEADER_BYTES) / width;
    const pointers = Array.from({ length: entries }, (_, i) => addPointer(table + HEADER_BYTES + i * width, width));
    return [...pointers, sum(table)];
  };
  const [rsdt, xsdt] = [offsetAt(RSDP.rsdt), offsetAt(RSDP.xsdt)];
  const fadt = offsetAt(xsdt + HEADER_BYTES); // the first one
  return [
    addPointer(fadt + FADT.FIRMWARE_CTRL, 4),
    addPointer(fadt + FADT.DSDT, 4),
    addPointer(fadt + FADT.X_DSDT, 8),
    sum(fadt),
    ...root(rsdt, 4),
    ...root(xsdt, 8),
    addPointer(RSDP.rsdt, 4),
    addPointer(RSDP.xsdt, 8),
    addChecksum(RSDP.checksum, 0, RSDP_V1_BYTES),
    addChecksum(RSDP.extendedChecksum, 0, RSDP_BYTES),
  ];
}

/** A command: its number, names of files, then 32-bit fields. */
function command(number: number, files: number, ...fields: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(COMMAND_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, number, true);
  const name = zeroTerminated(TABLES, 'name', FILE_NAME_BYTES);
  for (let file = 0; file < files; file++) bytes.set(name, 4 + file * FILE_NAME_BYTES);
  for (const [i, field] of fields.entries()) view.setUint32(4 + files * FILE_NAME_BYTES + 4 * i, field, true);
  return bytes;
}

/** Alignment and zone; the FACS wants its own. */
const allocate = (): Uint8Array =>
  command(ROMFILE_LOADER_COMMAND_ALLOCATE, 1, FACS_BYTES, ROMFILE_LOADER_ALLOC_ZONE_FSEG);

/** Adds the tables' address to a field of so many bytes. */
const addPointer = (offset: number, size: number): Uint8Array =>
  command(ROMFILE_LOADER_COMMAND_ADD_POINTER, 2, offset, size);

/** Makes the sum of `length` bytes from `start` on zero by the byte at `offset`, which is one of them. */
const addChecksum = (offset: number, start: number, length: number): Uint8Array =>
  command(ROMFILE_LOADER_COMMAND_ADD_CHECKSUM, 1, offset, start, length);
