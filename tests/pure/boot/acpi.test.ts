import { describe, expect, it } from 'vitest';
import { eisaId, integer, nameString, withPackageLength } from '../../../src/boot/acpi/aml.js';
import { S5_SLEEP_TYPE } from '../../../src/boot/acpi/dsdt.js';
import { type AcpiOptions, acpiTables } from '../../../src/boot/acpi/tables.js';
import { AcpiPm, acpiPmState } from '../../../src/devices/acpi-pm.js';
import { VmError } from '../../../src/errors.js';
import { thrownBy } from './bzimage.js';

const BASE = 0xe0000;
const OPTIONS: AcpiOptions = {
  base: BASE,
  cpus: 4,
  pm: { port: 0x600, sci: 9 },
  resetPort: 0xcf9,
  resetValue: 6,
  pvpanicPort: 0x505,
  serial: [
    { port: 0x3f8, irq: 4 },
    { port: 0x2f8, irq: 3 },
  ],
  rtcPort: 0x70,
};

interface Table {
  readonly bytes: Buffer;
  readonly address: number;
}

/** Finds the tables as a system does: from the RSDP through the XSDT and the FADT. */
function walk(options: AcpiOptions = OPTIONS) {
  const blob = Buffer.from(acpiTables(options));
  const at = (address: number): Table => {
    const offset = address - options.base;
    return { address, bytes: blob.subarray(offset, offset + blob.readUInt32LE(offset + 4)) };
  };
  const rsdp = blob.subarray(0, 36);
  const xsdt = at(Number(rsdp.readBigUInt64LE(24)));
  const rsdt = at(rsdp.readUInt32LE(16));
  const listed = Array.from({ length: (xsdt.bytes.length - 36) / 8 }, (_, i) =>
    Number(xsdt.bytes.readBigUInt64LE(36 + 8 * i)),
  );
  const named = new Map(
    listed.map((address) => [blob.toString('latin1', address - options.base, address - options.base + 4), at(address)]),
  );
  const get = (signature: string): Table => {
    const found = named.get(signature);
    if (!found) throw new Error(`no ${signature} in the XSDT`);
    return found;
  };
  const fadt = get('FACP');
  return {
    blob,
    rsdp,
    xsdt,
    rsdt,
    listed,
    fadt,
    madt: get('APIC'),
    dsdt: at(fadt.bytes.readUInt32LE(40)),
    facs: at(fadt.bytes.readUInt32LE(36)),
  };
}

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;

