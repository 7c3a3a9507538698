/**
 * Images for Xen that need Xen: its hypercalls, event channels and shared pages, which no KVM machine has.
 * An image says so in its notes (Xen public headers, elfnote.h), or by looking for Xen's CPUID signature: GRUB's PVH
 * image (grub-xen-host) has no note but its entry, and gives up where that signature is missing.
 */
import { VmError } from '../errors.js';
import { guestOs, isLinuxElf } from './elf.js';
import type { ElfFile } from './elf-file.js';

const XEN_ELFNOTE_XEN_VERSION = 5;
/** ebx, ecx and edx of CPUID leaf 0x40000000 under Xen (arch-x86/cpuid.h). */
const XEN_SIGNATURE = Buffer.from('XenVMMXenVMM');
/** Systems that ask for Xen, and go on without it. */
const NEEDS_NO_XEN = ['linux', 'FreeBSD', 'NetBSD'];

/** Why the image needs Xen, or undefined where nothing says so. */
export function xenNeed(elf: ElfFile): string | undefined {
  const system = guestOs(elf.notes);
  if (isLinuxElf(elf) || (system !== undefined && NEEDS_NO_XEN.includes(system))) return undefined;
  if (elf.notes.some(({ name, type }) => name === 'Xen' && type === XEN_ELFNOTE_XEN_VERSION)) {
    return `its notes say that it is ${system === undefined ? 'a system' : `"${system.replace(/[^ -~]/g, '?')}"`} for Xen`;
  }
  const signed = elf.segments.some(({ bytes }) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(XEN_SIGNATURE),
  );
  return signed ? "it looks for Xen's CPUID signature and names no system that runs without Xen" : undefined;
}

/** @throws VmError IMAGE_UNSUPPORTED where the image needs Xen */
export function refuseXenGuest(form: 'pvh' | 'elf', elf: ElfFile): void {
  const why = xenNeed(elf);
  if (why === undefined) return;
  throw new VmError('IMAGE_UNSUPPORTED', `this image is a guest of Xen and needs Xen's hypercalls: ${why}`, {
    hint: `--form ${form} enters it all the same.`,
  });
}
