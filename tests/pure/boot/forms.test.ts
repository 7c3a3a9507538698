import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { inspectImage } from '../../../src/boot/inspect.js';
import { type BootOptions, planBoot } from '../../../src/boot/load.js';
import { FORM_NAMES, type FormName } from '../../../src/boot/plan.js';
import { inspectionText } from '../../../src/cli/inspect.js';
import { VmError } from '../../../src/errors.js';
import { MIB } from '../../../src/memory/map.js';
import { bzImage, segment, setField, thrownBy } from './bzimage.js';
import { CODE, elf, imageWith, multiboot2Header, multibootHeader, pvhNote, u32 } from './images.js';

const RAM = 64 * MIB;
const plan = (file: Uint8Array, options: Partial<BootOptions> = {}) => planBoot(file, { ramBytes: RAM, ...options });

function refusal(file: Uint8Array, options: Partial<BootOptions> = {}): VmError {
  const error = thrownBy(() => plan(file, options));
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
}

const multiboot = multibootHeader(1 << 16, [MIB, MIB, 0, 0, MIB + 32]);
const multiboot2 = multiboot2Header([
  { type: 2, body: u32(MIB, MIB, 0, 0) },
  { type: 3, body: u32(MIB + 64) },
]);
/** Has the signs of every form at once. */
const everything = () => {
  const file = elf({ bits: 32, segments: [{ paddr: MIB, bytes: new Uint8Array(0x8000) }], notes: [pvhNote(MIB)] });
  const linux = bzImage();
  file.set(linux.subarray(0x1f1, 0x270), 0x1f1);
  file.set(multiboot2Header([]), 0x1000);
  file.set(multibootHeader(0), 0x1100);
  return file;
};
const sector = () => {
  const bytes = new Uint8Array(512).fill(0x90);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
};
const ROM = new Uint8Array(0x10000);
const ONE_OF_EACH: Record<FormName, Uint8Array> = {
  bzImage: bzImage(),
  multiboot2: imageWith(multiboot2),
  multiboot: imageWith(multiboot),
  pvh: elf({ notes: [pvhNote(MIB)] }),
  elf: elf(),
  'boot-sector': sector(),
  flat: CODE,
};

describe('the form of an image', () => {
  it('is the first that its contents show', () => {
    expect(inspectImage(everything(), { ramBytes: RAM }).forms).toEqual([
      'bzImage',
      'multiboot2',
      'multiboot',
      'pvh',
      'elf',
      'boot-sector',
    ]);
    for (const name of FORM_NAMES) expect(inspectImage(ONE_OF_EACH[name], { ramBytes: RAM }).forms[0]).toBe(name);
  });

  it('is what the caller names, or else it says what the image lacks', () => {
    const file = everything();
    expect(plan(file, { form: 'elf' }).form).toBe('elf');
    expect(plan(file, { form: 'pvh' }).form).toBe('pvh');
    expect(plan(file, { form: 'multiboot' }).form).toBe('multiboot');
    expect(plan(file, { form: 'flat' }).entry).toMatchObject({ mode: 'protected', rip: MIB });
    const signs = ['HdrS', '0xe85250d6', '0x1badb002', 'XEN_ELFNOTE_PHYS32_ENTRY', 'magic number', '55 AA'];
    for (const [i, sign] of signs.entries()) {
      expect(refusal(CODE, { form: FORM_NAMES[i] })).toMatchObject({
        code: 'IMAGE_INVALID',
        message: expect.stringContaining(sign),
      });
    }
    expect(refusal(CODE, { form: 'elf', flat: 'real' }).code).toBe('OPTION_INVALID');
    expect(refusal(CODE, { form: 'tar' as 'elf' }).code).toBe('OPTION_INVALID');
  });

  it('decides which options there are', () => {
    const module = { bytes: CODE, name: 'm', commandLine: '' };
    const extras: readonly Partial<BootOptions>[] = [
      { commandLine: 'a' },
      { initrd: CODE },
      { modules: [module] },
      { loadAddress: 2 * MIB },
      { firmware: ROM },
    ];
    const taken = (name: FormName) =>
      extras.map((extra) => (thrownBy(() => plan(ONE_OF_EACH[name], extra)) === undefined ? 1 : 0)).join('');
    expect(Object.fromEntries(FORM_NAMES.map((name) => [name, taken(name)]))).toEqual({
      bzImage: '11000',
      multiboot2: '11101',
      multiboot: '11101',
      pvh: '11101',
      elf: '11000',
      'boot-sector': '00001',
      flat: '00010',
    });
    expect(refusal(CODE, { modules: [module] }).message).toBe('a flat image takes no modules');
  });
});

