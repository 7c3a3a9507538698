import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { shortenElf } from '../../../src/boot/elf-file.js';
import { type LinuxOptions, planLinux } from '../../../src/boot/linux.js';
import { HDR } from '../../../src/boot/linux-header.js';
import { plainBzImage } from '../../../src/boot/linux-unpacked.js';
import { planBoot } from '../../../src/boot/load.js';
import type { BootPlan } from '../../../src/boot/plan.js';
import type { Decompress } from '../../../src/boot/vmlinux.js';
import { VmError } from '../../../src/errors.js';
import { MIB } from '../../../src/memory/map.js';
import { bzImage, KERNEL_OFFSET, segment, segmentFaults, thrownBy, VERSION } from './bzimage.js';
import { CODE, elf, Memory, u32 } from './images.js';

const NO_PROGRAM: Decompress = (format) => {
  throw new VmError('IMAGE_UNSUPPORTED', `no ${format} here`);
};
const OPTIONS: LinuxOptions = { ramBytes: 256 * MIB, commandLine: 'console=ttyS0', decompress: NO_PROGRAM };

/** Two segments, of which the second ends in zeros and bss; and relocations after them. */
const DATA = Buffer.concat([CODE, Buffer.alloc(5000)]);
const EXECUTABLE = elf({
  entry: 0x1000010,
  segments: [
    { paddr: 0x1000000, vaddr: 0xffffffff81000000n, bytes: CODE },
    { paddr: 0x1200000, vaddr: 0xffffffff81200000n, bytes: DATA, memsz: 0x5000 },
  ],
});
const VMLINUX = Buffer.concat([EXECUTABLE, Buffer.from('relocations')]);

/** A legacy LZ4 frame of one block that has literals only. */
function lz4(bytes: Uint8Array): Buffer {
  const more = bytes.length - 15;
  const length = [0xf0, ...new Array<number>(Math.floor(more / 255)).fill(255), more % 255];
  return Buffer.concat([u32(0x184c2102, length.length + bytes.length), Buffer.from(length), bytes]);
}
const sized = (packed: Uint8Array, size = VMLINUX.length): Buffer => Buffer.concat([packed, u32(size)]);
const XZ = Buffer.from('fd377a585a0000', 'hex');
const ZSTD = Buffer.from('28b52ffd00', 'hex');

const unpackedPlan = (payload: Uint8Array, options: Partial<LinuxOptions> = {}, fields = {}): BootPlan =>
  planLinux(bzImage(fields, payload), { ...OPTIONS, ...options });

describe('a bzImage that is unpacked here', () => {
  const decompress: Decompress = (format, packed, most) => {
    expect(Buffer.from(packed)).toEqual(format === 'xz' ? XZ : ZSTD);
    expect(most).toBe(VMLINUX.length);
    return VMLINUX;
  };

  it.each<[string, Uint8Array]>([
    ['gzip', gzipSync(VMLINUX)],
    ['LZ4', sized(lz4(VMLINUX))],
    ['xz', sized(XZ)],
    ['zstd', sized(ZSTD)],
    ['nothing', sized(VMLINUX)],
  ])('from %s has its vmlinux where it was linked, entered by the 64-bit protocol', (_, payload) => {
    const plan = unpackedPlan(payload, { decompress });
    const page = segment(plan, 'boot_params').address;
    expect(plan.description).toBe(`Linux ${VERSION}, boot protocol 2.15, unpacked (no KASLR)`);
    expect(plan).toMatchObject({ form: 'bzImage', isLinux: true });
    expect(plan.entry).toMatchObject({ mode: 'long', rip: 0x1000010, registers: { rsi: page } });
    expect(plan.entry.cr3).toBe(segment(plan, 'page tables').address);
    expect(segmentFaults(plan, OPTIONS.ramBytes)).toEqual([]);
    expect(Buffer.from(segment(plan, 'ELF segment 0').bytes)).toEqual(Buffer.from(CODE));
    expect(Buffer.from(segment(plan, 'ELF segment 1').bytes)).toEqual(DATA);
    expect(Buffer.from(plan.unpacked?.vmlinux ?? [])).toEqual(VMLINUX);
  });

  it('has what a loader owes to Linux, and the setup header of the image', () => {
    const initrd = new Uint8Array(5000).fill(7);
    const plan = unpackedPlan(gzipSync(VMLINUX), { initrd, rsdp: 0xe0000 }, { kernel_alignment: 0x400000 });
    const memory = new Memory(plan);
    const page = segment(plan, 'boot_params').address;
    expect(memory.u32(page + HDR.header)).toBe(0x53726448);
    expect(memory.u32(page + HDR.kernel_alignment)).toBe(0x400000);
    expect(memory.u32(page + HDR.code32_start)).toBe(0x1000000);
    expect(memory.u32(page + HDR.ramdisk_size)).toBe(5000);
    expect(memory.u32(page + HDR.ramdisk_image)).toBe(segment(plan, 'initrd').address);
    expect(memory.text(memory.u32(page + HDR.cmd_line_ptr))).toBe('console=ttyS0');
  });

  it('keeps the memory free that the header says the kernel works in at first', () => {
    const plan = unpackedPlan(gzipSync(VMLINUX), {}, { init_size: 0x900000 });
    expect(segment(plan, 'ELF segment 1').memoryBytes).toBe(0x700000);
    expect(segment(unpackedPlan(gzipSync(VMLINUX), {}, { init_size: 1 }), 'ELF segment 1').memoryBytes).toBe(0x5000);
  });
});

