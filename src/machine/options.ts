import type { EntryMode, FormName } from '../boot/plan.js';
import { VmError } from '../errors.js';
import type { ParavirtFeatures } from '../kvm/cpuid.js';
import type { HugePages } from '../memory/huge-pages.js';
import { GIB, MIB } from '../memory/map.js';

/** A file for a kernel that takes modules: its name, or its bytes, and what the kernel is told with it. */
export interface ModuleOptions {
  readonly file: string | Uint8Array;
  /** What the kernel knows it by. Default: the last part of the file's name. */
  readonly name?: string | undefined;
  readonly commandLine?: string | undefined;
}

/** How exits are recorded. */
export interface RecordOptions {
  /** Exits of each vCPU that may wait for the reader, 128 bytes each: a power of two. Default 131,072. */
  readonly records?: number | undefined;
  /** Takes down when the boot CPU's thread goes through its devices, for `Machine.hops`; costs four time stamps an access. */
  readonly hops?: boolean | undefined;
}

/** A port of no device, writes to which KVM takes itself: they make no exit to the machine, and nobody is told of them. */
export interface KvmPort {
  readonly port: number;
  /** Bytes: 1, 2 or 4. For an ioeventfd those of the write. */
  readonly size: number;
  /** Into the VM's ring (KVM API 4.116), of which one that is full makes an exit, or counted by an eventfd (4.59). */
  readonly how: 'coalesced' | 'ioeventfd';
}

/** What a machine is made of. */
export interface MachineOptions {
  /** A kernel or flat image: its file's name, or its bytes. */
  readonly image: string | Uint8Array;
  /** Takes the image in this form; without, its contents tell. */
  readonly form?: FormName | undefined;
  /** An initial RAM disk for Linux, or the first module of another kernel, likewise. */
  readonly initrd?: string | Uint8Array | undefined;
  /** Modules for kernels other than Linux (multiboot, PVH), in this order. */
  readonly modules?: readonly ModuleOptions[] | undefined;
  /** The kernel's command line. Default: `console=ttyS0` for Linux, nothing for others. */
  readonly commandLine?: string | undefined;
  /** RAM: bytes, or text such as "256M" or "2G". Default 256 MiB. */
  readonly memory?: number | string | undefined;
  /**
   * Pages of 2 MiB behind RAM; one wanted and not there is told by `Machine.hugePagesFallback`. Default: transparent for an
   * image of 4 MiB or more, else as the host does.
   */
  readonly hugePages?: HugePages | undefined;
  /** vCPUs: 1 (the default) to 255, and no more than the host's KVM gives to one machine. */
  readonly cpus?: number | undefined;
  /** Takes the image as a flat one, entered in this mode. */
  readonly flat?: EntryMode | undefined;
  /** Unpacks a bzImage here, which spares the guest doing so and takes KASLR from it. Default true. */
  readonly unpack?: boolean | undefined;
  /** Where a flat image goes. */
  readonly loadAddress?: number | undefined;
  /** The firmware that boots a boot sector or floppy image, likewise: Debian's /usr/share/seabios/bios.bin, say. */
  readonly firmware?: string | Uint8Array | undefined;
  /** Ends the machine after so many seconds of wall-clock time, at most 2,147,483. */
  readonly timeoutS?: number | undefined;
  /** Starts the image again after a reset, in place of ending. */
  readonly reboot?: boolean | undefined;
  /** KVM's paravirtual features; what is not named is on where KVM has it. */
  readonly paravirt?: ParavirtFeatures | undefined;
  /** Ports for a guest that measures what KVM does with a write without an exit. */
  readonly kvmPorts?: readonly KvmPort[] | undefined;
  /** Entries of each vCPU's ring of written pages, a power of two from 1024 to 65,536; without, the dirty log is used. */
  readonly dirtyRing?: number | undefined;
  /** Takes the time inside and outside of KVM_RUN; costs two time stamps an exit. */
  readonly timed?: boolean | undefined;
  /** Writes every exit down for whoever reads `Machine.exitRings`; costs some hundred instructions an exit. */
  readonly record?: RecordOptions | undefined;
  /** To which vCPU threads append their number, to have their KVM events recorded: a KvmTrace's. */
  readonly threadsFile?: string | undefined;
  /** Ends the machine at the first of these, an exit before it is carried out: see `parseBreak`. */
  readonly breakOn?: readonly string[] | undefined;
  /** Has the kernel record what KVM does, for the post-mortem: that wants root, and costs time at each exit. */
  readonly traceKvm?: boolean | undefined;
  /** The KVM device. Default /dev/kvm. */
  readonly kvmPath?: string | undefined;
}

export const DEFAULT_MEMORY = '256M';
export const DEFAULT_CPUS = 1;
/** Local APIC IDs of 8 bits; 255 addresses all of them (SDM volume 3, 11.6.1 and 11.4.6). */
export const MAX_CPUS = 255;
export const DEFAULT_COMMAND_LINE = 'console=ttyS0';
const PAGE = 4096;
const MIN_MEMORY = 2 * MIB;
/** Guest-physical addresses that every CPU with EPT or NPT has: 512 GiB less the hole. */
const MAX_MEMORY = 511 * GIB;
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: MIB, G: GIB, T: 1024 * GIB };

/**
 * RAM size in bytes.
 * @throws VmError MEMORY_INVALID where it is no size, no multiple of 4096, below 2 MiB or above 511 GiB
 */
export function memorySize(size: number | string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(String(size).trim());
  const bytes = match === null ? Number.NaN : Number(match[1]) * (UNITS[(match[2] ?? '').toUpperCase()] ?? Number.NaN);
  const hint = 'Give a size such as 256M or 2G.';
  if (!Number.isSafeInteger(bytes)) throw new VmError('MEMORY_INVALID', `"${size}" is no memory size`, { hint });
  if (bytes < MIN_MEMORY || bytes > MAX_MEMORY || bytes % PAGE !== 0) {
    const rule = 'a multiple of 4096 bytes from 2 MiB to 511 GiB';
    throw new VmError('MEMORY_INVALID', `memory of ${size} is not ${rule}`, { hint });
  }
  return bytes;
}
