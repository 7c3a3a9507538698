import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FORM_NAMES } from '../../../src/boot/plan.js';
import { VmError } from '../../../src/errors.js';
import { pvFeatureNames } from '../../../src/kvm/cpuid.js';
import { checkOptions } from '../../../src/machine/check-options.js';
import { Machine } from '../../../src/machine/machine.js';
import { type MachineOptions, memorySize } from '../../../src/machine/options.js';
import { planMachine } from '../../../src/machine/plan-machine.js';
import { GIB, MIB } from '../../../src/memory/map.js';
import { bzImage, thrownBy } from '../boot/bzimage.js';

const image = Uint8Array.of(0xf4);

/** Every option, with a good value. The type demands that none is left out. */
const ALL: Required<MachineOptions> = {
  image,
  form: 'flat',
  initrd: 'initrd.img',
  modules: [{ file: image, commandLine: 'debug' }, { file: 'module.bin' }],
  commandLine: 'console=ttyS0 quiet',
  memory: '256M',
  hugePages: 'none',
  unpack: false,
  cpus: 16,
  flat: 'long',
  loadAddress: 0x200000,
  firmware: 'bios.bin',
  timeoutS: 0.5,
  reboot: false,
  paravirt: { kvmclock: false, pvEoi: true },
  kvmPorts: [{ port: 0x5c0, size: 1, how: 'coalesced' }],
  dirtyRing: 4096,
  timed: true,
  traceKvm: true,
  breakOn: ['pio:0x3f8'],
  threadsFile: '/sys/kernel/tracing/instances/x/set_event_pid',
  record: {},
  kvmPath: '/dev/kvm',
};

const refusal = (options: unknown): VmError => {
  const error = thrownBy(() => checkOptions(options));
  if (error instanceof VmError) return error;
  throw new Error(`not refused: ${error}`);
};

