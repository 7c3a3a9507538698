/** Small images of every form, made field by field from their specifications. */
import type { BootPlan } from '../../../src/boot/plan.js';

export interface TestSegment {
  readonly paddr: bigint | number;
  readonly vaddr?: bigint | number;
  readonly bytes?: Uint8Array;
  readonly memsz?: bigint | number;
  readonly filesz?: bigint | number;
  readonly offset?: bigint | number;
  readonly type?: number;
}

export interface TestNote {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

export interface TestElf {
  readonly bits?: 32 | 64;
  readonly entry?: bigint | number;
  readonly segments?: readonly TestSegment[];
  readonly notes?: readonly TestNote[];
  readonly machine?: number;
  readonly type?: number;
  readonly phnum?: number;
  readonly phentsize?: number;
  readonly phoff?: bigint | number;
}

export const CODE = new Uint8Array(64).fill(0xf4);

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, i * 4);
  return bytes;
}

export function noteBytes(notes: readonly TestNote[]): Buffer {
  const padded = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  return Buffer.concat(
    notes.flatMap(({ name, type, desc }) => {
      const text = Buffer.from(`${name}\0`);
      return [u32(text.length, desc.length, type), padded(text), padded(desc)];
    }),
  );
}

/** An ELF file: header, program headers, then what the segments hold, each at a multiple of 16. */
export function elf(options: TestElf = {}): Buffer {
  const { bits = 64, segments = [{ paddr: 0x100000, bytes: CODE }], notes = [] } = options;
  const all: TestSegment[] = [...segments];
  if (notes.length > 0) all.push({ type: 4, paddr: 0, bytes: noteBytes(notes) });
  const [headerBytes, phBytes] = bits === 64 ? [64, 56] : [52, 32];
  let end = headerBytes + all.length * phBytes;
  const placed = all.map((segment) => {
    const offset = Math.ceil(end / 16) * 16;
    end = offset + (segment.bytes?.length ?? 0);
    return { ...segment, at: offset };
  });
  const file = Buffer.alloc(end);
  const word = (value: bigint | number, at: number) =>
    bits === 64
      ? file.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at)
      : file.writeUInt32LE(Number(BigInt.asUintN(32, BigInt(value))), at);
  file.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, 1, 1]);
  file.writeUInt16LE(options.type ?? 2, 16);
  file.writeUInt16LE(options.machine ?? (bits === 64 ? 62 : 3), 18);
  word(options.entry ?? 0x100000, 24);
  word(options.phoff ?? headerBytes, bits === 64 ? 32 : 28);
  file.writeUInt16LE(options.phentsize ?? phBytes, bits === 64 ? 54 : 42);
  file.writeUInt16LE(options.phnum ?? all.length, bits === 64 ? 56 : 44);
  const fields = bits === 64 ? [8, 16, 24, 32, 40] : [4, 8, 12, 16, 20];
  for (const [i, segment] of placed.entries()) {
    const at = headerBytes + i * phBytes;
    const size = segment.filesz ?? segment.bytes?.length ?? 0;
    const values = [segment.offset ?? segment.at, segment.vaddr ?? segment.paddr, segment.paddr, size];
    file.writeUInt32LE(segment.type ?? 1, at);
    for (const [k, value] of [...values, segment.memsz ?? size].entries()) word(value, at + (fields[k] ?? 0));
    if (segment.bytes) file.set(segment.bytes, segment.at);
  }
  return file;
}

export const pvhNote = (entry: number): TestNote => ({ name: 'Xen', type: 18, desc: u32(entry) });
export const linuxNote: TestNote = { name: 'Linux', type: 0x100, desc: Buffer.from('6.1.0-test\0') };

/** A multiboot 1 header with its checksum; with `addresses` header, load, load end, bss end and entry address. */
export function multibootHeader(flags: number, addresses: readonly number[] = []): Buffer {
  return u32(0x1badb002, flags, -(0x1badb002 + flags), ...addresses);
}

export interface TestTag {
  readonly type: number;
  readonly optional?: boolean;
  readonly body?: Uint8Array;
  /** What its size says, where that is not true. */
  readonly size?: number;
}

/** A multiboot 2 header with its checksum, tags aligned to 8, and an end tag. */
export function multiboot2Header(tags: readonly TestTag[] = [], architecture = 0): Buffer {
  const parts = [...tags, { type: 0 }].map(({ type, optional, body = new Uint8Array(0), size }: TestTag) => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(type, 0);
    head.writeUInt16LE(optional ? 1 : 0, 2);
    head.writeUInt32LE((size ?? 8 + body.length) >>> 0, 4);
    return Buffer.concat([head, body, Buffer.alloc(-body.length & 7)]);
  });
  const length = 16 + parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([u32(0xe85250d6, architecture, length, -(0xe85250d6 + architecture + length)), ...parts]);
}

/** An image with its header at `offset`, then code. */
export function imageWith(header: Uint8Array, offset = 0, code: Uint8Array = CODE): Buffer {
  return Buffer.concat([Buffer.alloc(offset), header, code]);
}

/** Guest memory as a plan fills it, for those who look at it as the guest would. */
export class Memory {
  constructor(private readonly plan: BootPlan) {}

  bytes(address: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (const segment of this.plan.segments) {
      for (let i = 0; i < segment.bytes.length; i++) {
        const at = segment.address + i - address;
        if (at >= 0 && at < length) bytes[at] = segment.bytes[i] ?? 0;
      }
    }
    return bytes;
  }

  u32(address: number): number {
    return this.bytes(address, 4).readUInt32LE();
  }

  u64(address: number): bigint {
    return this.bytes(address, 8).readBigUInt64LE();
  }

  text(address: number): string {
    const bytes = this.bytes(address, 256);
    return bytes.toString('latin1', 0, bytes.indexOf(0));
  }
}
