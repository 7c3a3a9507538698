import { describe, expect, it } from 'vitest';
import { BOOT_PARAMS } from '../../../src/boot/boot-params.js';
import { planElf } from '../../../src/boot/elf.js';
import { HDR } from '../../../src/boot/linux-header.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { segment, thrownBy } from './bzimage.js';
import { CODE, elf, linuxNote, Memory, type TestElf, type TestSegment } from './images.js';

const RAM = 64 * MIB;
const OPTIONS = { ramBytes: RAM, commandLine: 'quiet', rsdp: 0xe0000 };

const plan = (options: TestElf = {}, ramBytes = RAM) => planElf(elf(options), { ...OPTIONS, ramBytes });

function refusal(image: Uint8Array, ramBytes = RAM): VmError {
  const error = thrownBy(() => planElf(image, { ...OPTIONS, ramBytes }));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

describe('a bare ELF executable', () => {
  it.each([
    [64, 'long'],
    [32, 'protected'],
  ] as const)('of %i bits is entered in %s mode with boot_params in rsi', (bits, mode) => {
    const image = elf({ bits, segments: [{ paddr: 0x200000, bytes: CODE, memsz: 0x3000 }], entry: 0x200010 });
    const made = planElf(image, { ...OPTIONS, initrd: new Uint8Array(5000).fill(7) });
    expect(made).toMatchObject({ form: 'elf', isLinux: false, entry: { mode, rip: 0x200010 } });
    expect(made.entry.cr3).toBe(mode === 'long' ? segment(made, 'page tables').address : undefined);
    expect(segment(made, 'ELF segment 0')).toEqual({
      address: 0x200000,
      bytes: image.subarray(-64),
      memoryBytes: 0x3000,
      what: 'ELF segment 0',
    });
    const memory = new Memory(made);
    const page = made.entry.registers?.rsi ?? 0;
    expect(memory.u32(page + HDR.header)).toBe(0x53726448);
    expect(memory.bytes(page + HDR.boot_flag, 2).readUInt16LE()).toBe(0xaa55);
    expect(memory.bytes(page + HDR.type_of_loader, 1)[0]).toBe(0xff);
    expect(memory.text(memory.u32(page + HDR.cmd_line_ptr))).toBe('quiet');
    expect(memory.u32(page + HDR.ramdisk_image)).toBe(RAM - 0x2000);
    expect(memory.u32(page + HDR.ramdisk_size)).toBe(5000);
    expect(memory.u64(page + BOOT_PARAMS.acpi_rsdp_addr)).toBe(0xe0000n);
    expect(memory.bytes(page + BOOT_PARAMS.e820_entries, 1)[0]).toBe(4);
    expect(memory.u64(page + BOOT_PARAMS.e820_table + 8)).toBe(0x9fc00n);
  });

  it('is Linux where its notes say so', () => {
    const made = plan({ notes: [linuxNote] });
    expect(made).toMatchObject({ isLinux: true, description: 'an ELF64 executable, Linux 6.1.0-test' });
  });

  it('may name its entry by a virtual address of 64 bits', () => {
    const segments = [{ paddr: 0x400000, vaddr: 0xffffffff80400000n, bytes: CODE }];
    expect(plan({ segments, entry: 0xffffffff80400008n }).entry.rip).toBe(0x400008);
    // Linux: the entry is physical, and a segment of per-CPU data has low virtual addresses.
    const both = [...segments, { paddr: 0x500000, vaddr: 0, bytes: CODE, memsz: 0x410000 }];
    expect(plan({ segments: both, entry: 0x400008 }).entry.rip).toBe(0x400008);
  });

  it('leaves out what has no size, and takes what has no bytes in the file', () => {
    const segments: TestSegment[] = [
      { paddr: 0x100000, bytes: CODE },
      { paddr: 0xa0000, memsz: 0 },
      { paddr: 0x200000, memsz: 0x1000 },
    ];
    const made = plan({ segments });
    expect(segment(made, 'ELF segment 2')).toMatchObject({ address: 0x200000, memoryBytes: 0x1000 });
    expect(made.segments.filter(({ what }) => what.startsWith('ELF')).length).toBe(2);
  });

  it('may lie above 4 GiB, but for its entry', () => {
    const segments = [
      { paddr: 0x100000, bytes: CODE },
      { paddr: 4 * GIB, bytes: CODE },
    ];
    expect(segment(plan({ segments }, 4 * GIB), 'ELF segment 1').address).toBe(4 * GIB);
    expect(refusal(elf({ segments, entry: 4 * GIB }), 4 * GIB).message).toMatch(/entry 0x100000000 is not below 4 GiB/);
  });

  it('leaves room for its own tables where it lies low itself', () => {
    const made = plan({ segments: [{ paddr: 0, bytes: new Uint8Array(0x9fc00) }], entry: 0 });
    expect(segment(made, 'GDT').address).toBe(MIB);
    expect(made.segments.some(({ what }) => what === 'BIOS data area')).toBe(false);
  });
});

describe('an ELF file that cannot be booted is refused, saying what and where', () => {
  const two = (a: TestSegment, b: TestSegment) => elf({ segments: [a, b] });
  const one = (segment: TestSegment, bits: 32 | 64 = 64) => elf({ bits, segments: [segment] });
  it.each<[string, Uint8Array, string, RegExp]>([
    ['without magic', Buffer.alloc(100), 'IMAGE_INVALID', /magic number/],
    ['cut in its identification', elf().subarray(0, 10), 'IMAGE_INVALID', /identification ends at byte 16/],
    ['cut in its header', elf().subarray(0, 63), 'IMAGE_INVALID', /header ends at byte 64, the file has 63/],
    ['cut in its 32-bit header', elf({ bits: 32 }).subarray(0, 51), 'IMAGE_INVALID', /header ends at byte 52/],
    ['cut in its program headers', elf().subarray(0, 100), 'IMAGE_INVALID', /table of 1 program headers ends at/],
    ['cut in what it loads', elf().subarray(0, -1), 'IMAGE_INVALID', /truncated: what program header 0 loads/],
    ['of class 3', Buffer.from(elf()).fill(3, 4, 5), 'IMAGE_INVALID', /class is 3/],
    ['big-endian', Buffer.from(elf()).fill(2, 5, 6), 'IMAGE_UNSUPPORTED', /big-endian/],
    ['of version 2', Buffer.from(elf()).fill(2, 6, 7), 'IMAGE_INVALID', /version is 2/],
    ['for Arm', elf({ machine: 183 }), 'IMAGE_UNSUPPORTED', /machine 183/],
    ['for x32', elf({ bits: 32, machine: 62 }), 'IMAGE_UNSUPPORTED', /machine 62/],
    ['an object file', elf({ type: 1 }), 'IMAGE_UNSUPPORTED', /type 1/],
    ['a dynamic program', elf({ segments: [{ type: 3, paddr: 0, bytes: CODE }] }), 'IMAGE_UNSUPPORTED', /dynamic/],
    ['without program headers', elf({ phnum: 0 }), 'IMAGE_INVALID', /e_phnum is 0/],
    ['with 65535 of them', elf({ phnum: 65535 }), 'IMAGE_UNSUPPORTED', /65535 program headers/],
    ['with 257 of them', elf({ phnum: 257 }), 'IMAGE_UNSUPPORTED', /at most 256/],
    ['with short ones', elf({ phentsize: 55 }), 'IMAGE_INVALID', /55 bytes/],
    ['with them at 2^64 - 1', elf({ phoff: -1 }), 'IMAGE_INVALID', /truncated/],
    ['loading nothing', elf({ segments: [{ type: 4, paddr: 0 }] }), 'IMAGE_INVALID', /PT_LOAD/],
    ['p_filesz > p_memsz', one({ paddr: MIB, bytes: CODE, memsz: 63 }), 'IMAGE_INVALID', /p_filesz 0x40.*0x3f/],
    ['p_filesz > 0 = p_memsz', one({ paddr: MIB, bytes: CODE, memsz: 0 }), 'IMAGE_INVALID', /p_filesz/],
    ['p_offset near 2^64', one({ paddr: MIB, bytes: CODE, offset: -32 }), 'IMAGE_INVALID', /truncated/],
    ['p_filesz near 2^64', one({ paddr: MIB, filesz: -1, memsz: -1 }), 'IMAGE_INVALID', /truncated/],
    ['p_memsz near 2^64', one({ paddr: MIB, bytes: CODE, memsz: -1 }), 'IMAGE_INVALID', /0xffffffffffffffff bytes at/],
    ['p_paddr near 2^64', one({ paddr: -4096, bytes: CODE }), 'IMAGE_INVALID', /beyond any physical address/],
    ['p_paddr + p_memsz = 2^64', one({ paddr: -64, bytes: CODE }), 'IMAGE_INVALID', /beyond any physical/],
    ['p_memsz of 2^52', one({ paddr: 0, bytes: CODE, memsz: 1n << 52n }), 'IMAGE_UNSUPPORTED', /video memory/],
    ['p_memsz near 2^32', one({ paddr: MIB, bytes: CODE, memsz: 0xffefffff }, 32), 'IMAGE_UNSUPPORTED', /hole/],
    ['p_paddr near 2^32', one({ paddr: 0xffffffe0, bytes: CODE }, 32), 'IMAGE_UNSUPPORTED', /hole/],
    ['beyond RAM', one({ paddr: RAM - 63, bytes: CODE }), 'IMAGE_TOO_LARGE', /0x3ffffc1–0x4000000.*ends at 0x4000000/],
    ['in the hole', one({ paddr: 3 * GIB, bytes: CODE }), 'IMAGE_UNSUPPORTED', /hole for devices/],
    ['across the hole', one({ paddr: GIB, bytes: CODE, memsz: 4 * GIB }), 'IMAGE_UNSUPPORTED', /hole/],
    ['over the BIOS area', one({ paddr: 0x9fc00, bytes: CODE }), 'IMAGE_UNSUPPORTED', /0x9fc00–0xfffff/],
    ['over ACPI tables', one({ paddr: 0xe0000, bytes: CODE }), 'IMAGE_UNSUPPORTED', /ACPI tables/],
    ['from below into it', one({ paddr: 0x9fbff, bytes: CODE }), 'IMAGE_UNSUPPORTED', /ELF segment 0 \(0x9fbff/],
    [
      'overlapping itself',
      two({ paddr: MIB, bytes: CODE }, { paddr: MIB + 63, bytes: CODE }),
      'IMAGE_INVALID',
      /ELF segment 1 \(0x10003f–0x10007e\) overlaps ELF segment 0 \(0x100000–0x10003f\)/,
    ],
    [
      'with a bss over another',
      two({ paddr: MIB, bytes: CODE, memsz: 0x1001 }, { paddr: MIB + 0x1000, bytes: CODE }),
      'IMAGE_INVALID',
      /overlaps/,
    ],
    ['entered before it', elf({ entry: 0xfffff }), 'IMAGE_INVALID', /entry 0xfffff is in none/],
    ['entered behind it', elf({ entry: 0x100040 }), 'IMAGE_INVALID', /entry 0x100040 is in none/],
    ['entered at 2^64 - 1', elf({ entry: -1 }), 'IMAGE_INVALID', /0xffffffffffffffff is in none/],
  ])('%s', (_, image, code, message) => {
    const error = refusal(image);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.hint).not.toBe('');
  });

  it('in the hole also where there is RAM on both sides of it', () => {
    const image = elf({ segments: [{ paddr: 0xbfffffff, bytes: CODE }], entry: 0xbfffffff });
    expect(refusal(image, 8 * GIB)).toMatchObject({
      code: 'IMAGE_UNSUPPORTED',
      message: expect.stringMatching(/hole/),
    });
  });
});