describe('gzip around an image', () => {
  it.each(FORM_NAMES)('%s is undone', (name) => {
    const file = gzipSync(ONE_OF_EACH[name]);
    expect(plan(file, name === 'boot-sector' ? { firmware: ROM } : {}).form).toBe(name);
  });

  it('may be in several members, and be followed by something else', () => {
    const image = imageWith(multiboot);
    const members = Buffer.concat([gzipSync(image.subarray(0, 50)), gzipSync(image.subarray(50))]);
    expect(segment(plan(members), 'kernel').bytes).toEqual(image);
    const padded = Buffer.concat([gzipSync(image), Buffer.alloc(512)]);
    expect(segment(plan(padded), 'kernel').bytes).toEqual(image);
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    ['truncated', gzipSync(CODE).subarray(0, -1), 'IMAGE_INVALID', /gzip and damaged: unexpected end/],
    ['only begun', Uint8Array.of(0x1f, 0x8b, 8), 'IMAGE_INVALID', /damaged/],
    [
      'of a wrong sum',
      Buffer.concat([gzipSync(CODE).subarray(0, -8), u32(1, CODE.length)]),
      'IMAGE_INVALID',
      /damaged/,
    ],
    [
      'followed by a damaged member',
      Buffer.concat([gzipSync(CODE), Uint8Array.of(0x1f, 0x8b)]),
      'IMAGE_INVALID',
      /damaged/,
    ],
    ['packed twice', gzipSync(gzipSync(CODE)), 'IMAGE_INVALID', /twice/],
    [
      'larger than RAM',
      gzipSync(new Uint8Array(RAM + 1)),
      'IMAGE_TOO_LARGE',
      /unpacked from gzip, has more than 64 MiB/,
    ],
    ['of nothing', gzipSync(new Uint8Array(0)), 'IMAGE_EMPTY', /empty/],
  ])('is refused where it is %s', (_, file, code, message) => {
    const error = refusal(file);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });
});

describe('a 32-bit bzImage', () => {
  it('is entered in protected mode where it is loaded, with boot_params in esi', () => {
    for (const file of [bzImage({ xloadflags: 0 }), bzImage({ version: 0x020a })]) {
      const made = plan(file);
      expect(made.entry).toMatchObject({ mode: 'protected', rip: segment(made, 'kernel').address });
      expect(made.entry.registers).toEqual({ rsi: segment(made, 'boot_params').address });
      expect(made.segments.some(({ what }) => what === 'page tables')).toBe(false);
    }
  });

  it('may end within its last paragraph', () => {
    const file = bzImage({ payload_length: 0 });
    expect(segment(plan(file.subarray(0, -15)), 'kernel').bytes.length).toBe(file.length - 0x600 - 15);
    expect(refusal(file.subarray(0, -16)).message).toMatch(/truncated/);
    setField(file, 'syssize', 0xffffffff);
    expect(refusal(file).code).toBe('IMAGE_INVALID');
  });
});

describe('an inspection', () => {
  it('says where each part goes, and how it is entered', () => {
    const inspection = inspectImage(gzipSync(imageWith(multiboot)), { ramBytes: RAM, commandLine: 'a' });
    expect(inspection).toMatchObject({
      unpackedBytes: imageWith(multiboot).length,
      forms: ['multiboot'],
      taken: { form: 'multiboot', isLinux: false, entry: { mode: 'protected', rip: MIB + 32 } },
      others: [],
    });
    if ('refusal' in inspection.taken) throw new Error(inspection.taken.refusal.message);
    const { segments } = inspection.taken;
    expect(segments.at(-1)).toEqual({ what: 'kernel', address: MIB, bytes: 96, memoryBytes: 96 });
    expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
    const lines = inspectionText('kernel.gz', inspection).split('\n');
    expect(lines).toContain('0x100000  0x10005f     96          kernel');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('says why the form that is taken is refused, and what the others would do', () => {
    const file = everything();
    setField(file, 'init_size', 0);
    const inspection = inspectImage(file, { ramBytes: RAM });
    expect(inspection.taken).toMatchObject({ form: 'bzImage', refusal: { code: 'IMAGE_INVALID' } });
    const text = inspectionText('everything', inspection);
    expect(text).toMatch(/^refused as bzImage: this Linux kernel is damaged/m);
    expect(text).toMatch(/^also pvh: .* enters protected mode at 0x100000$/m);
    expect(inspectImage(everything(), { ramBytes: RAM, form: 'elf' }).taken.form).toBe('elf');
    expect(inspectImage(everything(), { ramBytes: RAM, flat: 'real' }).taken).toMatchObject({ form: 'flat' });
  });
});
