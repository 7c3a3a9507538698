/**
 * The ACPI tables of the PC, from which an unmodified system finds its CPUs, interrupts, power and reset registers.
 * Source: ACPI 6.4, chapter 5. Left out: GPEs, the sleep button, sleep states other than S5, HPET.
 */
import { VmError } from '../../errors.js';
import { ACPI_TABLES_END, IO_APIC_BASE, LOCAL_APIC_BASE } from '../../memory/map.js';
import { alignUp, hex } from '../place.js';
import { dsdtBody } from './dsdt.js';

export interface AcpiOptions {
  /** Guest-physical address of the tables, a multiple of 64; the RSDP is first. */
  readonly base: number;
  /** vCPUs, 1 to 255; vCPU n has APIC id n. */
  readonly cpus: number;
  /** Power management: event block at `port`, control at +4, timer at +8; `sci` is its ISA interrupt. */
  readonly pm: { readonly port: number; readonly sci: number };
  /** A write of `resetValue` (one byte) to this port resets the machine. */
  readonly resetPort: number;
  readonly resetValue: number;
  readonly pvpanicPort: number;
  readonly serial: readonly { readonly port: number; readonly irq: number }[];
  /** Index port of the RTC; its data port follows. */
  readonly rtcPort: number;
}

export const HEADER_BYTES = 36;
const TABLE_ALIGNMENT = 16;
export const RSDP_BYTES = 36;
export const RSDP_V1_BYTES = 20;
const FACS_OFFSET = 0x40;
export const FACS_BYTES = 64;
const TABLES_OFFSET = FACS_OFFSET + FACS_BYTES;

/**
 * The tables as one blob for guest address `base`: RSDP, FACS, DSDT, FADT, MADT, RSDT, XSDT.
 * @throws VmError BUG where an option is out of range or the tables do not fit below 1 MiB
 */
export function acpiTables(options: AcpiOptions): Uint8Array {
  check(options);
  const { base } = options;
  const tables: { offset: number; bytes: Uint8Array }[] = [];
  let end = TABLES_OFFSET;
  const put = (bytes: Uint8Array): number => {
    const offset = alignUp(end, TABLE_ALIGNMENT);
    tables.push({ offset, bytes });
    end = offset + bytes.length;
    return base + offset;
  };
  const dsdt = put(table('DSDT', 2, Uint8Array.from(dsdtBody(options))));
  const fadt = put(makeFadt(options, base + FACS_OFFSET, dsdt));
  const madt = put(makeMadt(options));
  const rsdt = put(makeRootTable('RSDT', 4, [fadt, madt]));
  const xsdt = put(makeRootTable('XSDT', 8, [fadt, madt]));
  tables.push({ offset: 0, bytes: makeRsdp(rsdt, xsdt) }, { offset: FACS_OFFSET, bytes: makeFacs() });
  if (base + end > ACPI_TABLES_END) {
    throw new VmError('BUG', `${end} bytes of ACPI tables at ${hex(base)} reach beyond ${hex(ACPI_TABLES_END)}`);
  }
  const blob = new Uint8Array(end);
  for (const { offset, bytes } of tables) blob.set(bytes, offset);
  return blob;
}

function check({ base, cpus, pm }: AcpiOptions): void {
  if (base % FACS_BYTES !== 0) throw new VmError('BUG', `ACPI tables at ${hex(base)}: not a multiple of 64`);
  // APIC id 255 is the broadcast; more would need x2APIC entries.
  if (!(cpus >= 1 && cpus <= 255)) throw new VmError('BUG', `ACPI tables for ${cpus} vCPUs: 1 to 255 are possible`);
  if (!(pm.sci >= 0 && pm.sci <= 15)) throw new VmError('BUG', `ACPI SCI ${pm.sci} is no ISA interrupt`);
}

