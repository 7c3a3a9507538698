import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { inspectImage } from '../../../src/boot/inspect.js';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import { inspectionText } from '../../../src/cli/inspect.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { thrownBy } from './bzimage.js';

const KIB = 1024;
/** Each KiB of it begins with its number. */
const rom = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + KIB <= size; at += KIB) view.setUint32(at, at / KIB, true);
  return bytes;
};
const disk = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size).fill(0x90);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
};
const plan = (image: Uint8Array, options: Partial<BootOptions> = {}) =>
  planBoot(image, { ramBytes: 256 * MIB, firmware: rom(128 * KIB), ...options });

function refusal(image: Uint8Array, options: Partial<BootOptions> = {}): VmError {
  const error = thrownBy(() => plan(image, options));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

function fileOf(image: Uint8Array, name: string, options: Partial<BootOptions> = {}): Uint8Array {
  const file = plan(image, options).firmware?.files.find((one) => one.name === name);
  if (file === undefined) throw new Error(`no file ${name}`);
  return file.bytes;
}

describe('a boot sector through a firmware', () => {
  it.each([
    [512, 1440],
    [513, 1440],
    [160 * KIB, 160],
    [180 * KIB, 180],
    [320 * KIB, 320],
    [360 * KIB, 360],
    [720 * KIB, 720],
    [1200 * KIB, 1200],
    [1_296_384, 1440],
    [1440 * KIB, 1440],
    [1440 * KIB + 1, 2880],
    [2880 * KIB, 2880],
  ])('of %i bytes is a floppy disk of %i KiB', (size, kib) => {
    const floppy = fileOf(disk(size), 'floppyimg/image');
    expect(floppy.length).toBe(kib * KIB);
    const expected = Buffer.alloc(kib * KIB);
    expected.set(disk(size));
    expect(Buffer.compare(floppy, expected)).toBe(0);
  });

  it('is entered at the reset vector, with nothing in memory but the firmware', () => {
    const { entry, segments, isLinux, description } = plan(disk(512));
    expect(entry).toEqual({ mode: 'reset', rip: 0xfffffff0 });
    expect([segments, isLinux]).toEqual([[], false]);
    expect(description).toBe('a floppy disk of 1440 KiB, padded, booted by a firmware of 128 KiB');
  });

  it('tells the firmware where RAM is', () => {
    const view = Buffer.from(fileOf(disk(512), 'etc/e820', { ramBytes: 5 * GIB }));
    const entries = Array.from({ length: view.length / 20 }, (_, i) => ({
      start: Number(view.readBigUInt64LE(20 * i)),
      size: Number(view.readBigUInt64LE(20 * i + 8)),
      type: view.readUInt32LE(20 * i + 16),
    }));
    expect(entries.filter(({ type }) => type === 1)).toEqual([
      { start: 0, size: 0x9fc00, type: 1 },
      { start: MIB, size: 3 * GIB - MIB, type: 1 },
      { start: 4 * GIB, size: 2 * GIB, type: 1 },
    ]);
  });

  it('has its console on COM1, asks nothing, and boots the disk first', () => {
    expect(Buffer.from(fileOf(disk(512), 'etc/sercon-port')).readBigUInt64LE()).toBe(0x3f8n);
    expect(Buffer.from(fileOf(disk(512), 'etc/show-boot-menu')).readBigUInt64LE()).toBe(0n);
    expect(Buffer.from(fileOf(disk(512), 'bootorder')).toString()).toBe('/rom@floppyimg/image\0');
  });

  it('may be packed with gzip', () => {
    expect(plan(gzipSync(disk(1440 * KIB))).firmware?.files.at(-1)?.bytes.length).toBe(1440 * KIB);
  });

  it.each([
    ['is larger than any floppy disk', disk(2880 * KIB + 1), {}, 'IMAGE_TOO_LARGE'],
    ['finds no firmware', disk(512), { firmware: undefined }, 'FIRMWARE_INVALID'],
    ['finds an empty firmware', disk(512), { firmware: new Uint8Array() }, 'FIRMWARE_INVALID'],
    ['finds a firmware that is too small', disk(512), { firmware: rom(60 * KIB) }, 'FIRMWARE_INVALID'],
    [
      'finds a firmware that is no multiple of a page',
      disk(512),
      { firmware: rom(128 * KIB + 512) },
      'FIRMWARE_INVALID',
    ],
    ['finds a firmware that is too large', disk(512), { firmware: rom(16 * MIB + 4096) }, 'FIRMWARE_INVALID'],
    ['finds too little memory', disk(1440 * KIB), { ramBytes: 5 * MIB }, 'MEMORY_INVALID'],
    ['has no signature', new Uint8Array(512), { form: 'boot-sector' }, 'IMAGE_INVALID'],
    ['is too short for one', disk(512).subarray(0, 511), { form: 'boot-sector' }, 'IMAGE_INVALID'],
    ['comes with a command line', disk(512), { commandLine: 'x' }, 'OPTION_INVALID'],
  ] as const)('is refused where it %s', (_, image, options, code) => {
    expect(refusal(image, options).code).toBe(code);
  });

  it('says how large a floppy may be, even where there is no firmware', () => {
    expect(refusal(disk(4 * MIB), { firmware: undefined }).message).toContain('2.88 MB');
  });
});

describe('inspect of a boot sector', () => {
  const text = (size: number) => {
    const options = { ramBytes: 64 * MIB, firmware: rom(size) };
    return inspectionText('boot.img', inspectImage(disk(512), options));
  };

  it('shows where the firmware is, and how it is entered', () => {
    expect(text(256 * KIB)).toBe(`\
boot.img: 512 bytes
forms: boot-sector

boot-sector: a floppy disk of 1440 KiB, padded, booted by a firmware of 256 KiB

      from          to   bytes  zeroed  what
   0xe0000     0xfffff  131072          firmware, shadowed
0xfffc0000  0xffffffff  262144          firmware

entered at the reset vector, f000:fff0 with the CS base 0xffff0000
`);
  });

  it('shows a firmware smaller than 128 KiB whole below 1 MiB', () => {
    expect(text(64 * KIB)).toMatch(/^ *0xf0000 +0xfffff +65536 +firmware, shadowed$/m);
  });
});
