/** A small bzImage, made field by field from Documentation/arch/x86/boot.rst, and random numbers that repeat. */
import { HDR } from '../../../src/boot/linux-header.js';
import type { BootPlan } from '../../../src/boot/plan.js';

const SECTOR = 512;
export const SETUP_SECTORS = 2;
export const KERNEL_OFFSET = (SETUP_SECTORS + 1) * SECTOR;
export const VERSION = '6.1.0-test (someone@somewhere) #1 SMP';
const VERSION_AT = 0x300;

/** Bytes of each field where they are not 4. */
const WIDTH: Partial<Record<keyof typeof HDR, 1 | 2 | 8>> = {
  setup_sects: 1,
  boot_flag: 2,
  jump: 2,
  version: 2,
  kernel_version: 2,
  type_of_loader: 1,
  loadflags: 1,
  relocatable_kernel: 1,
  xloadflags: 2,
  setup_data: 8,
  pref_address: 8,
};

export function setField(image: Uint8Array, name: keyof typeof HDR, value: number): void {
  const view = new DataView(image.buffer, image.byteOffset);
  const at = HDR[name];
  const width = WIDTH[name] ?? 4;
  if (width === 1) view.setUint8(at, value);
  else if (width === 2) view.setUint16(at, value, true);
  else if (width === 4) view.setUint32(at, value, true);
  else view.setBigUint64(at, BigInt(value), true);
}

/** A bzImage of protocol 2.15 with `payload` at offset 0x400 of its kernel; `fields` replace header fields. */
export function bzImage(
  fields: Partial<Record<keyof typeof HDR, number>> = {},
  payload: Uint8Array = new Uint8Array(64).fill(0xee),
): Uint8Array {
  const kernelBytes = Math.ceil((0x400 + payload.length) / 16) * 16;
  const image = new Uint8Array(KERNEL_OFFSET + kernelBytes);
  const all: Partial<Record<keyof typeof HDR, number>> = {
    setup_sects: SETUP_SECTORS,
    syssize: kernelBytes / 16,
    boot_flag: 0xaa55,
    // A short jump over the header, whose end it marks: 0x202 + 0x6a.
    jump: 0x6aeb,
    header: 0x53726448,
    version: 0x020f,
    kernel_version: VERSION_AT - 0x200,
    loadflags: 0x01,
    initrd_addr_max: 0x7fffffff,
    kernel_alignment: 0x200000,
    relocatable_kernel: 1,
    xloadflags: 0x7f,
    cmdline_size: 2047,
    payload_offset: 0x400,
    payload_length: payload.length,
    pref_address: 0x1000000,
    init_size: 0x800000,
    ...fields,
  };
  for (const name of Object.keys(all) as (keyof typeof HDR)[]) setField(image, name, all[name] ?? 0);
  image.set(Buffer.from(`${VERSION}\0`), VERSION_AT);
  image.fill(0x90, KERNEL_OFFSET, KERNEL_OFFSET + 0x400);
  image.set(payload, KERNEL_OFFSET + 0x400);
  return image;
}

/** The bytes of the segment that is called `what`, and where it goes. */
export function segment(plan: BootPlan, what: string) {
  const found = plan.segments.filter((one) => one.what === what);
  const [only] = found;
  if (!only || found.length !== 1) throw new Error(`${found.length} segments are called "${what}"`);
  return only;
}

/** What is wrong with the plan's segments: outside RAM (with the hole), overlapping, or empty. */
export function segmentFaults(plan: BootPlan, ramBytes: number): string[] {
  const end = Math.min(ramBytes, 0xc0000000);
  const sorted = [...plan.segments].sort((a, b) => a.address - b.address);
  return sorted.flatMap(({ address, bytes, what }, i) => {
    const next = sorted[i + 1];
    const faults: string[] = [];
    if (!Number.isInteger(address) || address < 0 || address + bytes.length > end) faults.push(`${what} outside RAM`);
    if (bytes.length === 0) faults.push(`${what} is empty`);
    if (next && address + bytes.length > next.address) faults.push(`${what} overlaps ${next.what}`);
    return faults;
  });
}

/** A generator of random numbers below `limit` (mulberry32): the same seed gives the same numbers. */
export function random(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

/** What `run` throws, or undefined. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
