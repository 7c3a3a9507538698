import { describe, expect, it } from 'vitest';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { segment, thrownBy } from './bzimage.js';
import { CODE, elf, linuxNote, Memory, pvhNote, type TestNote, u32 } from './images.js';

const RAM = 64 * MIB;
const ENTRY = 0x100010;

const image = (...more: TestNote[]) => elf({ notes: [...more, pvhNote(ENTRY)] });
const plan = (file: Uint8Array, options: Partial<BootOptions> = {}) => planBoot(file, { ramBytes: RAM, ...options });

function refusal(file: Uint8Array, options: Partial<BootOptions> = {}): VmError {
  const error = thrownBy(() => plan(file, options));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

describe('a kernel with a PVH entry', () => {
  it.each([32, 64] as const)('of %i bits is entered in flat protected mode with the start info in ebx', (bits) => {
    const made = plan(elf({ bits, notes: [pvhNote(ENTRY)] }));
    expect(made).toMatchObject({ form: 'pvh', isLinux: false, entry: { mode: 'protected', rip: ENTRY } });
    expect(made.entry.cr3).toBeUndefined();
    expect(made.entry.registers).toEqual({ rbx: segment(made, 'hvm_start_info').address });
  });

  it('finds all that the start info names', () => {
    const modules = [
      { bytes: new Uint8Array(3).fill(2), name: 'a', commandLine: 'second' },
      { bytes: new Uint8Array(5000).fill(3), name: 'b', commandLine: '' },
    ];
    const initrd = new Uint8Array(100).fill(1);
    const made = plan(image(), { commandLine: 'a=b', initrd, modules, rsdp: 0xe0000, ramBytes: 4 * GIB });
    const memory = new Memory(made);
    const info = made.entry.registers?.rbx ?? 0;
    expect([memory.u32(info), memory.u32(info + 4), memory.u32(info + 8)]).toEqual([0x336ec578, 1, 0]);
    expect(memory.text(Number(memory.u64(info + 24)))).toBe('a=b');
    expect(memory.u64(info + 32)).toBe(0xe0000n);
    const map = Number(memory.u64(info + 40));
    const entries = Array.from({ length: memory.u32(info + 48) }, (_, i) => {
      const at = map + i * 24;
      return [memory.u64(at), memory.u64(at + 8), memory.u32(at + 16), memory.u32(at + 20)];
    });
    expect(entries).toEqual([
      [0n, 0x9fc00n, 1, 0],
      [0x9fc00n, 0x60400n, 2, 0],
      [0x100000n, 0xbff00000n, 1, 0],
      [0xfec00000n, 0x1400000n, 2, 0],
      [0x100000000n, 0x40000000n, 1, 0],
    ]);
    expect(memory.u32(info + 12)).toBe(3);
    const list = Number(memory.u64(info + 16));
    const found = [0, 1, 2].map((i) => {
      const [start, size, line] = [0, 8, 16].map((field) => Number(memory.u64(list + i * 32 + field)));
      return [memory.bytes(start ?? 0, 1)[0], size, (start ?? 1) % 4096, line ? memory.text(line) : undefined];
    });
    expect(found).toEqual([
      [1, 100, 0, undefined],
      [2, 3, 0, 'second'],
      [3, 5000, 0, ''],
    ]);
  });

  it('may give its entry in 8 bytes, as Linux does', () => {
    const made = plan(elf({ notes: [linuxNote, { name: 'Xen', type: 18, desc: u32(ENTRY, 0xffffffff) }] }));
    expect(made).toMatchObject({ isLinux: true, entry: { rip: ENTRY } });
  });

  it('has the default command line only where it is Linux', () => {
    const text = (file: Uint8Array) => {
      const made = plan(file, { linuxCommandLine: 'console=ttyS0' });
      return new Memory(made).text(segment(made, 'command line').address);
    };
    expect(text(image(linuxNote))).toBe('console=ttyS0');
    expect(text(image({ name: 'Xen', type: 6, desc: Buffer.from('linux\0') }))).toBe('console=ttyS0');
    expect(text(image())).toBe('');
  });

  it('is another form where its note is none', () => {
    const form = (...notes: TestNote[]) => plan(elf({ notes })).form;
    expect(form({ name: 'XEN', type: 18, desc: u32(ENTRY) })).toBe('elf');
    expect(form({ name: 'Xen', type: 17, desc: u32(ENTRY) })).toBe('elf');
    expect(form({ name: 'Xen', type: 18, desc: u32(ENTRY).subarray(0, 3) })).toBe('elf');
    const cut = elf({ notes: [pvhNote(ENTRY)] });
    // The note's description reaches beyond its segment.
    cut.writeUInt32LE(5, cut.length - 16);
    expect(plan(cut).form).toBe('elf');
    expect(refusal(cut, { form: 'pvh' })).toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('is refused where its entry is outside of it', () => {
    const error = refusal(elf({ notes: [pvhNote(0x100040)] }));
    expect(error).toMatchObject({ code: 'IMAGE_INVALID' });
    expect(error.message).toMatch(/0x100040 is outside of what is loaded: ELF segment 0 \(0x100000–0x10003f\)/);
  });

  it('takes modules that fit, and Linux none', () => {
    const module = (length: number) => ({ modules: [{ bytes: new Uint8Array(length), name: 'm', commandLine: '' }] });
    expect(refusal(image(linuxNote), module(1))).toMatchObject({ code: 'OPTION_INVALID' });
    expect(refusal(image(), module(0))).toMatchObject({ code: 'IMAGE_EMPTY' });
    expect(refusal(image(), module(RAM))).toMatchObject({ code: 'MODULE_TOO_LARGE' });
    expect(refusal(image(), { ...module(4 * GIB), ramBytes: 16 * GIB })).toMatchObject({
      code: 'MODULE_TOO_LARGE',
      message: expect.stringMatching(/^the module 1 has 4096 MiB, and beside the kernel there is room for 307\d/),
    });
    expect(refusal(image(), { initrd: new Uint8Array(4 * GIB), ramBytes: 16 * GIB }).code).toBe('INITRD_TOO_LARGE');
  });
});

describe('a guest of Xen', () => {
  const xen = (os: string): TestNote[] => [
    { name: 'Xen', type: 6, desc: Buffer.from(`${os}\0`) },
    { name: 'Xen', type: 5, desc: Buffer.from('xen-3.0\0') },
  ];
  const searching = elf({
    segments: [{ paddr: MIB, bytes: Buffer.concat([CODE, Buffer.from('XenVMMXenVMM')]) }],
    notes: [pvhNote(ENTRY)],
  });

  it.each([
    ['says so in its notes', image(...xen('GRUB')), 'pvh', /notes say that it is "GRUB" for Xen/],
    ['says so and has no PVH entry', elf({ notes: xen('Mini-OS') }), 'elf', /"Mini-OS"/],
    ['looks for the CPUID signature', searching, 'pvh', /CPUID signature/],
  ])('is refused where it %s, and entered where its form is named', (_, file, form, message) => {
    const error = refusal(file);
    expect(error).toMatchObject({ code: 'IMAGE_UNSUPPORTED', hint: `--form ${form} enters it all the same.` });
    expect(error.message).toMatch(/needs Xen's hypercalls/);
    expect(error.message).toMatch(message);
    expect(plan(file, { form: form as 'pvh' }).form).toBe(form);
  });

  it.each(['linux', 'FreeBSD', 'NetBSD'])('is not what %s is', (os) => {
    expect(plan(image(...xen(os))).form).toBe('pvh');
  });
});