describe('ACPI tables', () => {
  it('sum up to 0, every one, for any number of vCPUs', () => {
    for (const cpus of [1, 2, 4, 64, 255]) {
      const { rsdp, xsdt, rsdt, fadt, madt, dsdt } = walk({ ...OPTIONS, cpus });
      expect(sum(rsdp)).toBe(0);
      expect(sum(rsdp.subarray(0, 20))).toBe(0);
      for (const { bytes } of [xsdt, rsdt, fadt, madt, dsdt]) expect(sum(bytes)).toBe(0);
    }
  });

  it('are where a system looks for them', () => {
    const { blob, rsdp, xsdt, rsdt, listed, facs, fadt, dsdt } = walk();
    expect(rsdp.toString('latin1', 0, 8)).toBe('RSD PTR ');
    expect(rsdp[15]).toBe(2);
    expect(rsdp.readUInt32LE(20)).toBe(36);
    expect(xsdt.bytes.toString('latin1', 0, 4)).toBe('XSDT');
    expect(rsdt.bytes.toString('latin1', 0, 4)).toBe('RSDT');
    expect(Array.from({ length: 2 }, (_, i) => rsdt.bytes.readUInt32LE(36 + 4 * i))).toEqual(listed);
    expect(facs.bytes.toString('latin1', 0, 4)).toBe('FACS');
    expect(facs.bytes.length).toBe(64);
    expect(facs.address % 64).toBe(0);
    expect(dsdt.bytes.toString('latin1', 0, 4)).toBe('DSDT');
    expect(fadt.bytes.readBigUInt64LE(140)).toBe(BigInt(dsdt.address));
    expect(BASE + blob.length).toBeLessThanOrEqual(0x100000);
  });

  it('name the fixed registers in the FADT', () => {
    const { bytes } = walk().fadt;
    expect(bytes.length).toBe(276);
    expect(bytes[8]).toBe(6);
    expect(bytes.readUInt16LE(46)).toBe(9);
    expect([48, 56, 60, 64, 68, 76].map((at) => bytes.readUInt32LE(at))).toEqual([0, 0x600, 0, 0x604, 0, 0x608]);
    expect([...bytes.subarray(88, 94)]).toEqual([4, 2, 0, 4, 0, 0]);
    const gas = (at: number) => [...bytes.subarray(at, at + 4), Number(bytes.readBigUInt64LE(at + 4))];
    expect(gas(148)).toEqual([1, 32, 0, 2, 0x600]);
    expect(gas(172)).toEqual([1, 16, 0, 2, 0x604]);
    expect(gas(208)).toEqual([1, 32, 0, 3, 0x608]);
    expect(gas(116)).toEqual([1, 8, 0, 1, 0xcf9]);
    expect(bytes[128]).toBe(6);
    expect(bytes[108]).toBe(0x32);
    // IAPC_BOOT_ARCH: legacy devices, 8042, and a VGA, which bit 2 would deny. An RTC is there (bit 5), MSI is not forbidden (bit 3).
    expect(bytes.readUInt16LE(109)).toBe(0b000011);
    const flags = bytes.readUInt32LE(112);
    const bit = (n: number) => (flags >> n) & 1;
    expect({ wbinvd: bit(0), fixedPowerButton: bit(4) === 0, fixedSleepButton: bit(5) === 0 }).toEqual({
      wbinvd: 1,
      fixedPowerButton: true,
      fixedSleepButton: false,
    });
    expect({ timer32: bit(8), reset: bit(10), hardwareReduced: bit(20) }).toEqual({
      timer32: 1,
      reset: 1,
      hardwareReduced: 0,
    });
  });

  it('list CPUs and interrupts in the MADT', () => {
    const { bytes } = walk().madt;
    expect(bytes.readUInt32LE(36)).toBe(0xfee00000);
    expect(bytes.readUInt32LE(40)).toBe(1);
    const entries: string[] = [];
    for (let at = 44; at < bytes.length; at += bytes.readUInt8(at + 1)) {
      entries.push(bytes.toString('hex', at, at + bytes.readUInt8(at + 1)));
    }
    expect(entries).toEqual([
      '0008000001000000',
      '0008010101000000',
      '0008020201000000',
      '0008030301000000',
      '010c00000000c0fe00000000',
      '020a0000020000000000',
      '020a0009090000000d00',
      '0406ff000001',
    ]);
  });

  it('describe the devices as the reference compiler does', () => {
    // iasl 20200925 -on, of: Name (\_S5, Package () {5, 5, 0, 0}), and in Scope (\_SB) PCI0 (WordBusNumber,
    // IO, WordIO and DWordMemory), COM1, COM2, RTC, PS2K and PVPN with EisaId, Decode16 IO and IRQNoFlags resources.
    const compiled = [
      '085c5f53355f1208040a050a050000104e175c5f53425f5b82440950434930085f4849440c41d00a03085f4144520008',
      '5f42424e00085f4352531142070a6e880d00020c00000000000000000001004701f80cf80c0108880d00010c03000000',
      '00f70c0000f80c880d00010c030000000dffff000000f3871700000c010000000000000a00ffff0b0000000000000002',
      '00871700000c0100000000000000c0ffffbffe000000000000c03e79005b822b434f4d31085f4849440c41d00501085f',
      '55494401085f43525311100a0d4701f803f803010822100079005b822c434f4d32085f4849440c41d00501085f554944',
      '0a02085f43525311100a0d4701f802f802010822080079005b82255254435f085f4849440c41d00b00085f4352531110',
      '0a0d470170007000010222000179005b822d5053324b085f4849440c41d00303085f43525311180a1547016000600001',
      '01470164006400010122020079005b822e5056504e085f4849440d51454d553030303100085f5354410a0f085f435253',
      '110d0a0a47010505050501017900',
    ];
    expect(walk().dsdt.bytes.toString('hex', 36)).toBe(compiled.join(''));
  });

  it('power off with the sleep type that the PM device takes for S5', () => {
    const ends: unknown[] = [];
    const line = { set: () => {} };
    const pm = new AcpiPm(
      acpiPmState.make(),
      line,
      { now: () => 0, wallMs: () => 0 },
      { end: (end) => ends.push(end) },
    );
    pm.write(4, (S5_SLEEP_TYPE << 10) | (1 << 13), 2);
    expect(ends).toEqual([{ reason: 'power-off' }]);
  });

  it('refuse what they cannot say', () => {
    for (const wrong of [
      { cpus: 0 },
      { cpus: 256 },
      { base: 0xe0010 },
      { base: 0xfff00 },
      { pm: { port: 0x600, sci: 16 } },
    ]) {
      const error = thrownBy(() => acpiTables({ ...OPTIONS, ...wrong }));
      expect(error).toBeInstanceOf(VmError);
    }
  });
});

describe('AML', () => {
  it('has package lengths of one to four bytes, which count themselves', () => {
    const head = (length: number, bytes: number) => withPackageLength(Array.from({ length }, () => 0)).slice(0, bytes);
    expect(head(62, 1)).toEqual([0x3f]);
    expect(head(63, 2)).toEqual([0x41, 0x04]);
    expect(head(0xffd, 2)).toEqual([0x4f, 0xff]);
    expect(head(0xffe, 3)).toEqual([0x81, 0x00, 0x01]);
    expect(head(0xffffc, 3)).toEqual([0x8f, 0xff, 0xff]);
    expect(head(0xffffd, 4)).toEqual([0xc1, 0x00, 0x00, 0x01]);
  });

  it('has integers of the least width', () => {
    expect(
      [0, 1, 2, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff].map((value) => Buffer.from(integer(value)).toString('hex')),
    ).toEqual(['00', '01', '0a02', '0aff', '0b0001', '0bffff', '0c00000100', '0cffffffff']);
  });

  it('pads names, and refuses what is none', () => {
    expect(Buffer.from(nameString('\\_S5')).toString()).toBe('\\_S5_');
    for (const wrong of ['', 'TOOLONG', '1ABC', 'abcd']) expect(() => nameString(wrong)).toThrow(RangeError);
  });

  it('compresses PNP ids', () => {
    expect(Buffer.from(eisaId('PNP0C0F')).toString('hex')).toBe('0c41d00c0f');
  });
});
