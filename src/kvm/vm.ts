import { VmError } from '../errors.js';
import { KVM_CAP_XSAVE2 } from './abi/capabilities.js';
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_PIT_SPEAKER_DUMMY,
} from './abi/constants.js';
import type { PartialValue } from './abi/layout.js';
import { kvmXsave } from './abi/registers.js';
import { kvmCoalescedMmioZone } from './abi/run.js';
import {
  type ClockData,
  kvmClearDirtyLog,
  kvmClockData,
  kvmDirtyLog,
  kvmEnableCap,
  kvmIoeventfd,
  kvmIrqchip,
  kvmIrqfd,
  kvmIrqRouting,
  kvmIrqRoutingEntry,
  kvmMsi,
  kvmPitConfig,
  kvmPitState2,
  kvmUserspaceMemoryRegion,
  type PitState2,
} from './abi/vm.js';
import { call, callBuffer, callFd, encodeList, getStruct, setStruct } from './call.js';
import { Fd, type FdHandle, OwnedFd } from './fd.js';
import { native } from './native.js';
import { Vcpu } from './vcpu.js';

/** A VM as another thread gets it, by `postMessage`. */
export interface VmHandle {
  readonly fd: FdHandle;
  readonly vcpuMmapSize: number;
}

/** A memory slot: guest-physical memory that is backed by this process's. All in bytes, multiples of 4096. */
export interface MemoryRegion {
  readonly slot: number;
  /** KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY. */
  readonly flags?: number;
  readonly guestPhysAddr: number;
  /** 0 deletes the slot. At most the view's length, which it is where left out. */
  readonly memorySize?: number;
  /** The backing memory. Its buffer must outlive the slot. */
  readonly view?: Uint8Array;
  /** The same by address, in place of `view`. */
  readonly userspaceAddr?: number;
}

export interface Irqfd {
  /** An eventfd: each write to it raises `gsi`. */
  readonly fd: number;
  readonly gsi: number;
  /** An eventfd that KVM writes when the guest acknowledged a level interrupt. */
  readonly resamplefd?: number;
  readonly deassign?: boolean;
}

export interface Ioeventfd {
  /** An eventfd that KVM writes when the guest writes to `addr`, without an exit. */
  readonly fd: number;
  /** A port with KVM_IOEVENTFD_FLAG_PIO in `flags`, else a guest-physical address. */
  readonly addr: number;
  /** 1, 2, 4 or 8 bytes, or 0 for any length. */
  readonly len: number;
  readonly flags?: number;
  /** Only writes of this value. */
  readonly datamatch?: bigint;
  readonly deassign?: boolean;
}

export type IrqRoute = PartialValue<typeof kvmIrqRoutingEntry>;

/** A virtual machine. Made by `Kvm.createVm`; `Vm.fromHandle` borrows one that another thread owns. */
export class Vm {
  readonly #fd: Fd;
  readonly #vcpuMmapSize: number;
  readonly #vcpus: Vcpu[] = [];
  /** The argument of KVM_IRQ_LINE, made once: it is called for every interrupt. */
  readonly #irqLevel = new Uint32Array(2);
  readonly #irqLevelBytes = new Uint8Array(this.#irqLevel.buffer);

  private constructor(fd: Fd, vcpuMmapSize: number) {
    this.#fd = fd;
    this.#vcpuMmapSize = vcpuMmapSize;
  }

  /** For `Kvm.createVm`. */
  static own(fd: OwnedFd, vcpuMmapSize: number): Vm {
    return new Vm(fd, vcpuMmapSize);
  }

  /** The VM that another thread owns: every call but `close` works. */
  static fromHandle(handle: VmHandle): Vm {
    return new Vm(new Fd(handle.fd), handle.vcpuMmapSize);
  }

