import { describe, expect, it } from 'vitest';
import { planFlat } from '../../../src/boot/flat.js';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import { flatGdt, identityPageTables } from '../../../src/boot/paging.js';
import type { EntryMode } from '../../../src/boot/plan.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { bzImage, random, segment, segmentFaults, thrownBy } from './bzimage.js';

const RAM = 64 * MIB;

function codeOf(run: () => unknown): string | undefined {
  const error = thrownBy(run);
  if (error === undefined) return undefined;
  if (error instanceof VmError) return error.code;
  throw error;
}

describe('a flat image', () => {
  const image = new Uint8Array([0xf4, 0xeb, 0xfd]);

  it('is entered in real mode at 0x7c00, as a boot sector', () => {
    const plan = planFlat(image, { ramBytes: RAM, mode: 'real' });
    expect(plan.segments).toEqual([{ address: 0x7c00, bytes: image, what: 'image' }]);
    expect(plan.entry).toEqual({ mode: 'real', rip: 0x7c00, registers: { rsp: 0x7c00 } });
    expect(plan.description).toBe('a flat image of 3 bytes at 0x7c00, entered in real mode');
  });

  it('is entered in protected mode at 1 MiB with flat segments', () => {
    const plan = planFlat(image, { ramBytes: RAM });
    expect(plan.entry).toEqual({
      mode: 'protected',
      rip: MIB,
      registers: { rsp: 0x90000 },
      gdt: { base: segment(plan, 'GDT').address, limit: 31, code: 0x10, data: 0x18 },
    });
    expect(segment(plan, 'image').bytes.buffer).toBe(image.buffer);
  });

  it('is entered in long mode with the first 4 GiB mapped', () => {
    const plan = planFlat(image, { ramBytes: RAM, mode: 'long', loadAddress: 0x1000 });
    expect(plan.entry).toMatchObject({ mode: 'long', rip: 0x1000, cr3: segment(plan, 'page tables').address });
    expect(segmentFaults(plan, RAM)).toEqual([]);
  });

  it('has its stack elsewhere where it lies below 0x7c00 itself', () => {
    expect(planFlat(image, { ramBytes: RAM, mode: 'real', loadAddress: 0 }).entry.registers?.rsp).toBe(0x7c00);
    expect(planFlat(image, { ramBytes: RAM, mode: 'real', loadAddress: 0x7000 }).entry.registers?.rsp).toBe(0xfff0);
  });

  it('is refused when it is empty, too large or nowhere', () => {
    expect(codeOf(() => planFlat(new Uint8Array(0), { ramBytes: RAM }))).toBe('IMAGE_EMPTY');
    const real = (length: number, loadAddress = 0x7c00) =>
      codeOf(() => planFlat(new Uint8Array(length), { ramBytes: RAM, mode: 'real', loadAddress }));
    expect(real(0x9fc00 - 0x7c00)).toBeUndefined();
    expect(real(0x9fc00 - 0x7c00 + 1)).toBe('IMAGE_TOO_LARGE');
    for (const at of [0x9fc00, 0xe0000, MIB, -1, 0.5, Number.NaN]) expect(real(1, at)).toBe('OPTION_INVALID');
    const long = (length: number, loadAddress: number, ramBytes = RAM) =>
      codeOf(() => planFlat(new Uint8Array(length), { ramBytes, loadAddress, mode: 'long' }));
    expect(long(MIB, RAM - MIB)).toBeUndefined();
    expect(long(MIB + 1, RAM - MIB)).toBe('IMAGE_TOO_LARGE');
    expect(long(1, RAM)).toBe('OPTION_INVALID');
    expect(long(1, 0x90000)).toBe('OPTION_INVALID');
    expect(long(1, 0xc0000000, 8 * GIB)).toBe('OPTION_INVALID');
    expect(long(1, 0, 0x96000)).toBe('MEMORY_INVALID');
  });

  it('never plans outside RAM or over its own tables', () => {
    const next = random(7);
    const modes: EntryMode[] = ['real', 'protected', 'long'];
    const whole = new Uint8Array(2 * MIB);
    let planned = 0;
    for (let round = 0; round < 3000; round++) {
      const ramBytes = 4096 * next(1200);
      const options = { ramBytes, mode: modes[next(3)], loadAddress: next(2) === 0 ? next(MIB) : next(6 * MIB) };
      const bytes = whole.subarray(0, next(4) === 0 ? next(2 * MIB) : next(0x8000));
      const error = thrownBy(() => {
        const plan = planFlat(bytes, options);
        expect(segmentFaults(plan, ramBytes)).toEqual([]);
        planned++;
      });
      if (error !== undefined && !(error instanceof VmError)) throw error;
    }
    expect(planned).toBeGreaterThan(500);
  });
});

