import { describe, expect, it } from 'vitest';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import type { BootPlan } from '../../../src/boot/plan.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { bzImage, thrownBy } from './bzimage.js';
import { CODE, elf, imageWith, multiboot2Header, multibootHeader, pvhNote, u32 } from './images.js';

const ENTRY = MIB + 32;
const ROM = new Uint8Array(128 * 1024);
const AT_1M = { paddr: MIB, bytes: CODE, memsz: 0x2000 };
const KERNELS = {
  multiboot: imageWith(multibootHeader(0x10003, [MIB, MIB, 0, 0x102000, ENTRY])),
  multiboot2: imageWith(
    multiboot2Header([
      { type: 2, body: u32(MIB, MIB, 0, 0x102000) },
      { type: 3, body: u32(ENTRY) },
    ]),
  ),
  pvh: elf({ bits: 32, segments: [AT_1M], notes: [pvhNote(ENTRY)] }),
} as const;
const LOW = imageWith(multibootHeader(0x10003, [0x8000, 0x8000, 0, 0x9000, 0x8020]));

const plan = (image: Uint8Array, options: Partial<BootOptions> = {}): BootPlan =>
  planBoot(image, { ramBytes: 64 * MIB, firmware: ROM, rsdp: 0xe0000, rsdpBytes: new Uint8Array(36), ...options });

function refusal(image: Uint8Array, options: Partial<BootOptions> = {}): VmError {
  const error = thrownBy(() => plan(image, options));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

/** The floppy disk's first sector. */
function sectorOf({ firmware }: BootPlan): Buffer {
  const disk = firmware?.files.find(({ name }) => name === 'floppyimg/image')?.bytes;
  return Buffer.from(disk ?? []).subarray(0, 512);
}

describe.each(Object.entries(KERNELS))('a %s kernel behind a firmware', (form, image) => {
  it('is in memory above 1 MiB, and the firmware is entered', () => {
    const made = plan(image, { commandLine: 'a b', initrd: CODE });
    expect(made).toMatchObject({ form, entry: { mode: 'reset' }, firmware: { rom: ROM } });
    expect(Math.min(...made.segments.map(({ address }) => address))).toBeGreaterThanOrEqual(MIB);
    expect(made.segments.map(({ what }) => what)).not.toContain('BIOS data area');
  });

  it('is entered by the sector that the firmware boots, with the registers of its form', () => {
    const direct = planBoot(image, { ramBytes: 64 * MIB });
    const sector = sectorOf(plan(image));
    expect(sector.readUInt16LE(510)).toBe(0xaa55);
    const jump = sector.indexOf(0xe9, sector.indexOf(Buffer.from([0x8e, 0xd0])));
    expect((0x7c00 + jump + 5 + sector.readInt32LE(jump + 1)) >>> 0).toBe(direct.entry.rip);
    const eax = sector.indexOf(Buffer.from([0x8e, 0xd0])) + 2;
    expect(sector[eax]).toBe(0xb8);
    expect(sector.readUInt32LE(eax + 1)).toBe(direct.entry.registers?.rax ?? 0);
  });

  it('is told of less RAM than there is: the end is the firmware’s', () => {
    const end = Math.max(...plan(image, { initrd: CODE }).segments.map(({ address, bytes }) => address + bytes.length));
    expect(end).toBeLessThanOrEqual(63 * MIB);
  });
});

describe('a firmware before a kernel', () => {
  it('wants a machine that leaves it room, with all RAM below the hole', () => {
    for (const ramBytes of [4 * MIB, 3 * GIB + 4096]) {
      expect(refusal(KERNELS.multiboot, { ramBytes }).code).toBe('MEMORY_INVALID');
    }
    expect(plan(KERNELS.multiboot, { ramBytes: 3 * GIB }).entry.mode).toBe('reset');
  });

  it('has the memory below 1 MiB for itself', () => {
    expect(refusal(LOW)).toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      message: expect.stringContaining('is where the firmware works'),
    });
  });

  it('is refused where it is none, and where the kernel has no 32-bit entry', () => {
    expect(refusal(KERNELS.pvh, { firmware: new Uint8Array(77) }).code).toBe('FIRMWARE_INVALID');
    expect(refusal(bzImage()).message).toBe('a Linux bzImage takes no firmware');
  });
});