  get handle(): VmHandle {
    return { fd: this.#fd.handle, vcpuMmapSize: this.#vcpuMmapSize };
  }

  /** KVM_CHECK_EXTENSION (KVM API 4.4) of this VM: 0 where the capability is missing, else its value. */
  checkExtension(capability: number): number {
    return call(this.#fd, 'KVM_CHECK_EXTENSION', capability);
  }

  /** KVM_ENABLE_CAP (KVM API 4.37, 7). Throws VmError KVM_CALL_FAILED (EINVAL: the capability is not known). */
  enableCap(capability: number, ...args: readonly (number | bigint)[]): void {
    setStruct(this.#fd, 'KVM_ENABLE_CAP', kvmEnableCap, { cap: capability, args: args.map(BigInt) });
  }

  /** KVM_SET_TSS_ADDR (KVM API 4.36): three pages for VT-x without unrestricted guest. Before the first vCPU. */
  setTssAddr(guestPhysAddr: number): void {
    call(this.#fd, 'KVM_SET_TSS_ADDR', guestPhysAddr);
  }

  /** KVM_SET_IDENTITY_MAP_ADDR (KVM API 4.40): one page, likewise. Before the first vCPU, else EINVAL. */
  setIdentityMapAddr(guestPhysAddr: number): void {
    const argument = new BigUint64Array([BigInt(guestPhysAddr)]);
    callBuffer(this.#fd, 'KVM_SET_IDENTITY_MAP_ADDR', new Uint8Array(argument.buffer));
  }

  /** KVM_SET_USER_MEMORY_REGION (KVM API 4.35). Throws VmError KVM_CALL_FAILED (EINVAL, EEXIST: slots overlap). */
  setUserMemoryRegion(region: MemoryRegion): void {
    const { slot, flags = 0, guestPhysAddr, view } = region;
    const memorySize = region.memorySize ?? view?.length ?? 0;
    if (view && memorySize > view.length) {
      throw new VmError('MEMORY_INVALID', `slot ${slot}: ${memorySize} bytes are more than the view's ${view.length}`);
    }
    setStruct(this.#fd, 'KVM_SET_USER_MEMORY_REGION', kvmUserspaceMemoryRegion, {
      slot,
      flags,
      guestPhysAddr: BigInt(guestPhysAddr),
      memorySize: BigInt(memorySize),
      userspaceAddr: BigInt(view ? native.addressOf(view) : (region.userspaceAddr ?? 0)),
    });
  }

  /** KVM_CREATE_IRQCHIP (KVM API 4.24): PIC, I/O APIC and local APICs in the kernel. Before the first vCPU. */
  createIrqchip(): void {
    call(this.#fd, 'KVM_CREATE_IRQCHIP');
  }

  /** KVM_CREATE_PIT2 (KVM API 4.71). `speakerDummy`: port 0x61 in the kernel too. After `createIrqchip`. */
  createPit2(options: { readonly speakerDummy?: boolean } = {}): void {
    setStruct(this.#fd, 'KVM_CREATE_PIT2', kvmPitConfig, { flags: options.speakerDummy ? KVM_PIT_SPEAKER_DUMMY : 0 });
  }

  /** KVM_GET_IRQCHIP (KVM API 4.26): 512 bytes, laid out as kvmPicState or kvmIoapicState. */
  getIrqchip(chipId: number): Uint8Array {
    return getStruct(this.#fd, 'KVM_GET_IRQCHIP', kvmIrqchip, { chipId }).chip;
  }

  /** KVM_SET_IRQCHIP (KVM API 4.27). */
  setIrqchip(chipId: number, chip: Uint8Array): void {
    setStruct(this.#fd, 'KVM_SET_IRQCHIP', kvmIrqchip, { chipId, chip });
  }

  /** KVM_GET_PIT2 (KVM API 4.72). Throws VmError KVM_CALL_FAILED (ENXIO: no PIT). */
  getPit2(): PitState2 {
    return getStruct(this.#fd, 'KVM_GET_PIT2', kvmPitState2);
  }

  /** KVM_SET_PIT2 (KVM API 4.73). */
  setPit2(state: PitState2): void {
    setStruct(this.#fd, 'KVM_SET_PIT2', kvmPitState2, state);
  }

  /** KVM_IRQ_LINE (KVM API 4.25): sets the line to `level`, 0 or 1. Allocates nothing. ENXIO: no irqchip. */
  irqLine(gsi: number, level: number): void {
    this.#irqLevel[0] = gsi;
    this.#irqLevel[1] = level;
    callBuffer(this.#fd, 'KVM_IRQ_LINE', this.#irqLevelBytes);
  }

  /** KVM_SET_GSI_ROUTING (KVM API 4.52): replaces the whole table. */
  setGsiRouting(routes: readonly IrqRoute[]): void {
    callBuffer(this.#fd, 'KVM_SET_GSI_ROUTING', encodeList(kvmIrqRouting, kvmIrqRoutingEntry, routes));
  }

  /** KVM_IRQFD (KVM API 4.75). */
  irqfd({ fd, gsi, resamplefd, deassign }: Irqfd): void {
    const flags = (deassign ? KVM_IRQFD_FLAG_DEASSIGN : 0) | (resamplefd === undefined ? 0 : KVM_IRQFD_FLAG_RESAMPLE);
    setStruct(this.#fd, 'KVM_IRQFD', kvmIrqfd, { fd, gsi, flags, resamplefd: resamplefd ?? 0 });
  }

  /** KVM_IOEVENTFD (KVM API 4.59). Throws VmError KVM_CALL_FAILED (EEXIST, ENOENT, ENOSPC, EINVAL). */
  ioeventfd({ fd, addr, len, flags = 0, datamatch, deassign }: Ioeventfd): void {
    const all =
      flags |
      (datamatch === undefined ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH) |
      (deassign ? KVM_IOEVENTFD_FLAG_DEASSIGN : 0);
    setStruct(this.#fd, 'KVM_IOEVENTFD', kvmIoeventfd, {
      fd,
      addr: BigInt(addr),
      len,
      flags: all,
      datamatch: datamatch ?? 0n,
    });
  }

  /** KVM_REGISTER_COALESCED_MMIO (KVM API 4.116) of ports: writes go into the ring without an exit. */
  registerCoalescedPio(port: number, size: number): void {
    this.#coalesce('KVM_REGISTER_COALESCED_MMIO', port, size, 1);
  }

  /** KVM_UNREGISTER_COALESCED_MMIO (KVM API 4.116) of ports. */
  unregisterCoalescedPio(port: number, size: number): void {
    this.#coalesce('KVM_UNREGISTER_COALESCED_MMIO', port, size, 1);
  }

  /** KVM_REGISTER_COALESCED_MMIO (KVM API 4.116) of guest-physical addresses. */
  registerCoalescedMmio(address: number, size: number): void {
    this.#coalesce('KVM_REGISTER_COALESCED_MMIO', address, size, 0);
  }

  /** KVM_UNREGISTER_COALESCED_MMIO (KVM API 4.116) of guest-physical addresses. */
  unregisterCoalescedMmio(address: number, size: number): void {
    this.#coalesce('KVM_UNREGISTER_COALESCED_MMIO', address, size, 0);
  }

  #coalesce(
    name: 'KVM_REGISTER_COALESCED_MMIO' | 'KVM_UNREGISTER_COALESCED_MMIO',
    address: number,
    size: number,
    pio: number,
  ): void {
    setStruct(this.#fd, name, kvmCoalescedMmioZone, { addr: BigInt(address), size, pio });
  }

  /** KVM_GET_DIRTY_LOG (KVM API 4.8): one bit a page into `bitmap`, a multiple of 8 bytes. May name pages only read. */
  getDirtyLog(slot: number, bitmap: Uint8Array): void {
    setStruct(this.#fd, 'KVM_GET_DIRTY_LOG', kvmDirtyLog, { slot, dirtyBitmap: BigInt(native.addressOf(bitmap)) });
  }

  /** KVM_CLEAR_DIRTY_LOG (KVM API 4.117), with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 on. Pages from `firstPage`, by 64. */
  clearDirtyLog(slot: number, firstPage: number, numPages: number, bitmap: Uint8Array): void {
    setStruct(this.#fd, 'KVM_CLEAR_DIRTY_LOG', kvmClearDirtyLog, {
      slot,
      firstPage: BigInt(firstPage),
      numPages,
      dirtyBitmap: BigInt(native.addressOf(bitmap)),
    });
  }

  /** KVM_RESET_DIRTY_RINGS (KVM API 8.29): protects again what was taken from the rings. Returns how many pages. */
  resetDirtyRings(): number {
    return call(this.#fd, 'KVM_RESET_DIRTY_RINGS');
  }

  /** KVM_GET_CLOCK (KVM API 4.29): kvmclock, in nanoseconds. */
  getClock(): ClockData {
    return getStruct(this.#fd, 'KVM_GET_CLOCK', kvmClockData);
  }

  /** KVM_SET_CLOCK (KVM API 4.30). `flags`: 0, or KVM_CLOCK_REALTIME to add the time that passed since. */
  setClock(clock: PartialValue<typeof kvmClockData>): void {
    setStruct(this.#fd, 'KVM_SET_CLOCK', kvmClockData, clock);
  }

  /** KVM_SIGNAL_MSI (KVM API 4.71). Returns whether the guest took the interrupt, rather than blocked it. */
  signalMsi(msi: PartialValue<typeof kvmMsi>): boolean {
    return setStruct(this.#fd, 'KVM_SIGNAL_MSI', kvmMsi, msi) > 0;
  }

  /** KVM_SET_BOOT_CPU_ID (KVM API 4.41). Before the first vCPU, else EBUSY. */
  setBootCpuId(id: number): void {
    call(this.#fd, 'KVM_SET_BOOT_CPU_ID', id);
  }

  /** KVM_CREATE_VCPU (KVM API 4.7). `id` is the APIC ID. Closed with the VM, or before it. */
  createVcpu(id: number): Vcpu {
    const number = callFd(this.#fd, 'KVM_CREATE_VCPU', id);
    const xsaveSize = Math.max(kvmXsave.size, this.checkExtension(KVM_CAP_XSAVE2));
    const vcpu = Vcpu.own(number, { id, runSize: this.#vcpuMmapSize, xsaveSize });
    this.#vcpus.push(vcpu);
    return vcpu;
  }

  /** KVM_GET_STATS_FD (KVM API 4.133) of the VM. The caller closes it. */
  getStatsFd(): OwnedFd {
    return new OwnedFd(callFd(this.#fd, 'KVM_GET_STATS_FD'), 'VM statistics');
  }

  /**
   * Closes the vCPUs, then the VM. No thread may be inside KVM_RUN. A second call does nothing.
   * Throws VmError STATE_INVALID where this thread does not own the VM.
   */
  close(): void {
    if (!(this.#fd instanceof OwnedFd))
      throw new VmError('STATE_INVALID', 'only the thread that made a VM may close it');
    for (const vcpu of this.#vcpus.splice(0)) vcpu.close();
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