/** The byte that makes the sum of all 0 modulo 256. */
export const checksum = (bytes: Uint8Array): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** A system description table: the common header (5.2.6), then `body`; length and checksum filled in. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(ascii(signature), 0);
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  bytes.set(ascii(OEM_ID), 10);
  bytes.set(ascii('VMLAUNCH'), 16);
  view.setUint32(24, 1, true);
  bytes.set(ascii('VMLN'), 28);
  view.setUint32(32, 1, true);
  bytes.set(body, HEADER_BYTES);
  bytes[9] = checksum(bytes);
  return bytes;
}

const OEM_ID = 'VMLNCH';

/** Root System Description Pointer, revision 2 (5.2.5.3). Its first 20 bytes have a checksum of their own. */
function makeRsdp(rsdt: number, xsdt: number): Uint8Array {
  const bytes = new Uint8Array(RSDP_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(ascii('RSD PTR '), 0);
  bytes.set(ascii(OEM_ID), 9);
  bytes[15] = 2;
  view.setUint32(16, rsdt, true);
  view.setUint32(20, RSDP_BYTES, true);
  view.setUint32(24, xsdt, true);
  bytes[8] = checksum(bytes.subarray(0, RSDP_V1_BYTES));
  bytes[32] = checksum(bytes);
  return bytes;
}

/** RSDT and XSDT (5.2.7, 5.2.8): the other tables' addresses, 4 or 8 bytes each. */
function makeRootTable(signature: 'RSDT' | 'XSDT', width: 4 | 8, addresses: readonly number[]): Uint8Array {
  const body = new DataView(new ArrayBuffer(addresses.length * width));
  for (const [i, address] of addresses.entries()) body.setUint32(i * width, address, true);
  return table(signature, 1, new Uint8Array(body.buffer));
}

/** Firmware ACPI Control Structure (5.2.10): no checksum; everything but its length and version is 0. */
function makeFacs(): Uint8Array {
  const bytes = new Uint8Array(FACS_BYTES);
  bytes.set(ascii('FACS'), 0);
  new DataView(bytes.buffer).setUint32(4, FACS_BYTES, true);
  bytes[32] = 2;
  return bytes;
}

/** Fixed ACPI Description Table, revision 6 (5.2.9): offsets from the table's start. */
export const FADT = {
  FIRMWARE_CTRL: 36,
  DSDT: 40,
  SCI_INT: 46,
  PM1a_EVT_BLK: 56,
  PM1a_CNT_BLK: 64,
  PM_TMR_BLK: 76,
  PM1_EVT_LEN: 88,
  PM1_CNT_LEN: 89,
  PM_TMR_LEN: 91,
  P_LVL2_LAT: 96,
  P_LVL3_LAT: 98,
  CENTURY: 108,
  IAPC_BOOT_ARCH: 109,
  Flags: 112,
  RESET_REG: 116,
  RESET_VALUE: 128,
  X_DSDT: 140,
  X_PM1a_EVT_BLK: 148,
  X_PM1a_CNT_BLK: 172,
  X_PM_TMR_BLK: 208,
} as const;
const FADT_BYTES = 276;

/** IAPC_BOOT_ARCH: ISA devices are there, and an 8042; a VGA too, whose absence would be bit 2. */
const LEGACY_DEVICES = 1 << 0;
const BOOT_ARCH_8042 = 1 << 1;
/**
 * Flags. PWR_BUTTON stays 0: the power button is the fixed one in PM1. SLP_BUTTON says that there is no fixed sleep
 * button; FIX_RTC that the RTC has no wake status in PM1.
 */
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const SLP_BUTTON = 1 << 5;
const FIX_RTC = 1 << 6;
const TMR_VAL_EXT = 1 << 8;
const RESET_REG_SUP = 1 << 10;

/** The RTC's register that holds the century. */
const RTC_CENTURY = 0x32;

const SYSTEM_IO = 1;
/** Access size of a Generic Address Structure (5.2.3.2): a byte, a word, a double word. */
const ACCESS: Record<number, number> = { 1: 1, 2: 2, 4: 3 };

function makeFadt({ pm, resetPort, resetValue }: AcpiOptions, facs: number, dsdt: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(FADT_BYTES - HEADER_BYTES));
  const u8 = (at: number, value: number) => view.setUint8(at - HEADER_BYTES, value);
  const u16 = (at: number, value: number) => view.setUint16(at - HEADER_BYTES, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at - HEADER_BYTES, value, true);
  const gas = (at: number, port: number, bytes: number, access: number) => {
    u8(at, SYSTEM_IO);
    u8(at + 1, bytes * 8);
    u8(at + 3, ACCESS[access] ?? 0);
    u32(at + 4, port);
  };
  u32(FADT.FIRMWARE_CTRL, facs);
  u32(FADT.DSDT, dsdt);
  u32(FADT.X_DSDT, dsdt);
  // SMI_CMD stays 0: the machine is always in ACPI mode.
  u16(FADT.SCI_INT, pm.sci);
  u32(FADT.PM1a_EVT_BLK, pm.port);
  u32(FADT.PM1a_CNT_BLK, pm.port + 4);
  u32(FADT.PM_TMR_BLK, pm.port + 8);
  u8(FADT.PM1_EVT_LEN, 4);
  u8(FADT.PM1_CNT_LEN, 2);
  u8(FADT.PM_TMR_LEN, 4);
  // The event block is two registers of 16 bits, status and enable.
  gas(FADT.X_PM1a_EVT_BLK, pm.port, 4, 2);
  gas(FADT.X_PM1a_CNT_BLK, pm.port + 4, 2, 2);
  gas(FADT.X_PM_TMR_BLK, pm.port + 8, 4, 4);
  // Latencies above 100 and 1000 µs: no C2, no C3.
  u16(FADT.P_LVL2_LAT, 0xfff);
  u16(FADT.P_LVL3_LAT, 0xfff);
  u8(FADT.CENTURY, RTC_CENTURY);
  u16(FADT.IAPC_BOOT_ARCH, LEGACY_DEVICES | BOOT_ARCH_8042);
  u32(FADT.Flags, WBINVD | PROC_C1 | SLP_BUTTON | FIX_RTC | TMR_VAL_EXT | RESET_REG_SUP);
  gas(FADT.RESET_REG, resetPort, 1, 1);
  u8(FADT.RESET_VALUE, resetValue);
  return table('FACP', 6, new Uint8Array(view.buffer));
}