describe('the options of a machine', () => {
  it('may all be given, or all but the image left out', () => {
    checkOptions(ALL);
    checkOptions({ image: 'kernel' });
    checkOptions(Object.fromEntries(Object.keys(ALL).map((name) => [name, name === 'image' ? image : undefined])));
    for (const flat of ['real', 'protected', 'long']) checkOptions({ image, flat });
    for (const form of FORM_NAMES) checkOptions({ image, form });
    for (const name of pvFeatureNames) checkOptions({ image, paravirt: { [name]: true } });
    checkOptions({ image, memory: 0, loadAddress: 0, timeoutS: 0 });
    checkOptions({ image, timeoutS: 2_147_483 });
  });

  it.each([
    [undefined, 'the options of a machine must be an object'],
    [null, 'the options of a machine must be an object'],
    ['vmlinuz', 'the options of a machine must be an object'],
    [[image], 'the options of a machine must be an object'],
    [image, 'the options of a machine must be an object'],
    [{}, "the option image must be a file's name or a Uint8Array, not undefined"],
    [{ image: null }, "the option image must be a file's name or a Uint8Array, not null"],
    [{ image: [1, 2] }, "the option image must be a file's name or a Uint8Array, not an array"],
    [{ image: new Uint16Array(2) }, "the option image must be a file's name or a Uint8Array, not an object"],
    [{ image, initrd: 5 }, "the option initrd must be a file's name or a Uint8Array, not 5"],
    [
      { image, form: 'uefi' },
      'the option form must be "bzImage", "multiboot2", "multiboot", "pvh", "elf", "boot-sector" or "flat", not "uefi"',
    ],
    [{ image, modules: image }, 'the option modules must be an array of { file, commandLine }, not an object'],
    [{ image, modules: ['m'] }, 'the option modules must be an array of { file, commandLine }, not an array'],
    [
      { image, modules: [{ file: 'm' }, {}] },
      "the option modules[1].file must be a file's name or a Uint8Array, not undefined",
    ],
    [{ image, modules: [{ file: 'm', args: '' }] }, 'there is no option modules[0].args'],
    [{ image, commandLine: ['quiet'] }, 'the option commandLine must be a string, not an array'],
    [{ image, memory: true }, 'the option memory must be a number of bytes or a string such as "256M", not true'],
    [{ image, memory: 256n }, 'the option memory must be a number of bytes or a string such as "256M", not 256'],
    [{ image, flat: 'Long' }, 'the option flat must be "real", "protected" or "long", not "Long"'],
    [{ image, flat: 'toString' }, 'the option flat must be "real", "protected" or "long", not "toString"'],
    [{ image, loadAddress: '0x7c00' }, 'the option loadAddress must be a whole number from 0 on, not "0x7c00"'],
    [{ image, loadAddress: 0.5 }, 'the option loadAddress must be a whole number from 0 on, not 0.5'],
    [{ image, loadAddress: -1 }, 'the option loadAddress must be a whole number from 0 on, not -1'],
    [{ image, timeoutS: Number.NaN }, 'the option timeoutS must be a number of seconds from 0 to 2147483, not NaN'],
    [{ image, timeoutS: -1 }, 'the option timeoutS must be a number of seconds from 0 to 2147483, not -1'],
    [{ image, timeoutS: '10' }, 'the option timeoutS must be a number of seconds from 0 to 2147483, not "10"'],
    [{ image, timeoutS: 2147484 }, 'the option timeoutS must be a number of seconds from 0 to 2147483, not 2147484'],
    [{ image, reboot: 'yes' }, 'the option reboot must be true or false, not "yes"'],
    [{ image, timed: 1 }, 'the option timed must be true or false, not 1'],
    [{ image, timed: () => true }, 'the option timed must be true or false, not a function'],
    [{ image, paravirt: ['kvmclock'] }, 'the option paravirt must be an object, not an array'],
    [{ image, paravirt: { kvmclock: 'off' } }, 'the option paravirt.kvmclock must be true or false, not "off"'],
    [{ image, paravirt: { kvmClock: false } }, 'there is no option paravirt.kvmClock'],
    [{ image, dirtyRing: 1000 }, 'the option dirtyRing must be a power of two from 1024 to 65,536, not 1000'],
    [{ image, hugePages: true }, 'the option hugePages must be "none", "transparent" or "explicit", not true'],
    [{ image, memmory: '1G' }, 'there is no option memmory'],
    [
      { image, kvmPorts: [{ port: 1, size: 3, how: 'coalesced' }] },
      'the option kvmPorts[0].size must be 1, 2 or 4, not 3',
    ],
    [
      { image, kvmPorts: [{ port: 0x10000, size: 1, how: 'coalesced' }] },
      'the option kvmPorts[0].port must be a port from 0 to 0xffff, not 65536',
    ],
    [
      { image, kvmPorts: [{ port: 1, size: 1 }] },
      'the option kvmPorts[0].how must be "coalesced" or "ioeventfd", not undefined',
    ],
    [{ image, toString: 1 }, 'there is no option toString'],
    [{ image, 'two\nlines': 1 }, 'there is no option two\\nlines'],
    [
      { image, flat: `x\n${'y'.repeat(100)}` },
      `the option flat must be "real", "protected" or "long", not "x\\n${'y'.repeat(38)}…"`,
    ],
  ])('%o is refused in one line', (options, message) => {
    expect(refusal(options)).toMatchObject({ code: 'OPTION_INVALID', kind: 'input', message });
  });

  it('are named where one is misspelt', () => {
    expect(refusal({ image, memmory: '1G' }).hint).toBe(`Known: ${Object.keys(ALL).join(', ')}.`);
    expect(refusal({ image, paravirt: { x: 1 } }).hint).toBe(`Known: ${pvFeatureNames.join(', ')}.`);
  });

  it('are checked before a file is read or KVM opened', async () => {
    const options = { image: '/nowhere', kvmPath: '/nowhere', timeoutS: Number.NaN };
    await expect(Machine.create(options)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});

describe('a memory size', () => {
  it.each([
    ['256M', 256 * MIB],
    ['256MiB', 256 * MIB],
    ['1.5g', 1.5 * GIB],
    [' 2048K ', 2 * MIB],
    ['511G', 511 * GIB],
    [2 * MIB, 2 * MIB],
    [`${2 * MIB}`, 2 * MIB],
  ])('%s', (text, bytes) => expect(memorySize(text)).toBe(bytes));

  it.each(['', '0', '-1', 'M', '1T', '512G', '1M', '3000000', 'plenty', '1e9', Number.NaN, Infinity, -4096, 4096.5])(
    '%s is refused',
    (size) => {
      expect(thrownBy(() => memorySize(size))).toMatchObject({ code: 'MEMORY_INVALID', kind: 'input' });
    },
  );
});

describe('what is said of a file', () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'vmlaunch-options-'));
    const files = { empty: '', flat: '\xf4', elf: '\x7fELF', gzip: '\x1f\x8b\x08', mz: 'MZ', 'two\nlines': '' };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(at(name), bytes, 'latin1');
    writeFileSync(at('linux'), bzImage());
    writeFileSync(at('old'), bzImage({ version: 0x209 }));
    writeFileSync(at('cut'), bzImage().subarray(0, 2000));
    writeFileSync(at('big'), '');
    truncateSync(at('big'), 100 * MIB);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each<[string, Partial<MachineOptions>, string, string]>([
    ['image', {}, 'missing', 'does not exist'],
    ['image', {}, '.', 'is a directory'],
    ['image', {}, 'empty', 'is empty'],
    ['image', {}, 'gzip', 'is gzip and damaged'],
    ['image', {}, 'mz', 'is a DOS or EFI executable'],
    ['image', { flat: 'real' }, 'big', 'has 100 MiB, and at 0x7c00 there is room for'],
    ['initrd', {}, 'missing', 'does not exist'],
    ['initrd', {}, 'empty', 'is empty'],
    ['initrd', { memory: '64M' }, 'big', 'has 100 MiB, and beside the kernel there is room for'],
  ])('names it: the %s (%o) %s %s', (what, options, name, says) => {
    const files = what === 'image' ? { image: at(name) } : { image: at('linux'), initrd: at(name) };
    const error = thrownBy(() => planMachine({ ...files, ...options }));
    expect(error).toBeInstanceOf(VmError);
    expect((error as VmError).message).toContain(`the ${what} ${at(name)} ${says}`);
  });

  it.each<[string, Partial<MachineOptions>, string]>([
    ['elf', {}, 'this ELF file is damaged'],
    ['old', {}, 'this Linux kernel is too old'],
    ['cut', {}, 'this Linux kernel is damaged: it is truncated'],
    ['linux', { memory: '4M' }, 'this Linux kernel needs memory'],
  ])('begins with the name where the loader tells of what it found: %s', (name, options, says) => {
    const error = thrownBy(() => planMachine({ image: at(name), ...options })) as VmError;
    expect(error.message).toContain(`${at(name)}: ${says}`);
  });

  it('does not lay a module’s fault to the image', () => {
    const modules = [{ file: at('empty') }];
    const error = thrownBy(() => planMachine({ image: at('linux'), modules })) as VmError;
    expect(error.message).not.toContain(at('linux'));
  });

  it('names none where there are bytes, and stays on one line whatever the name is', () => {
    const message = (image: string | Uint8Array) => (thrownBy(() => planMachine({ image })) as VmError).message;
    expect(message(new Uint8Array())).toBe('the image is empty');
    expect(message(at('two\nlines'))).toBe(`the image ${directory}/two\\nlines is empty`);
    expect(message(at('no\nsuch\x1b[2J'))).toBe(`the image ${directory}/no\\nsuch\\u001b[2J does not exist`);
    expect(message('zero\0byte')).toMatch(/^the image zero\\u0000byte cannot be read: [^\n\0]*$/);
  });
});