describe('what an image is', () => {
  const plan = (image: Uint8Array, options: Partial<BootOptions> = {}) =>
    planBoot(image, { ramBytes: RAM, ...options });
  const text = (bytes: string) => Buffer.from(bytes, 'latin1');

  it('is told by its bytes', () => {
    expect(plan(bzImage(), { commandLine: 'quiet', rsdp: 0xe0000 }).form).toBe('bzImage');
    expect(plan(text('\xf4')).entry).toMatchObject({ mode: 'protected', rip: MIB });
    // A boot sector has the boot flag too; what it needs is a firmware.
    const sector = new Uint8Array(512);
    sector.set([0x55, 0xaa], 510);
    const error = thrownBy(() => plan(sector));
    expect(error).toMatchObject({ code: 'FIRMWARE_INVALID', message: expect.stringContaining('firmware') });
    expect(plan(sector, { flat: 'real' }).entry).toMatchObject({ mode: 'real', rip: 0x7c00 });
  });

  it('is what the caller says where a flat mode is given', () => {
    expect(plan(bzImage(), { flat: 'long', loadAddress: 0x200000 }).entry).toMatchObject({
      mode: 'long',
      rip: 0x200000,
    });
    expect(plan(text('\x7fELF'), { flat: 'protected' }).form).toBe('flat');
  });

  it('is refused by its name where it cannot be booted', () => {
    const refusal = (image: Uint8Array) => thrownBy(() => plan(image));
    expect(refusal(text('\x7fELF\x02\x01'))).toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringContaining('ELF'),
    });
    expect(refusal(bzImage().fill(0, 0x202, 0x206).fill(0x4d, 0, 1).fill(0x5a, 1, 2))).toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      message: expect.stringContaining('EFI'),
    });
    expect(refusal(bzImage({ boot_flag: 0 }))).toMatchObject({ code: 'IMAGE_INVALID' });
    expect(refusal(new Uint8Array(0))).toMatchObject({ code: 'IMAGE_EMPTY' });
  });

  it('takes no option that it has no use for', () => {
    expect(codeOf(() => plan(text('\xf4'), { commandLine: 'quiet' }))).toBe('OPTION_INVALID');
    expect(codeOf(() => plan(text('\xf4'), { initrd: text('x') }))).toBe('OPTION_INVALID');
    expect(codeOf(() => plan(text('\xf4'), { commandLine: '' }))).toBeUndefined();
    expect(codeOf(() => plan(bzImage(), { loadAddress: MIB }))).toBe('OPTION_INVALID');
  });
});

describe('tables for the boot CPU', () => {
  it('map every page of the first 4 GiB to itself, walked as the CPU walks', () => {
    const base = 0x9000;
    const { bytes } = identityPageTables(base);
    const view = new DataView(bytes.buffer);
    const entry = (table: bigint, index: number) => view.getBigUint64(Number(table) - base + index * 8, true);
    const address = (value: bigint) => value & 0x000ffffffffff000n;
    const pml4 = entry(BigInt(base), 0);
    expect(pml4 & 0x83n).toBe(3n);
    for (let page = 0; page < 2048; page++) {
      const pdpte = entry(address(pml4), page >> 9);
      expect(pdpte & 0x83n).toBe(3n);
      expect(entry(address(pdpte), page & 511)).toBe(BigInt(page) * 0x200000n + 0x83n);
    }
    expect(entry(address(pml4), 4)).toBe(0n);
    expect(entry(BigInt(base), 1)).toBe(0n);
  });

  it('have flat segments of the mode', () => {
    const descriptors = (mode: 'protected' | 'long') => {
      const view = new DataView(flatGdt(0x1000, mode).segment.bytes.buffer);
      return [0, 8, 16, 24].map((at) => view.getBigUint64(at, true));
    };
    expect(descriptors('long')).toEqual([0n, 0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn]);
    expect(descriptors('protected')).toEqual([0n, 0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn]);
  });
});
