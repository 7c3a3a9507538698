/**
 * Mutated images for every loader. Whatever an image holds, a loader gives a sound plan or a VmError that blames the
 * input, and takes no longer than a tenth of a second. The same seed gives the same images.
 */
import { isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import { checkPlan, memoryOf } from '../../src/boot/check-plan.js';
import { plainBzImage } from '../../src/boot/linux-unpacked.js';
import { type BootOptions, planBoot } from '../../src/boot/load.js';
import type { BootPlan, FormName, UnpackedKernel } from '../../src/boot/plan.js';
import type { Decompress } from '../../src/boot/vmlinux.js';
import { VmError } from '../../src/errors.js';
import { GIB, MIB, ramRanges } from '../../src/memory/map.js';
import { bzImage, random } from '../pure/boot/bzimage.js';
import {
  CODE,
  elf,
  imageWith,
  linuxNote,
  multiboot2Header,
  multibootHeader,
  pvhNote,
  u32,
} from '../pure/boot/images.js';

type Random = (limit: number) => number;

const CODE_AT_1M = { paddr: MIB, bytes: CODE, memsz: 0x2000 };
const HIGH_HALF = { paddr: 0x200000, vaddr: 0xffffffff80200000n, bytes: CODE };
const ELF_FILES = ([32, 64] as const).flatMap((bits) => [
  elf({ bits, segments: [CODE_AT_1M, HIGH_HALF] }),
  elf({ bits, notes: [linuxNote] }),
]);
const PVH_FILES = ([32, 64] as const).flatMap((bits) => [
  elf({ bits, segments: [CODE_AT_1M], notes: [pvhNote(MIB)] }),
  elf({ bits, notes: [linuxNote, { name: 'Xen', type: 6, desc: Buffer.from('linux\0') }, pvhNote(MIB)] }),
]);
const MULTIBOOT_FILES = [
  imageWith(multibootHeader(0x10003, [MIB, MIB, 0, 0x102000, MIB + 32])),
  imageWith(multibootHeader(0x10000, [MIB + 16, MIB, MIB + 80, 0, MIB + 48]), 16),
  elf({ bits: 32, segments: [{ paddr: MIB, bytes: imageWith(multibootHeader(3)) }] }),
];
const ADDRESS_TAG = { type: 2, body: u32(MIB, MIB, 0, 0x102000) };
const ENTRY_TAG = { type: 3, body: u32(MIB + 64) };
const MULTIBOOT2_FILES = [
  imageWith(multiboot2Header([ADDRESS_TAG, ENTRY_TAG, { type: 6 }])),
  imageWith(
    multiboot2Header([{ type: 1, body: u32(4, 6) }, ADDRESS_TAG, ENTRY_TAG, { type: 5, body: u32(80, 25, 0) }]),
  ),
  elf({
    bits: 32,
    segments: [
      { paddr: MIB, bytes: imageWith(multiboot2Header([{ type: 10, body: u32(0, -1, 4096, 2) }, ENTRY_TAG])) },
    ],
  }),
];
const LINUX_ELF = elf({
  entry: 16 * MIB,
  segments: [{ paddr: 16 * MIB, bytes: CODE, memsz: 0x2000 }],
  notes: [linuxNote],
});
const BZ_IMAGES = [bzImage(), bzImage({ xloadflags: 0 }), bzImage({ relocatable_kernel: 0, version: 0x020a })];
const BOOT_SECTORS = [512, 2048, 160 << 10].map((size) => bootSector(size));
const FLAT_FILES = [new Uint8Array(CODE), new Uint8Array(2048).fill(0x90)];

/** What each loader starts from. `any` leaves the form to the contents; `packed` is what gzip makes of the others. */
const CORPORA = {
  bzImage: BZ_IMAGES,
  multiboot2: MULTIBOOT2_FILES,
  multiboot: MULTIBOOT_FILES,
  pvh: PVH_FILES,
  elf: ELF_FILES,
  'boot-sector': BOOT_SECTORS,
  flat: FLAT_FILES,
  any: [
    ...BZ_IMAGES,
    ...MULTIBOOT2_FILES,
    ...MULTIBOOT_FILES,
    ...PVH_FILES,
    ...ELF_FILES,
    ...BOOT_SECTORS,
    ...FLAT_FILES,
  ],
  packed: [...MULTIBOOT_FILES, ...ELF_FILES, new Uint8Array(4 * MIB)].map((file) => gzipSync(file)),
  /** Whose payload is unpacked here: `planned` are those alone. */
  vmlinux: [bzImage({}, gzipSync(LINUX_ELF)), bzImage({}, lz4Payload(LINUX_ELF)), bzImage({}, plainPayload(LINUX_ELF))],
} satisfies Record<string, readonly Uint8Array[]>;

export type FuzzTarget = keyof typeof CORPORA;
export const FUZZ_TARGETS = Object.keys(CORPORA) as FuzzTarget[];

function bootSector(size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(0x90);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

/** What Linux's build appends to what it has packed: the size. */
function plainPayload(kernel: Uint8Array): Buffer {
  return Buffer.concat([kernel, u32(kernel.length)]);
}

/** A legacy LZ4 frame: literals, a match (the header's last zeros again), and literals. */
function lz4Payload(kernel: Buffer): Buffer {
  const at = kernel.indexOf(Buffer.alloc(5));
  const [start, end] = [kernel.subarray(0, at + 1), kernel.subarray(at + 5)];
  const block = Buffer.concat([literals(start), start, Buffer.from([1, 0]), literals(end), end]);
  return Buffer.concat([u32(0x184c2102, block.length), block, u32(kernel.length)]);
}

/** A token of 15 or more literals and a match of 4, and the rest of the number. */
function literals({ length }: Buffer): Buffer {
  if (length < 15) return Buffer.from([length << 4]);
  return Buffer.from([0xf0, ...new Array<number>(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255]);
}

const NO_PROGRAM: Decompress = (format) => {
  throw new VmError('IMAGE_UNSUPPORTED', `no ${format} here`);
};

const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xfffn,
  0x1000n,
  0x9fc00n,
  0xfffffn,
  0x100000n,
  0x4000000n,
  0x7fffffffn,
  0x80000000n,
];
const HIGH_EDGES = [
  0xbfffffffn,
  0xc0000000n,
  0xffffffffn,
  1n << 32n,
  1n << 52n,
  1n << 53n,
  1n << 63n,
  (1n << 64n) - 1n,
];
const VALUES = [...EDGES, ...HIGH_EDGES];

function mutate(file: Uint8Array, next: Random): Uint8Array {
  let bytes = Buffer.from(file);
  for (let change = next(5); change >= 0; change--) {
    // Headers are at the beginning: most changes go there.
    const at = next(Math.min(bytes.length, next(3) === 0 ? bytes.length : 128) || 1);
    switch (next(8)) {
      case 0:
        bytes = bytes.subarray(0, next(bytes.length + 1));
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(next(64), next(256)), bytes.subarray(at)]);
        break;
      case 2:
      case 3:
        if (at < bytes.length) bytes[at] = next(256);
        break;
      default:
        putValue(bytes, at, next);
    }
  }
  return bytes;
}

