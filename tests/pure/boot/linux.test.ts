import { describe, expect, it } from 'vitest';
import { BOOT_PARAMS } from '../../../src/boot/boot-params.js';
import { type LinuxOptions, planLinux } from '../../../src/boot/linux.js';
import { HDR } from '../../../src/boot/linux-header.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { bzImage, KERNEL_OFFSET, random, segment, segmentFaults, setField, thrownBy, VERSION } from './bzimage.js';

const OPTIONS: LinuxOptions = { ramBytes: 256 * MIB, commandLine: 'console=ttyS0' };

function zeroPage(image: Uint8Array, options: Partial<LinuxOptions> = {}) {
  const plan = planLinux(image, { ...OPTIONS, ...options });
  const page = segment(plan, 'boot_params');
  return { plan, page, view: new DataView(page.bytes.buffer, page.bytes.byteOffset, page.bytes.length) };
}

function refusal(image: Uint8Array, options: Partial<LinuxOptions> = {}): VmError {
  const error = thrownBy(() => planLinux(image, { ...OPTIONS, ...options }));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

describe('the plan of a bzImage', () => {
  it('enters the kernel by the 64-bit protocol', () => {
    const image = bzImage();
    const plan = planLinux(image, OPTIONS);
    const kernel = segment(plan, 'kernel');
    expect(kernel.address).toBe(0x1000000);
    expect(kernel.bytes).toEqual(image.subarray(KERNEL_OFFSET));
    expect(kernel.bytes.buffer).toBe(image.buffer);
    expect(plan.entry).toEqual({
      mode: 'long',
      rip: 0x1000200,
      registers: { rsi: segment(plan, 'boot_params').address },
      gdt: { base: segment(plan, 'GDT').address, limit: 31, code: 0x10, data: 0x18 },
      cr3: segment(plan, 'page tables').address,
    });
    expect(plan.form).toBe('bzImage');
    expect(plan.description).toBe(`Linux ${VERSION}, boot protocol 2.15`);
    expect(segmentFaults(plan, OPTIONS.ramBytes)).toEqual([]);
  });

  it('fills the zero page: the header as the image has it, and what a loader owes', () => {
    const image = bzImage({ loadflags: 0x80, setup_data: 0x1234 });
    image[0x1ef] = 0xff;
    const { plan, page, view } = zeroPage(image, { rsdp: 0xe0000 });
    expect(page.bytes.length).toBe(4096);
    expect(page.bytes.subarray(0x1f1, 0x20f)).toEqual(image.subarray(0x1f1, 0x20f));
    expect(page.bytes.subarray(0x22c, 0x250)).toEqual(image.subarray(0x22c, 0x250));
    expect(view.getUint8(HDR.type_of_loader)).toBe(0xff);
    expect(view.getUint8(HDR.loadflags)).toBe(0x81);
    expect(view.getUint32(HDR.code32_start, true)).toBe(0x1000000);
    expect(view.getUint32(HDR.cmd_line_ptr, true)).toBe(segment(plan, 'command line').address);
    expect(view.getBigUint64(HDR.setup_data, true)).toBe(BigInt(segment(plan, 'random seed').address));
    expect(view.getBigUint64(BOOT_PARAMS.acpi_rsdp_addr, true)).toBe(0xe0000n);
    expect(view.getUint32(HDR.ramdisk_image, true)).toBe(0);
    // The sentinel of the image must not come along: the kernel would wipe what we say.
    expect(view.getUint8(0x1ef)).toBe(0);
    expect(Buffer.from(segment(plan, 'command line').bytes).toString()).toBe('console=ttyS0\0');
  });

  it('gives a place for a random seed, as the last node of the list at setup_data', () => {
    const { bytes, randomFrom } = segment(planLinux(bzImage(), OPTIONS), 'random seed');
    const node = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    // Of the kernel's asm/bootparam.h: next, SETUP_RNG_SEED, length.
    expect([node.getBigUint64(0, true), node.getUint32(8, true), node.getUint32(12, true)]).toEqual([0n, 9, 32]);
    expect(randomFrom).toBe(16);
    expect(bytes.length).toBe(48);
  });

  it('describes memory on both sides of the hole', () => {
    const { view } = zeroPage(bzImage(), { ramBytes: 6 * GIB });
    const entries = Array.from({ length: view.getUint8(BOOT_PARAMS.e820_entries) }, (_, i) => {
      const at = BOOT_PARAMS.e820_table + 20 * i;
      return [view.getBigUint64(at, true), view.getBigUint64(at + 8, true), view.getUint32(at + 16, true)];
    });
    expect(entries).toEqual([
      [0n, 0x9fc00n, 1],
      [0x9fc00n, 0x60400n, 2],
      [0x100000n, 0xbff00000n, 1],
      [0xfec00000n, 0x1400000n, 2],
      [0x100000000n, 0xc0000000n, 1],
    ]);
  });

  it('loads where the kernel prefers, aligned as it asks', () => {
    const at = (fields: Parameters<typeof bzImage>[0]) =>
      segment(planLinux(bzImage(fields), OPTIONS), 'kernel').address;
    expect(at({ pref_address: 0 })).toBe(0x200000);
    expect(at({ pref_address: 0x1100000 })).toBe(0x1200000);
    expect(at({ pref_address: 0x1100000, relocatable_kernel: 0, kernel_alignment: 0 })).toBe(0x1100000);
  });

  it('reads an image anywhere in a larger buffer', () => {
    const image = bzImage();
    const buffer = new Uint8Array(image.length + 7);
    buffer.set(image, 7);
    expect(planLinux(buffer.subarray(7), OPTIONS).entry.rip).toBe(0x1000200);
  });
});

describe('the initrd', () => {
  const place = (length: number, fields = {}, ramBytes = OPTIONS.ramBytes) => {
    const { plan, view } = zeroPage(bzImage(fields), { initrd: new Uint8Array(length), ramBytes });
    expect(segmentFaults(plan, ramBytes)).toEqual([]);
    const { address } = segment(plan, 'initrd');
    expect(view.getUint32(HDR.ramdisk_image, true)).toBe(address);
    expect(view.getUint32(HDR.ramdisk_size, true)).toBe(length);
    return address;
  };

  it('lies at the top of RAM, page-aligned', () => {
    expect(place(1)).toBe(0xffff000);
    expect(place(4096)).toBe(0xffff000);
    expect(place(4097)).toBe(0xfffe000);
  });

  it('lies below the hole, and below what the kernel allows', () => {
    expect(place(4096, { initrd_addr_max: 0xffffffff }, 6 * GIB)).toBe(0xbffff000);
    expect(place(4096, { initrd_addr_max: 0x37ffffff }, 6 * GIB)).toBe(0x37fff000);
    expect(place(4096, { initrd_addr_max: 0x37fffffe }, 6 * GIB)).toBe(0x37ffe000);
  });

  it('goes below the kernel where there is no room above, and is never in the way of its unpacking', () => {
    const ramBytes = 0x1800000;
    expect(place(15 * MIB, {}, ramBytes)).toBe(MIB);
    expect(place(4096, { init_size: 0x7ff000 }, ramBytes)).toBe(0x17ff000);
    expect(place(4096, { init_size: 0x7ff001 }, ramBytes)).toBe(0xfff000);
  });

  it('is refused where it does not fit', () => {
    const error = refusal(bzImage(), { initrd: new Uint8Array(15 * MIB + 1), ramBytes: 0x1800000 });
    expect(error.code).toBe('INITRD_TOO_LARGE');
    expect(error.message).toBe('the initrd has 15.1 MiB, and beside the kernel there is room for 15 MiB');
    expect(refusal(bzImage({ initrd_addr_max: 0 }), { initrd: new Uint8Array(1) }).code).toBe('INITRD_TOO_LARGE');
    expect(refusal(bzImage(), { initrd: new Uint8Array(0) }).code).toBe('IMAGE_EMPTY');
  });
});

describe('the command line', () => {
  it('may be as long as the kernel takes, and no longer', () => {
    const image = bzImage({ cmdline_size: 20 });
    expect(segment(planLinux(image, { ...OPTIONS, commandLine: 'x'.repeat(20) }), 'command line').bytes.length).toBe(
      21,
    );
    const error = refusal(image, { commandLine: 'x'.repeat(21) });
    expect(error.code).toBe('COMMAND_LINE_TOO_LONG');
    expect(error.message).toContain('has 21 bytes, and this kernel takes 20');
  });

  it('is counted in bytes, not in characters', () => {
    expect(refusal(bzImage({ cmdline_size: 20 }), { commandLine: 'é'.repeat(11) }).code).toBe('COMMAND_LINE_TOO_LONG');
  });

  it('stays in its area, whatever the header allows', () => {
    const image = bzImage({ cmdline_size: 0xffffffff });
    expect(refusal(image, { commandLine: 'x'.repeat(0x10000) }).code).toBe('COMMAND_LINE_TOO_LONG');
    expect(segmentFaults(planLinux(image, { ...OPTIONS, commandLine: 'x'.repeat(0xffff) }), OPTIONS.ramBytes)).toEqual(
      [],
    );
  });

  it('holds no zero byte', () => {
    expect(refusal(bzImage(), { commandLine: 'quiet\0init=/x' }).code).toBe('OPTION_INVALID');
  });
});

describe('a kernel that cannot be booted is refused, saying why', () => {
  it.each<[string, Parameters<typeof bzImage>[0], string, string]>([
    ['too old', { version: 0x0209 }, 'IMAGE_UNSUPPORTED', 'boot protocol 2.9'],
    ['without boot flag', { boot_flag: 0x1234 }, 'IMAGE_INVALID', '0x1234 in place of 0xaa55'],
    ['with a short header', { jump: 0x61eb }, 'IMAGE_INVALID', 'its header ends at 0x263'],
    ['with a long header', { jump: 0x8feb }, 'IMAGE_INVALID', 'its header ends at 0x291'],
    ['with truncated setup', { setup_sects: 64 }, 'IMAGE_INVALID', 'its 64 sectors of setup code ends at byte 33280'],
    ['truncated', { syssize: 0x45 }, 'IMAGE_INVALID', 'truncated: its kernel ends at byte 2640, the file has 2624'],
    ['of 4 GiB', { syssize: 0xffffffff }, 'IMAGE_INVALID', 'truncated'],
    ['without a kernel', { syssize: 0 }, 'IMAGE_INVALID', 'its kernel has 0 bytes'],
    ['with its entry cut off', { syssize: 0x20 }, 'IMAGE_INVALID', 'its kernel has 512 bytes'],
    ['with a payload beyond its end', { payload_length: 65 }, 'IMAGE_INVALID', '65 bytes at 0x400'],
    ['with a payload far away', { payload_offset: 0xffffffff }, 'IMAGE_INVALID', 'reaches beyond its kernel'],
    ['with alignment 0', { kernel_alignment: 0 }, 'IMAGE_INVALID', 'kernel_alignment 0x0'],
    ['with odd alignment', { kernel_alignment: 0x300000 }, 'IMAGE_INVALID', 'kernel_alignment 0x300000'],
    ['without init_size', { init_size: 0 }, 'IMAGE_INVALID', 'init_size'],
    ['too large', { init_size: 0xf000001 }, 'IMAGE_TOO_LARGE', 'from 0x1000000 to 0x10000001; RAM ends at 0x10000000'],
    ['with large alignment', { kernel_alignment: 0x80000000 }, 'IMAGE_TOO_LARGE', '0x80000000'],
    ['above 4 GiB', { pref_address: 2 ** 40 }, 'IMAGE_TOO_LARGE', '0x10000000000'],
    ['fixed below 1 MiB', { relocatable_kernel: 0, pref_address: 0x1000 }, 'IMAGE_UNSUPPORTED', '0x1000'],
  ])('%s', (_, fields, code, text) => {
    const error = refusal(bzImage(fields));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
    expect(error.message).not.toContain('\n');
    expect(error.hint).not.toBe('');
  });

  it('fits exactly, or is refused by a byte', () => {
    expect(planLinux(bzImage({ init_size: 0xf000000 }), OPTIONS).entry.rip).toBe(0x1000200);
    // RAM above the hole is no help.
    expect(refusal(bzImage({ init_size: 0xbf000001 }), { ramBytes: 8 * GIB }).code).toBe('IMAGE_TOO_LARGE');
  });

  it('names a file that ends within its first sectors', () => {
    expect(refusal(bzImage().subarray(0, 0x210)).message).toContain('the file has 528');
    expect(refusal(bzImage().subarray(0, 0x204)).message).toContain('no "HdrS"');
    expect(refusal(new Uint8Array(0)).code).toBe('IMAGE_INVALID');
  });

  it('refuses memory that no map describes', () => {
    for (const ramBytes of [0, -4096, MIB, 256 * MIB + 1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(refusal(bzImage(), { ramBytes }).code).toBe('MEMORY_INVALID');
    }
  });

  it('takes setup_sects 0 for 4', () => {
    const image = new Uint8Array(5 * 512 + 0x440);
    image.set(bzImage({ setup_sects: 0 }).subarray(0, KERNEL_OFFSET));
    expect(segment(planLinux(image, OPTIONS), 'kernel').bytes.byteOffset).toBe(5 * 512);
  });
});

describe('the version text', () => {
  it('is cut at what a terminal must not see, and at the end of the setup code', () => {
    const image = bzImage();
    image.set(Buffer.from('5.1\x1b[31m'), 0x300);
    expect(planLinux(image, OPTIONS).description).toContain('Linux 5.1, boot');
    setField(image, 'kernel_version', KERNEL_OFFSET - 0x200 - 2);
    image.set(Buffer.from('ab'), KERNEL_OFFSET - 2);
    expect(planLinux(image, OPTIONS).description).toMatch(/^ab, boot/);
    setField(image, 'kernel_version', 0xffff);
    expect(planLinux(image, OPTIONS).description).toContain('of unknown version');
  });
});

it('never throws anything but a VmError, nor plans outside RAM, whatever the header holds', () => {
  const next = random(3);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
  const initrds = [undefined, undefined, new Uint8Array(1), new Uint8Array(5 * MIB + 1), new Uint8Array(70 * MIB)];
  const lengths = ['', 'console=ttyS0', 'x'.repeat(3000)];
  const sizes = [2 * MIB, 17 * MIB, 32 * MIB, 100 * MIB, 3 * GIB, 3 * GIB + 4096, 9 * GIB];
  const interesting = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
  let planned = 0;
  let refused = 0;
  for (let round = 0; round < 5000; round++) {
    const image = bzImage();
    for (let change = next(5); change >= 0; change--) {
      // Mostly the header, rarely what is before and after it; HdrS itself stays, for else there is nothing to read.
      const at = next(8) === 0 ? next(image.length) : 0x206 + next(0x62);
      image[at] = next(2) === 0 ? pick(interesting) : next(256);
    }
    const cut = next(10) === 0 ? image.subarray(0, next(image.length)) : image;
    const options = { ramBytes: pick(sizes), commandLine: pick(lengths), initrd: pick(initrds), rsdp: 0xe0000 };
    const run = () => {
      const plan = planLinux(cut, options);
      expect(segmentFaults(plan, options.ramBytes)).toEqual([]);
      const kernel = segment(plan, 'kernel');
      expect(plan.entry.rip - kernel.address).toBe(plan.entry.mode === 'long' ? 0x200 : 0);
      return plan;
    };
    const error = thrownBy(run);
    if (error === undefined) planned++;
    else if (error instanceof VmError && error.code !== 'BUG') refused++;
    else throw new Error(`round ${round}`, { cause: error });
  }
  expect(planned).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(500);
});
