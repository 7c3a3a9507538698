import { describe, expect, it } from 'vitest';
import { acpiFirmwareFiles } from '../../../src/boot/acpi/firmware-files.js';
import { acpiTables } from '../../../src/boot/acpi/tables.js';

const OPTIONS = {
  cpus: 3,
  pm: { port: 0x600, sci: 9 },
  resetPort: 0xcf9,
  resetValue: 6,
  pvpanicPort: 0x505,
  serial: [{ port: 0x3f8, irq: 4 }],
  rtcPort: 0x70,
};
const ADDRESS = 0xf5b40;
const NAME_BYTES = 56;

/** Does what a firmware does (SeaBIOS, src/fw/romfile_loader.c), with one file that it puts at ADDRESS. */
function load(): { readonly tables: Buffer; readonly allocations: readonly (readonly number[])[] } {
  const files = new Map(acpiFirmwareFiles(OPTIONS).map(({ name, bytes }) => [name, Buffer.from(bytes)]));
  const [tables, commands] = ['etc/acpi/tables', 'etc/table-loader'].map((name) => files.get(name) ?? Buffer.alloc(0));
  if (tables === undefined || commands === undefined) throw new Error('no files');
  const allocations: number[][] = [];
  for (let at = 0; at < commands.length; at += 128) {
    const name = commands.toString('latin1', at + 4, at + 4 + NAME_BYTES).replace(/\0.*$/s, '');
    expect(name).toBe('etc/acpi/tables');
    const one = at + 4 + NAME_BYTES;
    const two = one + NAME_BYTES;
    const kind = commands.readUInt32LE(at);
    if (kind === 1) allocations.push([commands.readUInt32LE(one), commands.readUInt8(one + 4)]);
    else if (kind === 2) {
      const [offset, size] = [commands.readUInt32LE(two), commands.readUInt8(two + 4)];
      tables.writeUIntLE(tables.readUIntLE(offset, Math.min(size, 6)) + ADDRESS, offset, Math.min(size, 6));
    } else if (kind === 3) {
      const [offset, start, length] = [0, 4, 8].map((field) => commands.readUInt32LE(one + field));
      const sum = tables.subarray(start, (start ?? 0) + (length ?? 0)).reduce((all, byte) => all + byte, 0);
      tables.writeUInt8((tables.readUInt8(offset) - sum) & 0xff, offset);
    } else throw new Error(`command ${kind}`);
  }
  return { tables, allocations };
}

describe('ACPI tables that a firmware places', () => {
  it('are in the end those of the place where it put them', () => {
    expect(load().tables.equals(acpiTables({ ...OPTIONS, base: ADDRESS }))).toBe(true);
  });

  it('are placed once, below 1 MiB, where the FACS is aligned', () => expect(load().allocations).toEqual([[64, 2]]));
});