/** An interesting value, or one near it, at a multiple of its width. */
function putValue(bytes: Buffer, near: number, next: Random): void {
  const width = [2, 4, 4, 8][next(4)] ?? 4;
  const at = near - (near % width);
  if (at + width > bytes.length) return;
  const value = BigInt.asUintN(width * 8, (VALUES[next(VALUES.length)] ?? 0n) + BigInt(next(5) - 2));
  for (let i = 0; i < width; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
}

/** Headers with a checksum would hide all that is behind it: most images get a right one again. */
function mendChecksums(bytes: Uint8Array, next: Random): void {
  if (next(8) === 0) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 16 <= bytes.length; at += 4) {
    const magic = view.getUint32(at, true);
    if (magic === 0x1badb002) view.setUint32(at + 8, -(magic + view.getUint32(at + 4, true)), true);
    if (magic !== 0xe85250d6) continue;
    view.setUint32(at + 12, -(magic + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)), true);
  }
}

const RAM_SIZES = [MIB + 4096, 2 * MIB, 17 * MIB, 64 * MIB, 3 * GIB, 3 * GIB + 4096, 9 * GIB];
const FIRMWARES = [undefined, new Uint8Array(64 << 10), new Uint8Array(256 << 10), new Uint8Array(12345)];
const INITRDS = [undefined, undefined, new Uint8Array(1), new Uint8Array(5 * MIB + 1), new Uint8Array(70 * MIB)];
const LINES = [undefined, '', 'console=ttyS0', 'x'.repeat(3000)];

function randomOptions(target: FuzzTarget, next: Random): BootOptions {
  const pick = <T>(list: readonly T[]): T => list[next(list.length)] as T;
  // gzip is unpacked up to the size of RAM: a limit of 9 GiB would measure zlib.
  const ramBytes = target === 'packed' ? pick(RAM_SIZES.slice(0, 4)) : pick(RAM_SIZES);
  if (target === 'flat') {
    return { ramBytes, flat: pick(['real', 'protected', 'long']), loadAddress: pick([undefined, next(2 * MIB)]) };
  }
  const form = target === 'any' || target === 'packed' || target === 'vmlinux' ? undefined : (target as FormName);
  const firmware = pick(target === 'boot-sector' ? FIRMWARES : [undefined, undefined, undefined, ...FIRMWARES]);
  const decompress = target === 'vmlinux' || next(2) === 0 ? NO_PROGRAM : undefined;
  if (form === undefined) return { ramBytes, decompress };
  const modules = next(4) === 0 && form.match(/^(multiboot|pvh)/) ? [{ bytes: CODE, name: 'm', commandLine: 'a' }] : [];
  return {
    ramBytes,
    decompress,
    form: next(2) === 0 ? form : undefined,
    firmware,
    modules,
    commandLine: form === 'bzImage' || next(2) === 0 ? pick(LINES) : undefined,
    initrd: pick(INITRDS),
    rsdp: 0xe0000,
    rsdpBytes: new Uint8Array(36),
    textScreen: next(2) === 0,
  };
}

