import { VmError } from '../errors.js';
import {
  KVM_DIRTY_LOG_PAGE_OFFSET,
  KVM_SYNC_X86_REGS,
  KVM_VCPU_TSC_CTRL,
  KVM_VCPU_TSC_OFFSET,
} from './abi/constants.js';
import type { IoctlName } from './abi/ioctls.js';
import { decode, encode, type PartialValue, type Value } from './abi/layout.js';
import {
  type CpuidEntry,
  type Debugregs,
  type Fpu,
  kvmCpuid2,
  kvmCpuidEntry2,
  kvmDebugregs,
  kvmFpu,
  kvmGuestDebug,
  kvmInterrupt,
  kvmLapicState,
  kvmMpState,
  kvmMsrEntry,
  kvmMsrs,
  kvmRegs,
  kvmSignalMask,
  kvmSregs,
  kvmSyncRegs,
  kvmTranslation,
  kvmVcpuEvents,
  kvmXcrs,
  type MsrEntry,
  type Regs,
  type Sregs,
  type VcpuEvents,
  type Xcr,
} from './abi/registers.js';
import { kvmRun } from './abi/run.js';
import { kvmDeviceAttr, kvmEnableCap } from './abi/vm.js';
import { call, callBuffer, callFd, decodeList, encodeList, getStruct, setStruct } from './call.js';
import type { CoalescedRing } from './coalesced.js';
import { RunPage } from './exit.js';
import { Fd, type FdHandle, OwnedFd } from './fd.js';
import { Mappings } from './mappings.js';
import { native } from './native.js';

/** More CPUID entries than KVM_SET_CPUID2 takes (KVM_MAX_CPUID_ENTRIES is 256). */
const CPUID_ROOM = 256;
const SYNC_REGS = kvmRun.fields.s.offset;

interface Shape {
  readonly id: number;
  /** Bytes of the run mapping. */
  readonly runSize: number;
  /** Bytes of the XSAVE area. */
  readonly xsaveSize: number;
}

/** A vCPU as another thread gets it, by `postMessage`. */
export interface VcpuHandle extends Shape {
  readonly fd: FdHandle;
  readonly runBuffer: SharedArrayBuffer;
}

export type Translation = Value<typeof kvmTranslation>;

/** A virtual CPU. Made by `Vm.createVcpu`; `Vcpu.fromHandle` borrows one that another thread owns. */
export class Vcpu {
  readonly #fd: Fd;
  readonly #shape: Shape;
  readonly #mappings: Mappings;
  /** The mapped kvm_run, and the port data and coalesced ring behind it. All zeros once the vCPU is closed. */
  readonly page: RunPage;
  #oneRun: (() => number | undefined) | undefined;

  private constructor(fd: Fd, shape: Shape, run: Uint8Array, mappings = new Mappings()) {
    this.#fd = fd;
    this.#shape = shape;
    this.#mappings = mappings;
    this.page = new RunPage(run);
  }

  /** For `Vm.createVcpu`: takes the descriptor over and maps the run page. */
  static own(number: number, shape: Shape): Vcpu {
    const mappings = new Mappings();
    const fd = new OwnedFd(number, `vCPU ${shape.id}`, () => mappings.release());
    try {
      return new Vcpu(fd, shape, mappings.add(number, shape.runSize, 0), mappings);
    } catch (error) {
      fd.close();
      throw new VmError('KVM_CALL_FAILED', `mapping of vCPU ${shape.id} failed`, { cause: error });
    }
  }

  /** The vCPU that another thread owns: every call but `close` works. */
  static fromHandle(handle: VcpuHandle): Vcpu {
    return new Vcpu(new Fd(handle.fd), handle, new Uint8Array(handle.runBuffer, 0, handle.runSize));
  }