/** MADT flags: a pair of 8259s is there too, to be masked when the APICs are used. */
const PCAT_COMPAT = 1;
/** Interrupt flags of MADT entries (5.2.12.5): active high in bits 1–0, level-triggered in bits 3–2. */
const ACTIVE_HIGH_LEVEL = 0b1101;
const CONFORMS_TO_BUS = 0;

/** Multiple APIC Description Table (5.2.12). */
function makeMadt({ cpus, pm }: AcpiOptions): Uint8Array {
  const u32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  const localApic = (id: number) => [0, 8, id, id, ...u32(1)];
  const ioApic = [1, 12, 0, 0, ...u32(IO_APIC_BASE), ...u32(0)];
  const override = (source: number, gsi: number, flags: number) => [2, 10, 0, source, ...u32(gsi), flags, 0];
  // NMIs come in at LINT1 of every local APIC.
  const localNmi = [4, 6, 0xff, CONFORMS_TO_BUS, 0, 1];
  return table(
    'APIC',
    4,
    Uint8Array.from([
      ...u32(LOCAL_APIC_BASE),
      ...u32(PCAT_COMPAT),
      ...Array.from({ length: cpus }, (_, id) => localApic(id)).flat(),
      ...ioApic,
      // The PIT is wired to pin 2 of the I/O APIC (the machine tells KVM so).
      ...override(0, 2, CONFORMS_TO_BUS),
      ...override(pm.sci, pm.sci, ACTIVE_HIGH_LEVEL),
      ...localNmi,
    ]),
  );
}