/** What is wrong with a plan, by other means than `checkPlan`: a machine of paper, each byte written once, in RAM. */
function faultOf(plan: BootPlan, ramBytes: number): string | undefined {
  const areas = plan.segments.map((segment) => ({ start: segment.address, end: segment.address + memoryOf(segment) }));
  areas.sort((a, b) => a.start - b.start);
  for (const [i, { start, end }] of areas.entries()) {
    const isRam = ramRanges(ramBytes).some((ram) => start >= ram.start && end <= ram.start + ram.size);
    if (!Number.isSafeInteger(start) || !isRam || end <= start) return `a segment at ${start} to ${end} is not in RAM`;
    if ((areas[i - 1]?.end ?? 0) > start) return `two segments at ${start}`;
    if (start < MIB && end > 0x9fc00) return `a segment at ${start} is in the BIOS area`;
  }
  const { mode, rip } = plan.entry;
  if (mode === 'reset') return plan.firmware ? undefined : 'a reset enters no firmware';
  return areas.some(({ start, end }) => rip >= start && rip < end) ? undefined : `the entry ${rip} is in no segment`;
}

export interface FuzzResult {
  readonly planned: number;
  readonly refused: number;
  readonly slowestMs: number;
}

const HANG_MS = 100;
/** A pause of the machine is no hang: what takes long does so each time. */
const TRIES = 5;

/**
 * Gives a loader `count` mutated images.
 * @throws Error at the first image that is neither planned soundly nor refused as it should be, or takes too long
 */
export function fuzzLoader(target: FuzzTarget, seed: number, count: number): FuzzResult {
  const next = random(seed);
  const corpus: readonly Uint8Array[] = CORPORA[target];
  const result = { planned: 0, refused: 0, slowestMs: 0 };
  for (let round = 0; round < count; round++) {
    const image = mutate(corpus[next(corpus.length)] as Uint8Array, next);
    mendChecksums(image, next);
    const options = randomOptions(target, next);
    const label = `${target}, seed ${seed}, round ${round}, ${Buffer.from(image.subarray(0, 4096)).toString('hex')}`;
    const { milliseconds, isPlanned } = timeOf(() => tryOne(target, image, options, label));
    if (isPlanned) result.planned++;
    else result.refused++;
    result.slowestMs = Math.max(result.slowestMs, milliseconds);
    if (milliseconds > HANG_MS) throw new Error(`${milliseconds} ms for one image: ${label}`);
  }
  return result;
}

function timeOf(run: () => boolean): { readonly milliseconds: number; readonly isPlanned: boolean } {
  let milliseconds = Number.POSITIVE_INFINITY;
  let isPlanned = false;
  for (let i = 0; i < TRIES && milliseconds > HANG_MS; i++) {
    const start = performance.now();
    isPlanned = run();
    milliseconds = Math.min(milliseconds, performance.now() - start);
  }
  return { milliseconds, isPlanned };
}

/** As a plain bzImage the same kernel must be planned alike. */
function checkUnpacked(unpacked: UnpackedKernel, { entry }: BootPlan, options: BootOptions): void {
  const again = planBoot(plainBzImage(unpacked), options);
  if (again.unpacked === undefined) throw new Error(again.description);
  if (!isDeepStrictEqual(again.entry, entry)) throw new Error(`entered at ${again.entry.rip}, not ${entry.rip}`);
}

/** Whether the image was planned; if not, it was refused as it should be. @throws Error where neither is so */
function tryOne(target: FuzzTarget, image: Uint8Array, options: BootOptions, label: string): boolean {
  try {
    const plan = planBoot(image, options);
    checkPlan(plan, options.ramBytes);
    const fault = faultOf(plan, options.ramBytes);
    if (fault !== undefined) throw new Error(fault);
    if (plan.unpacked !== undefined) checkUnpacked(plan.unpacked, plan, options);
    if (target === 'vmlinux') return plan.unpacked !== undefined;
    return true;
  } catch (error) {
    if (error instanceof VmError && error.kind === 'input') return false;
    throw new Error(label, { cause: error });
  }
}
