import { describe, expect, it } from 'vitest';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import { VmError } from '../../../src/errors.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { segment, thrownBy } from './bzimage.js';
import { elf, imageWith, Memory, multiboot2Header, type TestTag, u32 } from './images.js';

const RAM = 64 * MIB;
const RSDP = new Uint8Array(36).fill(0x52);

const plan = (file: Uint8Array, options: Partial<BootOptions> = {}) => planBoot(file, { ramBytes: RAM, ...options });

function refusal(file: Uint8Array, options: Partial<BootOptions> = {}): VmError {
  const error = thrownBy(() => plan(file, { form: 'multiboot2', ...options }));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

const ENTRY: TestTag = { type: 3, body: u32(MIB + 64) };
/** Header, load, load end and bss end address. */
const addresses = (...values: number[]): TestTag => ({ type: 2, body: u32(...values) });
const simple = (...tags: TestTag[]) => imageWith(multiboot2Header([addresses(MIB, MIB, 0, 0), ENTRY, ...tags]));
const inElf = (...tags: TestTag[]) =>
  elf({ bits: 32, segments: [{ paddr: MIB, bytes: imageWith(multiboot2Header(tags)) }] });
const request = (...types: number[]): TestTag => ({ type: 1, body: u32(...types) });
const framebuffer = (depth: number): TestTag => ({ type: 5, body: u32(1024, 768, depth) });

/** The information's tags, by type. */
function tagsOf(file: Uint8Array, options: Partial<BootOptions> = {}): Map<number, Buffer[]> {
  const made = plan(file, options);
  const memory = new Memory(made);
  const info = made.entry.registers?.rbx ?? 0;
  expect(info % 8).toBe(0);
  const all = memory.bytes(info, memory.u32(info));
  const tags = new Map<number, Buffer[]>();
  let at = 8;
  for (; at < all.length; at += Math.ceil(all.readUInt32LE(at + 4) / 8) * 8) {
    const type = all.readUInt32LE(at);
    tags.set(type, [...(tags.get(type) ?? []), all.subarray(at + 8, at + all.readUInt32LE(at + 4))]);
  }
  expect(at).toBe(all.length);
  expect(tags.get(0)).toEqual([Buffer.alloc(0)]);
  return tags;
}

describe('a multiboot 2 image', () => {
  it('goes where its address tag says', () => {
    const file = imageWith(
      multiboot2Header([addresses(0x200010, 0x200000, 0x200080, 0x201000), { ...ENTRY, body: u32(0x200040) }]),
      0x10,
    );
    const made = plan(file);
    expect(made).toMatchObject({ form: 'multiboot2', entry: { mode: 'protected', rip: 0x200040 } });
    expect(made.entry.registers).toMatchObject({ rax: 0x36d76289 });
    expect(segment(made, 'kernel')).toEqual({
      address: 0x200000,
      bytes: file.subarray(0, 0x80),
      memoryBytes: 0x1000,
      what: 'kernel',
    });
  });

  it('may be loaded from the beginning of its file, wherever its header is', () => {
    const header = multiboot2Header([addresses(MIB + 16, 0xffffffff, 0, 0), ENTRY]);
    const file = imageWith(header, 16);
    expect(segment(plan(file), 'kernel')).toMatchObject({ address: MIB, bytes: file });
  });

  it('goes where its ELF headers say, and is entered where its entry tag says', () => {
    expect(plan(inElf())).toMatchObject({ form: 'multiboot2', entry: { rip: MIB } });
    expect(plan(inElf(ENTRY)).entry.rip).toBe(MIB + 64);
  });

  it('is told of memory, command line, boot loader, modules and ACPI', () => {
    const modules = [{ bytes: new Uint8Array(10), name: 'a.bin', commandLine: 'x y' }];
    const initrd = new Uint8Array(4097);
    const tags = tagsOf(simple(), { commandLine: 'quiet', initrd, modules, rsdpBytes: RSDP });
    const text = (type: number) => tags.get(type)?.map((body) => body.toString());
    expect(text(1)).toEqual(['kernel quiet\0']);
    expect(text(2)).toEqual(['vmlaunch\0']);
    expect(tags.get(3)?.map((body) => [body.readUInt32LE(), body.readUInt32LE(4), body.toString('latin1', 8)])).toEqual(
      [
        [0x101000, 0x102001, 'initrd\0'],
        [0x103000, 0x10300a, 'a.bin x y\0'],
      ],
    );
    expect(tags.get(4)).toEqual([u32(639, 63 * 1024)]);
    const [map] = tags.get(6) ?? [];
    expect([map?.readUInt32LE(), map?.readUInt32LE(4), map?.length]).toEqual([24, 0, 8 + 4 * 24]);
    expect([map?.readBigUInt64LE(8 + 48), map?.readBigUInt64LE(8 + 56), map?.readUInt32LE(8 + 64)]).toEqual([
      0x100000n,
      0x3f00000n,
      1,
    ]);
    expect(tags.get(14)).toEqual([Buffer.from(RSDP.subarray(0, 20))]);
    expect(tags.get(15)).toEqual([Buffer.from(RSDP)]);
    expect([tags.has(8), tags.has(21)]).toEqual([false, false]);
  });

  it('is told of the text screen where there is one', () => {
    const [screen] = tagsOf(simple(framebuffer(0)), { textScreen: true }).get(8) ?? [];
    expect(screen?.readBigUInt64LE()).toBe(0xb8000n);
    expect([8, 12, 16].map((at) => screen?.readUInt32LE(at))).toEqual([160, 80, 25]);
    expect([screen?.[20], screen?.[21]]).toEqual([16, 2]);
  });

  it('may require what this machine gives, and ask for anything', () => {
    const form = (tag: TestTag, options: Partial<BootOptions> = {}) => plan(simple(tag), options).form;
    expect(form(request(1, 2, 3, 4, 6, 21))).toBe('multiboot2');
    expect(form(request(14, 15), { rsdpBytes: RSDP })).toBe('multiboot2');
    expect(form(request(8), { textScreen: true })).toBe('multiboot2');
    for (const type of [6, 7, 8, 9]) expect(form({ type, body: u32(0) })).toBe('multiboot2');
    expect(form({ type: 4, body: u32(3) }, { textScreen: true })).toBe('multiboot2');
    expect(form({ type: 4, body: u32(2) })).toBe('multiboot2');
    for (const tag of [request(7, 99), framebuffer(32), { type: 4, body: u32(1) }, { type: 99 }]) {
      expect(form({ ...tag, optional: true })).toBe('multiboot2');
    }
  });

  it.each<[string, TestTag, Partial<BootOptions>, RegExp]>([
    ['unknown information', request(4, 99), {}, /information.*tag 99/],
    ['information about VBE', request(7), {}, /tag 7/],
    ['ACPI where there is none', request(15), {}, /tag 15/],
    ['a screen where there is none', request(8), {}, /tag 8/],
    ['pixels', framebuffer(32), { textScreen: true }, /framebuffer of 32 bits a pixel, and this machine has text only/],
    ['a text screen where there is none', framebuffer(0), {}, /text screen, and this machine has no screen/],
    ['a console that is none of ours', { type: 4, body: u32(1) }, { textScreen: true }, /console/],
    ['an unknown feature', { type: 99 }, {}, /header tag 99/],
  ])('is refused where it requires %s', (_, tag, options, message) => {
    const error = refusal(simple(tag), options);
    expect(error).toMatchObject({ code: 'IMAGE_UNSUPPORTED', message: expect.stringMatching(message) });
  });

  it('is found wherever its header may be, and nowhere else', () => {
    const at = (offset: number) => {
      const header = multiboot2Header([addresses(MIB, MIB, 0, 0), ENTRY]);
      return imageWith(header, offset);
    };
    expect(plan(at(32752)).form).toBe('multiboot2');
    expect(plan(at(32768)).form).toBe('flat');
    expect(plan(at(4)).form).toBe('flat');
    const wrong = Buffer.from(simple());
    wrong.writeUInt32LE(1, 12);
    expect(plan(wrong).form).toBe('flat');
  });
});

describe('a relocatable multiboot 2 image', () => {
  const relocatable = (min: number, max: number, alignment: number, preference = 0): TestTag => ({
    type: 10,
    body: u32(min, max, alignment, preference),
  });
  const base = (tag: TestTag, options: Partial<BootOptions> = {}) => {
    const made = plan(inElf(tag, ENTRY), options);
    const { address } = segment(made, 'ELF segment 0');
    expect(made.entry.rip).toBe(address + 64);
    expect(tagsOf(inElf(tag, ENTRY), options).get(21)).toEqual([u32(address)]);
    return address;
  };

  it('stays where it is linked, where it may', () => {
    expect(base(relocatable(0, 0xffffffff, 4096, 2))).toBe(MIB);
  });

  it('moves where it must: low, or high where it prefers that', () => {
    expect(base(relocatable(0x300000, 0xffffffff, 4096))).toBe(0x300000);
    expect(base(relocatable(0x300000, 0xffffffff, 0x200000))).toBe(0x400000);
    expect(base(relocatable(0x300000, 0xffffffff, 0x200000, 2))).toBe(RAM - 0x200000);
    expect(base(relocatable(0, 0x9ffff, 0x1000))).toBe(0x1000);
    expect(base(relocatable(0x300000, 0x3fffff, 0x1000, 2))).toBe(0x3ff000);
  });

  it('is refused where there is no such place', () => {
    expect(refusal(inElf(relocatable(RAM, 0xffffffff, 4096))).code).toBe('IMAGE_TOO_LARGE');
    expect(refusal(inElf(relocatable(0x300000, 0x300010, 4096))).code).toBe('IMAGE_TOO_LARGE');
    expect(refusal(inElf(relocatable(0, 0xffffffff, 0))).code).toBe('IMAGE_INVALID');
    expect(refusal(inElf(relocatable(0, 0xffffffff, 0x80000000))).code).toBe('IMAGE_TOO_LARGE');
    expect(refusal(inElf(relocatable(0, 0xffffffff, 3))).code).toBe('IMAGE_INVALID');
  });
});

describe('a multiboot 2 image that cannot be booted is refused, saying why', () => {
  const header = (...tags: TestTag[]) => imageWith(multiboot2Header(tags));
  const cut = (file: Buffer, length: number) => file.subarray(0, length);
  it.each<[string, Uint8Array, string, RegExp]>([
    ['for MIPS', imageWith(multiboot2Header([], 4)), 'IMAGE_UNSUPPORTED', /architecture 4/],
    ['neither ELF nor with addresses', header(ENTRY), 'IMAGE_INVALID', /no ELF file/],
    ['with addresses and no entry', header(addresses(MIB, MIB, 0, 0)), 'IMAGE_INVALID', /no entry address tag/],
    ['cut in its header', cut(simple(), 40), 'IMAGE_INVALID', /header ends at byte 64, the file has 40/],
    ['with a tag of 7 bytes', header({ type: 6, size: 7 }), 'IMAGE_INVALID', /tag at 0x10 of its header has 7 bytes/],
    ['with a tag of 2^32 - 1 bytes', header({ type: 6, size: -1 }), 'IMAGE_INVALID', /4294967295 bytes/],
    ['with a tag over its end', header({ type: 6, size: 17 }), 'IMAGE_INVALID', /17 bytes/],
    ['without an end tag', header({ type: 6, size: 16 }), 'IMAGE_INVALID', /no end tag/],
    [
      'with a short address tag',
      header({ type: 2, body: u32(MIB, MIB, 0) }),
      'IMAGE_INVALID',
      /address tag.*too short/,
    ],
    ['with a short entry tag', header({ type: 3 }), 'IMAGE_INVALID', /entry address tag.*too short/],
    ['with a short framebuffer tag', header({ type: 5, body: u32(1, 2) }), 'IMAGE_INVALID', /framebuffer tag/],
    ['entered outside of it', simple({ type: 3, body: u32(MIB - 1) }), 'IMAGE_INVALID', /entry 0xfffff is outside/],
    ['loaded above its header', simple(addresses(MIB, MIB + 4, 0, 0)), 'IMAGE_INVALID', /load_addr/],
    ['with a bss to 2^32', simple(addresses(MIB, MIB, 0, 0xffffffff)), 'IMAGE_UNSUPPORTED', /hole/],
  ])('%s', (_, file, code, message) => {
    const error = refusal(file);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('or with modules for which there is no room', () => {
    const modules = [{ bytes: new Uint8Array(4 * GIB), name: 'm', commandLine: '' }];
    expect(refusal(simple(), { modules, ramBytes: 16 * GIB }).code).toBe('MODULE_TOO_LARGE');
  });
});