  get handle(): VcpuHandle {
    const buffer = this.page.bytes.buffer;
    if (!(buffer instanceof SharedArrayBuffer)) throw new VmError('BUG', 'the run page is not shared memory');
    return { fd: this.#fd.handle, runBuffer: buffer, ...this.#shape };
  }

  /** The number it was created with, which is its APIC ID. */
  get id(): number {
    return this.#shape.id;
  }

  /** Maps the ring of written pages (KVM API 8.29), `bytes` as KVM_CAP_DIRTY_LOG_RING was given. The owner's alone. */
  mapDirtyRing(bytes: number): Uint8Array {
    return this.#mappings.add(this.#fd.number, bytes, KVM_DIRTY_LOG_PAGE_OFFSET);
  }

  /**
   * The function that the vCPU's loop calls: KVM_RUN (KVM API 4.10). It gives undefined, or the negative errno
   * (-4, EINTR: kicked), and never throws; after `close` it must not be called.
   * @param ticks eight bytes seen as a double, to which the TSC ticks spent inside are added
   * @param ring of coalesced writes: where it made an exit and some wait there, it gives WRITES_WAIT
   */
  makeRun(ticks: Uint8Array | null = null, ring?: CoalescedRing): () => number | undefined {
    return native.makeRun(this.#fd.number, ticks, ring?.bytes ?? null);
  }

  /**
   * The same, recording each exit with the registers that KVM_RUN copies (KVM API 6.74).
   * @param ring an `ExitRing`'s memory; `ticks` as for `makeRun`
   */
  makeRecordingRun(ring: Uint8Array, ticks: Uint8Array): () => number | undefined {
    this.setValidRegs(KVM_SYNC_X86_REGS);
    return native.makeRecordingRun(this.#fd.number, this.page.bytes, ring, ticks);
  }

  /** One KVM_RUN (KVM API 4.10), off the hot path. Returns 0, or the negative errno. Throws VmError CLOSED. */
  run(): number {
    if (!this.#fd.isOpen) throw new VmError('CLOSED', `${this.#fd.handle.name} is closed`);
    this.#oneRun ??= this.makeRun();
    return this.#oneRun() ?? 0;
  }

  /** KVM_GET_REGS (KVM API 4.11). */
  getRegs(): Regs {
    return getStruct(this.#fd, 'KVM_GET_REGS', kvmRegs);
  }

  /** KVM_SET_REGS (KVM API 4.12). */
  setRegs(regs: Regs): void {
    setStruct(this.#fd, 'KVM_SET_REGS', kvmRegs, regs);
  }

  /** KVM_GET_SREGS (KVM API 4.13). */
  getSregs(): Sregs {
    return getStruct(this.#fd, 'KVM_GET_SREGS', kvmSregs);
  }

  /** KVM_SET_SREGS (KVM API 4.14). Throws VmError KVM_CALL_FAILED (EINVAL: a state that no CPU can be in). */
  setSregs(sregs: Sregs): void {
    setStruct(this.#fd, 'KVM_SET_SREGS', kvmSregs, sregs);
  }

  /** KVM_GET_FPU (KVM API 4.22). */
  getFpu(): Fpu {
    return getStruct(this.#fd, 'KVM_GET_FPU', kvmFpu);
  }

  /** KVM_SET_FPU (KVM API 4.23). */
  setFpu(fpu: Fpu): void {
    setStruct(this.#fd, 'KVM_SET_FPU', kvmFpu, fpu);
  }

  /** KVM_GET_XSAVE2 (KVM API 4.134): the XSAVE area as the host's CPUID leaf 0xD lays it out. */
  getXsave(): Uint8Array {
    const area = new Uint8Array(this.#shape.xsaveSize);
    callBuffer(this.#fd, 'KVM_GET_XSAVE2', area);
    return area;
  }

  /** KVM_SET_XSAVE (KVM API 4.43), of an area that `getXsave` gave. */
  setXsave(area: Uint8Array): void {
    if (area.length !== this.#shape.xsaveSize) {
      throw new VmError('STATE_INVALID', `the XSAVE area has ${area.length} bytes, not ${this.#shape.xsaveSize}`);
    }
    callBuffer(this.#fd, 'KVM_SET_XSAVE', area);
  }

  /** KVM_GET_XCRS (KVM API 4.44). */
  getXcrs(): Xcr[] {
    const { xcrs, nrXcrs } = getStruct(this.#fd, 'KVM_GET_XCRS', kvmXcrs);
    return xcrs.slice(0, nrXcrs);
  }

  /** KVM_SET_XCRS (KVM API 4.45). */
  setXcrs(xcrs: readonly Xcr[]): void {
    setStruct(this.#fd, 'KVM_SET_XCRS', kvmXcrs, { nrXcrs: xcrs.length, xcrs });
  }

  /** KVM_GET_LAPIC (KVM API 4.57): 1024 bytes of registers, 16 bytes apart. */
  getLapic(): Uint8Array {
    return getStruct(this.#fd, 'KVM_GET_LAPIC', kvmLapicState).regs;
  }

  /** KVM_SET_LAPIC (KVM API 4.58). After the APIC base and before the TSC deadline. */
  setLapic(regs: Uint8Array): void {
    setStruct(this.#fd, 'KVM_SET_LAPIC', kvmLapicState, { regs });
  }

  /** KVM_GET_MP_STATE (KVM API 4.38): KVM_MP_STATE_RUNNABLE, _HALTED, … */
  getMpState(): number {
    return getStruct(this.#fd, 'KVM_GET_MP_STATE', kvmMpState).mpState;
  }

  /** KVM_SET_MP_STATE (KVM API 4.39). */
  setMpState(mpState: number): void {
    setStruct(this.#fd, 'KVM_SET_MP_STATE', kvmMpState, { mpState });
  }

  /** KVM_GET_VCPU_EVENTS (KVM API 4.31). */
  getVcpuEvents(): VcpuEvents {
    return getStruct(this.#fd, 'KVM_GET_VCPU_EVENTS', kvmVcpuEvents);
  }

  /** KVM_SET_VCPU_EVENTS (KVM API 4.32). `flags` says which optional members count. */
  setVcpuEvents(events: VcpuEvents): void {
    setStruct(this.#fd, 'KVM_SET_VCPU_EVENTS', kvmVcpuEvents, events);
  }

  /** KVM_GET_DEBUGREGS (KVM API 4.33). */
  getDebugregs(): Debugregs {
    return getStruct(this.#fd, 'KVM_GET_DEBUGREGS', kvmDebugregs);
  }

  /** KVM_SET_DEBUGREGS (KVM API 4.34). */
  setDebugregs(registers: Debugregs): void {
    setStruct(this.#fd, 'KVM_SET_DEBUGREGS', kvmDebugregs, registers);
  }

  /** KVM_GET_CPUID2 (KVM API 4.20): what `setCpuid2` set. */
  getCpuid2(): CpuidEntry[] {
    const buffer = new Uint8Array(kvmCpuid2.size + kvmCpuidEntry2.size * CPUID_ROOM);
    new DataView(buffer.buffer).setUint32(0, CPUID_ROOM, true);
    callBuffer(this.#fd, 'KVM_GET_CPUID2', buffer);
    const entries = decodeList(kvmCpuid2, kvmCpuidEntry2, buffer);
    // Linux 6.1 leaves the count as it was: what it did not fill in is zero.
    const last = entries.findLastIndex((entry) => Object.values(entry).some((word) => word !== 0));
    return entries.slice(0, last + 1);
  }

  /** KVM_SET_CPUID2 (KVM API 4.20). Before the first `run`. Throws VmError KVM_CALL_FAILED (E2BIG, EINVAL). */
  setCpuid2(entries: readonly CpuidEntry[]): void {
    callBuffer(this.#fd, 'KVM_SET_CPUID2', encodeList(kvmCpuid2, kvmCpuidEntry2, entries));
  }

  /** KVM_GET_MSRS (KVM API 4.18), in the order asked. Throws VmError KVM_CALL_FAILED that names an MSR KVM refuses. */
  getMsrs(indices: readonly number[]): MsrEntry[] {
    const entries = indices.map((index) => ({ index }));
    return decodeList(kvmMsrs, kvmMsrEntry, this.#msrs('KVM_GET_MSRS', entries));
  }

  /** KVM_SET_MSRS (KVM API 4.19), in order. Throws VmError KVM_CALL_FAILED that names an MSR KVM refuses. */
  setMsrs(entries: readonly MsrEntry[]): void {
    this.#msrs('KVM_SET_MSRS', entries);
  }

  #msrs(name: 'KVM_GET_MSRS' | 'KVM_SET_MSRS', entries: readonly PartialValue<typeof kvmMsrEntry>[]): Uint8Array {
    const buffer = encodeList(kvmMsrs, kvmMsrEntry, entries);
    // KVM stops at the first that it refuses and returns how many it did.
    const done = callBuffer(this.#fd, name, buffer);
    const refused = entries[done];
    if (refused === undefined) return buffer;
    const index = `0x${(refused.index ?? 0).toString(16)}`;
    const value = refused.data === undefined ? '' : ` = 0x${refused.data.toString(16)}`;
    throw new VmError('KVM_CALL_FAILED', `${name} failed: KVM refuses MSR ${index}${value}`);
  }

  /** KVM_GET_TSC_KHZ (KVM API 4.56). */
  getTscKhz(): number {
    return call(this.#fd, 'KVM_GET_TSC_KHZ');
  }

  /** KVM_SET_TSC_KHZ (KVM API 4.55). EINVAL: neither the host's own rate nor KVM_CAP_TSC_CONTROL. */
  setTscKhz(khz: number): void {
    call(this.#fd, 'KVM_SET_TSC_KHZ', khz);
  }

  /** KVM_SET_GUEST_DEBUG (KVM API 4.87). `control`: KVM_GUESTDBG_* flags; `debugreg`: DR0 to DR7 for _USE_HW_BP. */
  setGuestDebug(control: number, debugreg: readonly bigint[] = []): void {
    setStruct(this.#fd, 'KVM_SET_GUEST_DEBUG', kvmGuestDebug, { control, arch: { debugreg } });
  }

  /** KVM_NMI (KVM API 4.64): queues a non-maskable interrupt. */
  nmi(): void {
    call(this.#fd, 'KVM_NMI');
  }

  /** KVM_INTERRUPT (KVM API 4.16): queues a vector. ENXIO with an in-kernel irqchip; EEXIST: one is queued. */
  interrupt(vector: number): void {
    setStruct(this.#fd, 'KVM_INTERRUPT', kvmInterrupt, { irq: vector });
  }

  /** KVM_TRANSLATE (KVM API 4.15): walks the guest's page tables as they are now. */
  translate(linearAddress: bigint): Translation {
    return getStruct(this.#fd, 'KVM_TRANSLATE', kvmTranslation, { linearAddress });
  }

  /** KVM_GET_STATS_FD (KVM API 4.133) of the vCPU. The caller closes it. */
  getStatsFd(): OwnedFd {
    return new OwnedFd(callFd(this.#fd, 'KVM_GET_STATS_FD'), `vCPU ${this.id} statistics`);
  }

  /** KVM_HAS_DEVICE_ATTR (KVM API 4.81). */
  hasDeviceAttr(group: number, attr: number): boolean {
    try {
      setStruct(this.#fd, 'KVM_HAS_DEVICE_ATTR', kvmDeviceAttr, { group, attr: BigInt(attr) });
      return true;
    } catch (error) {
      if (error instanceof VmError && error.code === 'KVM_CALL_FAILED') return false;
      throw error;
    }
  }

  /** KVM_GET_DEVICE_ATTR (KVM API 4.80) of 8 bytes. */
  getDeviceAttr(group: number, attr: number): bigint {
    const data = new BigUint64Array(1);
    this.#deviceAttr('KVM_GET_DEVICE_ATTR', group, attr, data);
    return data[0] ?? 0n;
  }

  /** KVM_SET_DEVICE_ATTR (KVM API 4.80) of 8 bytes. */
  setDeviceAttr(group: number, attr: number, value: bigint): void {
    this.#deviceAttr('KVM_SET_DEVICE_ATTR', group, attr, new BigUint64Array([BigInt.asUintN(64, value)]));
  }

  #deviceAttr(name: IoctlName, group: number, attr: number, data: BigUint64Array): void {
    const addr = BigInt(native.addressOf(new Uint8Array(data.buffer)));
    setStruct(this.#fd, name, kvmDeviceAttr, { group, attr: BigInt(attr), addr });
  }

  /** What KVM adds to the host's TSC: KVM_VCPU_TSC_OFFSET (devices/vcpu 4.1), signed. */
  getTscOffset(): bigint {
    return BigInt.asIntN(64, this.getDeviceAttr(KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET));
  }

  setTscOffset(offset: bigint): void {
    this.setDeviceAttr(KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, offset);
  }

  /** KVM_KVMCLOCK_CTRL (KVM API 4.70): tells the guest's watchdog of a pause. EINVAL: the guest has no kvmclock on. */
  kvmclockCtrl(): void {
    call(this.#fd, 'KVM_KVMCLOCK_CTRL');
  }

  /** KVM_ENABLE_CAP (KVM API 4.37, 6) of the vCPU. */
  enableCap(capability: number, ...args: readonly (number | bigint)[]): void {
    setStruct(this.#fd, 'KVM_ENABLE_CAP', kvmEnableCap, { cap: capability, args: args.map(BigInt) });
  }

  /** KVM_SET_SIGNAL_MASK (KVM API 4.21): the kernel's 64-bit set of blocked signals inside KVM_RUN (bit n-1: signal n). */
  setSignalMask(blocked: bigint): void {
    const buffer = new Uint8Array(kvmSignalMask.size + 8);
    const view = new DataView(buffer.buffer);
    view.setUint32(0, 8, true);
    view.setBigUint64(kvmSignalMask.size, blocked, true);
    callBuffer(this.#fd, 'KVM_SET_SIGNAL_MASK', buffer);
  }

  /** Chooses what KVM_RUN copies into the run page at each exit: KVM_SYNC_X86_* (KVM API 6.74). */
  setValidRegs(flags: number): void {
    this.#set64(kvmRun.fields.kvmValidRegs.offset, flags);
  }

  /** The registers that the last exit copied, without a call. Only the parts chosen with `setValidRegs` are current. */
  getSyncRegs(): Value<typeof kvmSyncRegs> {
    return decode(kvmSyncRegs, this.page.bytes.subarray(SYNC_REGS));
  }

  /** Gives registers to the next KVM_RUN; `flags`, KVM_SYNC_X86_*, says which parts of `regs` count. */
  setSyncRegs(flags: number, regs: PartialValue<typeof kvmSyncRegs>): void {
    encode(kvmSyncRegs, { ...this.getSyncRegs(), ...regs }, this.page.bytes.subarray(SYNC_REGS));
    this.#set64(kvmRun.fields.kvmDirtyRegs.offset, flags);
  }

  #set64(offset: number, value: number): void {
    this.page.view.setBigUint64(offset, BigInt(value), true);
  }

  /**
   * Unmaps the run page and closes the vCPU. No thread may be inside `run`. A second call does nothing.
   * Throws VmError STATE_INVALID where this thread does not own the vCPU.
   */
  close(): void {
    if (!(this.#fd instanceof OwnedFd)) {
      throw new VmError('STATE_INVALID', 'only the thread that made a vCPU may close it');
    }
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
