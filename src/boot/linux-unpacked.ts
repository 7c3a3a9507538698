/**
 * A bzImage whose kernel is unpacked here: its vmlinux goes to where it was linked and is entered by the 64-bit boot
 * protocol at its own startup_64, past the code by which it would unpack itself. That code also chooses where the
 * kernel goes (KASLR): without it, it is where it was linked.
 * Source: Linux Documentation/arch/x86/boot.rst ("64-bit Boot Protocol"), arch/x86/kernel/head_64.S (startup_64).
 */
import { VmError } from '../errors.js';
import { putBootParams } from './boot-params.js';
import { type ElfOptions, elfSegments, entryAddress } from './elf.js';
import { type ElfFile, readElf, shortenElf, viewOf } from './elf-file.js';
import { flatEntry } from './flat-entry.js';
import { Layout } from './layout.js';
import { ENTRY_64, HDR, HEADER_START, type LinuxHeader, readLinuxHeader } from './linux-header.js';
import { alignUp } from './place.js';
import type { BootPlan, Segment, UnpackedKernel } from './plan.js';

/**
 * Plans the boot of a bzImage's vmlinux; all but `description` of a plan. Its segments refer to `vmlinux` and `initrd`.
 * @throws VmError where it cannot be done; whether the guest can do it by itself is the caller's to find out
 */
export function planUnpackedLinux(
  unpacked: UnpackedKernel,
  header: LinuxHeader,
  options: ElfOptions,
): Omit<BootPlan, 'description'> {
  const elf = readElf(unpacked.vmlinux);
  if (elf.bits !== 64) throw new VmError('IMAGE_UNSUPPORTED', 'this Linux kernel is a 32-bit one');
  const layout = new Layout(options.ramBytes);
  const load = fixKernel(layout, elf, header);
  const rip = entryAddress(elf);
  const tables = flatEntry(layout, 'long');
  const bootParams = putBootParams(layout, {
    header: unpacked.bzImage.subarray(HEADER_START, header.headerEnd),
    load,
    commandLineMax: header.commandLineMax,
    initrdMax: header.initrdMax,
    ...options,
  });
  const entry = { ...tables, rip, registers: { rsi: bootParams } };
  return { form: 'bzImage', isLinux: true, segments: layout.segments, entry, unpacked };
}

/**
 * Puts the kernel's segments. The last has all memory that the header says the kernel works in before it has read the
 * memory map. Returns the lowest address.
 */
function fixKernel(layout: Layout, elf: ElfFile, { initBytes }: LinuxHeader): number {
  const segments = elfSegments(elf).sort((a, b) => a.address - b.address);
  const load = segments[0]?.address ?? 0;
  segments.forEach((segment, i) => {
    layout.fix(i < segments.length - 1 ? segment : reaching(segment, load + initBytes));
  });
  return load;
}

const reaching = (segment: Segment, end: number): Segment => ({
  ...segment,
  memoryBytes: Math.max(segment.memoryBytes ?? 0, end - segment.address),
});

/** Where `plainBzImage` puts the payload in the protected-mode part: after both entries' places. */
const PAYLOAD_OFFSET = 2 * ENTRY_64;
const PARAGRAPH = 16;
const SIZE_BYTES = 4;

/**
 * The same kernel as a bzImage whose payload is not packed, for a machine elsewhere that is to unpack nothing. It has
 * no code to unpack itself, and lacks the zeros and the relocations at the end of its vmlinux.
 */
export function plainBzImage({ bzImage, vmlinux }: UnpackedKernel): Uint8Array {
  const { kernelOffset } = readLinuxHeader(bzImage);
  const kernel = shortenElf(vmlinux);
  const payloadBytes = kernel.length + SIZE_BYTES;
  const kernelBytes = alignUp(PAYLOAD_OFFSET + payloadBytes, PARAGRAPH);
  const image = new Uint8Array(kernelOffset + kernelBytes);
  image.set(bzImage.subarray(0, kernelOffset));
  image.set(kernel, kernelOffset + PAYLOAD_OFFSET);
  const fields = viewOf(image);
  fields.setUint32(HDR.syssize, kernelBytes / PARAGRAPH, true);
  fields.setUint32(HDR.payload_offset, PAYLOAD_OFFSET, true);
  fields.setUint32(HDR.payload_length, payloadBytes, true);
  fields.setUint32(kernelOffset + PAYLOAD_OFFSET + kernel.length, kernel.length, true);
  return image;
}
