import { describe, expect, it } from 'vitest';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { segment, thrownBy } from './bzimage.js';
import { elf, imageWith, Memory, multibootHeader } from './images.js';

const RAM = 64 * MIB;
const KLUDGE = 1 << 16;

const plan = (file: Uint8Array, options: Partial<BootOptions> = {}) => planBoot(file, { ramBytes: RAM, ...options });

function refusal(file: Uint8Array, options: Partial<BootOptions> = {}): VmError {
  const error = thrownBy(() => plan(file, { form: 'multiboot', ...options }));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

/** Header, load, load end, bss end and entry address. */
const addressed = (addresses: readonly number[], offset = 0, flags = 0) =>
  imageWith(multibootHeader(KLUDGE | flags, addresses), offset);
const simple = (flags = 0) => addressed([MIB, MIB, 0, 0, MIB + 32], 0, flags);
const inElf = (flags: number, bits: 32 | 64 = 32) =>
  elf({ bits, segments: [{ paddr: MIB, bytes: imageWith(multibootHeader(flags)) }] });

describe('a multiboot image', () => {
  it('goes where its address fields say', () => {
    const file = addressed([0x200010, 0x200000, 0x200050, 0x201000, 0x200030], 0x20);
    const made = plan(file);
    expect(made).toMatchObject({ form: 'multiboot', isLinux: false });
    expect(segment(made, 'kernel')).toMatchObject({ address: 0x200000, memoryBytes: 0x1000 });
    expect(segment(made, 'kernel').bytes).toEqual(file.subarray(0x10, 0x60));
    expect(made.entry).toMatchObject({
      mode: 'protected',
      rip: 0x200030,
      registers: { rax: 0x2badb002, rbx: segment(made, 'multiboot information').address },
    });
  });

  it('goes to the end of its file, and has no bss, where those fields are 0', () => {
    const file = simple();
    expect(segment(plan(file), 'kernel')).toMatchObject({ bytes: file, memoryBytes: file.length });
  });

  it('goes where its ELF headers say, of 32 bits or 64, but its address fields come first', () => {
    expect(segment(plan(inElf(0)), 'ELF segment 0').address).toBe(MIB);
    expect(plan(inElf(0, 64))).toMatchObject({ form: 'multiboot', entry: { mode: 'protected', rip: MIB } });
    const bytes = imageWith(multibootHeader(KLUDGE, [0x300000, 0x300000, 0, 0, 0x300020]));
    const both = plan(elf({ bits: 32, segments: [{ paddr: MIB, bytes }] }));
    expect(segment(both, 'kernel').address).toBe(0x300000);
  });

  it('is told of memory, command line, boot loader and modules', () => {
    const modules = [
      { bytes: new Uint8Array(10).fill(2), name: 'a.bin', commandLine: 'x y' },
      { bytes: new Uint8Array(5000).fill(3), name: 'b', commandLine: '' },
    ];
    const initrd = new Uint8Array(4097).fill(1);
    const made = plan(simple(3), { commandLine: 'quiet', initrd, modules });
    const memory = new Memory(made);
    const info = made.entry.registers?.rbx ?? 0;
    const at = (offset: number) => memory.u32(info + offset);
    expect(at(0)).toBe((1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9));
    expect([at(4), at(8)]).toEqual([639, 63 * 1024]);
    expect(memory.text(at(16))).toBe('kernel quiet');
    expect(memory.text(at(64))).toBe('vmlaunch');
    expect(at(20)).toBe(3);
    const found = [0, 16, 32].map((entry) => {
      const [start, end, text, reserved] = [0, 4, 8, 12].map((field) => memory.u32(at(24) + entry + field));
      return [start, (end ?? 0) - (start ?? 0), memory.bytes(start ?? 0, 1)[0], memory.text(text ?? 0), reserved];
    });
    expect(found).toEqual([
      [0x101000, 4097, 1, 'initrd', 0],
      [0x103000, 10, 2, 'a.bin x y', 0],
      [0x104000, 5000, 3, 'b', 0],
    ]);
    const map: unknown[] = [];
    for (let entry = at(48); entry < at(48) + at(44); entry += memory.u32(entry) + 4) {
      map.push([memory.u64(entry + 4), memory.u64(entry + 12), memory.u32(entry + 20)]);
    }
    expect(map).toEqual([
      [0n, 0x9fc00n, 1],
      [0x9fc00n, 0x60400n, 2],
      [0x100000n, 0x3f00000n, 1],
      [0xfec00000n, 0x1400000n, 2],
    ]);
    expect(memory.bytes(0x413, 2).readUInt16LE()).toBe(639);
    expect(memory.bytes(0x40e, 2).readUInt16LE()).toBe(0x9fc0);
  });

  it('that asks for a video mode gets text where there is a screen, and is refused where there is none', () => {
    const file = simple(1 << 2);
    expect(refusal(file)).toMatchObject({ code: 'IMAGE_UNSUPPORTED', message: expect.stringMatching(/video mode/) });
    const made = plan(file, { textScreen: true });
    const memory = new Memory(made);
    const info = made.entry.registers?.rbx ?? 0;
    expect(memory.u32(info) & (1 << 12)).not.toBe(0);
    expect(memory.u64(info + 88)).toBe(0xb8000n);
    expect([96, 100, 104].map((field) => memory.u32(info + field))).toEqual([160, 80, 25]);
    expect([...memory.bytes(info + 108, 2)]).toEqual([16, 2]);
  });

  it('is found wherever its header may be, and nowhere else', () => {
    const at = (offset: number) => addressed([MIB + offset, MIB, 0, 0, MIB + offset], offset);
    expect(plan(at(8180)).form).toBe('multiboot');
    expect(plan(at(8184)).form).toBe('flat');
    expect(plan(at(6)).form).toBe('flat');
    const wrong = simple();
    wrong.writeUInt32LE(1, 8);
    expect(plan(wrong).form).toBe('flat');
    expect(refusal(wrong)).toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringMatching(/lacks .*0x1badb002/),
    });
  });
});

