/**
 * What a loader gives: bytes for guest memory and the state of the boot CPU. Loaders are pure: they start nothing
 * and touch no guest memory; the machine checks every segment against RAM and copies it.
 */
import type { FwCfgFile } from '../devices/fw-cfg.js';

export interface Segment {
  /** Guest-physical address. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Memory it takes, where that is more than `bytes`: what follows them is zero (bss), or the kernel's to work in. */
  readonly memoryBytes?: number;
  /** From this offset on `bytes` only keep the place: the machine fills it with random bytes, others at each start. */
  readonly randomFrom?: number;
  /** What it is, for people: "kernel", "initrd", "boot_params", "page tables" … */
  readonly what: string;
}

/** The first instruction after a reset, as a linear address. */
export const RESET_VECTOR = 0xfffffff0;

export type EntryMode = 'real' | 'protected' | 'long';

/** What a firmware finds in the machine. */
export interface Firmware {
  /** A ROM that ends at 4 GiB. Its last 128 KiB are in the RAM that ends at 1 MiB too. */
  readonly rom: Uint8Array;
  /** What it is given by fw_cfg. */
  readonly files: readonly FwCfgFile[];
}

/** The boot CPU at its first instruction. A register that is not named is 0; interrupts are off. */
export interface Entry {
  /** reset: all registers as a reset leaves them, at f000:fff0 with the CS base 0xffff0000 (SDM volume 3, 10.1.4). */
  readonly mode: EntryMode | 'reset';
  /** Real mode: the linear address; CS base is `rip & ~0xffff`, IP the rest. Reset: RESET_VECTOR. */
  readonly rip: number;
  readonly registers?: Readonly<Partial<Record<'rax' | 'rbx' | 'rcx' | 'rdx' | 'rsi' | 'rdi' | 'rbp' | 'rsp', number>>>;
  /** Protected and long mode: the descriptor table and the flat selectors in it. */
  readonly gdt?: { readonly base: number; readonly limit: number; readonly code: number; readonly data: number };
  /** Long mode: guest-physical address of the top page table. */
  readonly cr3?: number;
}

/** The forms that an image can have, in the order in which they are looked for. */
export const FORM_NAMES = ['bzImage', 'multiboot2', 'multiboot', 'pvh', 'elf', 'boot-sector', 'flat'] as const;
export type FormName = (typeof FORM_NAMES)[number];

/** A bzImage and the ELF kernel that was in it. */
export interface UnpackedKernel {
  readonly bzImage: Uint8Array;
  readonly vmlinux: Uint8Array;
}

export interface BootPlan {
  readonly form: FormName;
  /** Whether the system is Linux, in whatever form. */
  readonly isLinux: boolean;
  readonly segments: readonly Segment[];
  readonly entry: Entry;
  /** Where Linux was unpacked here, and is entered past its own unpacking code: so without KASLR. */
  readonly unpacked?: UnpackedKernel;
  /** Where a firmware is entered, in place of the image. */
  readonly firmware?: Firmware;
  /** For people: the kernel's version and the like. */
  readonly description: string;
}