describe('a bzImage is left to unpack itself', () => {
  const isPacked = (plan: BootPlan): boolean => {
    expect(segment(plan, 'kernel').address).toBe(0x1000000);
    return plan.entry.rip === 0x1000200 && plan.unpacked === undefined;
  };

  it.each<[string, Uint8Array, string]>([
    ['is truncated', sized(gzipSync(VMLINUX).subarray(0, -30)), 'gzip payload is damaged'],
    ['is truncated LZ4', sized(lz4(VMLINUX).subarray(0, -1)), 'LZ4 data is damaged'],
    ['has a wrong size', Buffer.concat([gzipSync(VMLINUX).subarray(0, -4), u32(9)]), 'gzip payload is damaged'],
    ['has a wrong size and is not packed', sized(VMLINUX, 9), `unpacks to ${VMLINUX.length} bytes in place of 9`],
    ['claims to be huge', sized(lz4(VMLINUX), 0xffffffff), 'says that it has 4294967295 bytes unpacked'],
    ['needs a program that is not here', sized(XZ), 'no xz here'],
    ['is packed with bzip2', sized(Buffer.from('BZh91AY')), 'packed with bzip2, which only the guest undoes'],
    ['is packed with LZMA', sized(Buffer.from('5d00008000ff', 'hex')), 'packed with LZMA'],
    ['is packed with LZO', sized(Buffer.from('894c5a4f000d', 'hex')), 'packed with LZO'],
    ['is packed in another way', new Uint8Array(64).fill(0xee), 'packed in an unknown way'],
    ['is no ELF file', gzipSync(Buffer.alloc(100)), 'does not begin with the magic number of ELF'],
    ['is a 32-bit kernel', gzipSync(elf({ bits: 32 })), 'is a 32-bit one'],
    ['is linked to beyond RAM', gzipSync(elf({ entry: 2 ** 31, segments: [{ paddr: 2 ** 31, bytes: CODE }] })), 'RAM'],
    ['has its entry nowhere', gzipSync(elf({ entry: 0x5000000 })), 'the entry 0x5000000 is in none of the segments'],
  ])('where its payload %s, and the plan says so', (_, payload, why) => {
    const plan = unpackedPlan(payload);
    expect(isPacked(plan)).toBe(true);
    expect(plan.description).toMatch(/, boot protocol 2\.15; the guest unpacks it: /);
    expect(plan.description).toContain(why);
  });

  it.each<[string, Parameters<typeof bzImage>[0], Partial<LinuxOptions>]>([
    ['it is asked for', {}, { decompress: undefined }],
    ['there is no payload', { payload_length: 0 }, {}],
  ])('where %s', (_, fields, options) => {
    const plan = unpackedPlan(gzipSync(VMLINUX), options, fields);
    expect(isPacked(plan)).toBe(true);
    expect(plan.description).toBe(`Linux ${VERSION}, boot protocol 2.15`);
  });

  it('where it has a 32-bit entry only', () => {
    const plan = unpackedPlan(gzipSync(VMLINUX), {}, { xloadflags: 0 });
    expect(plan.entry).toMatchObject({ mode: 'protected', rip: 0x1000000 });
    expect(plan.unpacked).toBeUndefined();
  });

  it('and refused for what neither way can do', () => {
    const error = thrownBy(() => unpackedPlan(gzipSync(VMLINUX), { initrd: new Uint8Array(0) }));
    expect(error).toMatchObject({ code: 'IMAGE_EMPTY' });
  });
});

describe('an unpacked kernel for a machine elsewhere', () => {
  it('is a bzImage with the same plan, and without the end of its vmlinux', () => {
    const options = { ramBytes: OPTIONS.ramBytes, decompress: NO_PROGRAM, initrd: CODE };
    const first = planBoot(gzipSync(bzImage({}, gzipSync(VMLINUX))), options);
    if (first.unpacked === undefined) throw new Error(first.description);
    const image = plainBzImage(first.unpacked);
    expect(image.length).toBeLessThan(KERNEL_OFFSET + VMLINUX.length - 4000 + 0x400);
    const second = planBoot(image, options);
    expect(second.description).toBe(first.description);
    expect(second.entry).toEqual(first.entry);
    const contents = ({ segments }: BootPlan) =>
      segments.map(({ what, address, bytes, memoryBytes }) => {
        const last = bytes.findLastIndex((byte) => byte !== 0);
        // The setup header says where the payload is: Linux has no use for that.
        return { what, address, memoryBytes, bytes: what === 'boot_params' ? '' : bytes.subarray(0, last + 1).join() };
      });
    expect(contents(second)).toEqual(contents(first));
  });

  it('may have segments of nothing but zeros, and program headers that point nowhere', () => {
    const file = elf({
      segments: [
        { paddr: 0x100000, bytes: CODE },
        { paddr: 0x200000, bytes: new Uint8Array(100), memsz: 200 },
        { type: 0x6474e551, paddr: 0, offset: 1n << 60n, filesz: 1n << 61n, memsz: 1n << 61n },
      ],
    });
    const shorter = shortenElf(file);
    expect(shorter.length).toBeLessThan(file.length);
    const plan = planBoot(shorter, { ramBytes: 64 * MIB });
    expect(segment(plan, 'ELF segment 1')).toMatchObject({ address: 0x200000, memoryBytes: 200 });
    expect(segment(plan, 'ELF segment 1').bytes.length).toBe(0);
    expect(Buffer.from(segment(plan, 'ELF segment 0').bytes)).toEqual(Buffer.from(CODE));
  });
});