describe('a multiboot image that cannot be booted is refused, saying why', () => {
  it.each<[string, Uint8Array, string, RegExp]>([
    ['of unknown requirements', simple(1 << 3), 'IMAGE_UNSUPPORTED', /flags 0x8/],
    ['neither ELF nor with addresses', imageWith(multibootHeader(0)), 'IMAGE_INVALID', /no ELF file/],
    ['cut in its addresses', simple().subarray(0, 31), 'IMAGE_INVALID', /cut off within the address fields/],
    ['loaded above its header', addressed([MIB, MIB + 4, 0, 0, MIB + 4]), 'IMAGE_INVALID', /load_addr 0x100004/],
    ['loaded from before its file', addressed([MIB + 16, MIB, 0, 0, MIB], 12), 'IMAGE_INVALID', /load_addr 0x100000/],
    ['ending before its header', addressed([MIB, MIB, MIB - 1, 0, MIB]), 'IMAGE_INVALID', /load_end_addr 0xfffff/],
    [
      'longer than its file',
      addressed([MIB, MIB, MIB + 97, 0, MIB]),
      'IMAGE_INVALID',
      /ends at byte 97, the file has 96/,
    ],
    ['near 2^32', addressed([MIB, MIB, 0xffffffff, 0, MIB]), 'IMAGE_INVALID', /truncated/],
    [
      'with a bss that ends before it',
      addressed([MIB, MIB, 0, MIB + 95, MIB]),
      'IMAGE_INVALID',
      /bss_end_addr 0x10005f/,
    ],
    ['with a bss to 2^32', addressed([MIB, MIB, 0, 0xffffffff, MIB]), 'IMAGE_UNSUPPORTED', /hole for devices/],
    ['beyond RAM', addressed([RAM, RAM, 0, 0, RAM]), 'IMAGE_TOO_LARGE', /kernel \(0x4000000–0x400005f\) is beyond RAM/],
    ['over the BIOS area', addressed([0xb8000, 0xb8000, 0, 0, 0xb8000]), 'IMAGE_UNSUPPORTED', /video memory/],
    ['at the top of 32 bits', addressed([0xfffffff0, 0xfffffff0, 0, 0, 0xfffffff0]), 'IMAGE_UNSUPPORTED', /hole/],
    ['entered behind it', addressed([MIB, MIB, 0, 0, MIB + 96]), 'IMAGE_INVALID', /entry 0x100060 is outside/],
    ['entered before it', addressed([MIB, MIB, 0, 0, MIB - 1]), 'IMAGE_INVALID', /entry 0xfffff is outside/],
  ])('%s', (_, file, code, message) => {
    const error = refusal(file);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    expect(error.hint).not.toBe('');
  });

  it('or with modules for which there is no room', () => {
    const modules = (length: number) => ({ modules: [{ bytes: new Uint8Array(length), name: 'm', commandLine: '' }] });
    expect(refusal(simple(), modules(RAM)).code).toBe('MODULE_TOO_LARGE');
    expect(refusal(simple(), modules(0)).code).toBe('IMAGE_EMPTY');
    expect(refusal(simple(), { ...modules(4 * GIB), ramBytes: 16 * GIB }).code).toBe('MODULE_TOO_LARGE');
    expect(refusal(simple(), { initrd: new Uint8Array(RAM) }).code).toBe('INITRD_TOO_LARGE');
    expect(segment(plan(simple(), { ...modules(RAM - MIB - 4096) }), 'module 1').address).toBe(MIB + 4096);
  });

  it('or with texts that are none', () => {
    expect(refusal(simple(), { commandLine: 'a\0b' }).code).toBe('OPTION_INVALID');
    expect(refusal(simple(), { commandLine: 'a'.repeat(0x10000) }).code).toBe('COMMAND_LINE_TOO_LONG');
  });
});
