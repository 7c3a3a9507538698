import {
  KVM_EXIT_IO_IN,
  KVM_EXIT_IO_OUT,
  KVM_INTERNAL_ERROR_EMULATION,
  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
} from './abi/exits.js';
import { kvmRun } from './abi/run.js';

const RUN = kvmRun.fields;
const EXIT = RUN.exit.offset;
const ARMS = RUN.exit.type.fields;
const IO = ARMS.io.type.fields;
const MMIO = ARMS.mmio.type.fields;
const INTERNAL = ARMS.internal.type.fields;
const EMULATION = ARMS.emulationFailure.type.fields;
const MSR = ARMS.msr.type.fields;
const DEBUG = ARMS.debug.type.fields.arch.type.fields;
const HYPERCALL = ARMS.hypercall.type.fields;
const TPR = ARMS.tprAccess.type.fields;
const SYSTEM_EVENT = ARMS.systemEvent.type.fields;
const FAIL_ENTRY = ARMS.failEntry.type.fields;
const XEN = ARMS.xen.type.fields;

/** Indices into `RunPage.words` of what the decoding of a port I/O exit reads each time. */
export const EXIT_REASON_WORD = RUN.exitReason.offset / 4;
/** Direction (bits 0–7), bytes of an element (8–15) and port (16–31): one load in place of three. */
export const IO_WORD = (EXIT + IO.direction.offset) / 4;
export const IO_COUNT_WORD = (EXIT + IO.count.offset) / 4;
export const IO_DATA_OFFSET_WORD = (EXIT + IO.dataOffset.offset) / 4;
/** The low half of `IO_WORD` of a byte written. */
export const IO_ONE_BYTE_OUT = KVM_EXIT_IO_OUT | (1 << 8);
/** Likewise, of a byte read. */
export const IO_ONE_BYTE_IN = KVM_EXIT_IO_IN | (1 << 8);

/** Of an MMIO exit: the address's low half, the high one is next; the data's likewise; the length in bytes. */
export const MMIO_ADDRESS_WORD = (EXIT + MMIO.physAddr.offset) / 4;
export const MMIO_DATA_WORD = (EXIT + MMIO.data.offset) / 4;
export const MMIO_LENGTH_WORD = (EXIT + MMIO.len.offset) / 4;
/** In its low byte: 1 where the guest writes. */
export const MMIO_IS_WRITE_WORD = (EXIT + MMIO.isWrite.offset) / 4;

/** A typed array of one element always has it. */
type Cell = { 0: number };
const cell8 = (view: Uint8Array, at: number): Cell => cell(new Uint8Array(view.buffer, view.byteOffset + at, 1));
const cell16 = (view: Uint8Array, at: number): Cell => cell(new Uint16Array(view.buffer, view.byteOffset + at, 1));
const cell32 = (view: Uint8Array, at: number): Cell => cell(new Uint32Array(view.buffer, view.byteOffset + at, 1));
const cell = (array: ArrayLike<number>): Cell => array as unknown as Cell;

/**
 * A vCPU's mapped kvm_run (KVM API 5), read in place: nothing is allocated, and no bigint is made except where it
 * says so. What belongs to an exit is valid only after KVM_RUN returned with its reason.
 */
export class RunPage {
  /** The whole mapping: kvm_run, port data at `ioDataOffset`, MMIO data at `mmioDataOffset`, the coalesced ring. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** kvm_run itself in 32-bit words, for the vCPU's loop: a getter a field costs more than the rest of an exit. */
  readonly words: Uint32Array;
  /** Where the bytes of an MMIO access are, 1 to 8. */
  readonly mmioDataOffset = EXIT + MMIO.data.offset;
  readonly #requestInterruptWindow: Cell;
  readonly #immediateExit: Cell;
  readonly #exitReason: Cell;
  readonly #readyForInterruptInjection: Cell;
  readonly #ifFlag: Cell;
  readonly #flags: Cell;
  readonly #ioDirection: Cell;
  readonly #ioSize: Cell;
  readonly #ioPort: Cell;
  readonly #ioCount: Cell;
  readonly #ioDataOffset: Cell;
  readonly #mmioAddressLow: Cell;
  readonly #mmioAddressHigh: Cell;
  readonly #mmioLength: Cell;
  readonly #mmioIsWrite: Cell;

  /** @param run the vCPU's mapping */
  constructor(run: Uint8Array) {
    this.bytes = run;
    this.view = new DataView(run.buffer, run.byteOffset, run.byteLength);
    this.words = new Uint32Array(run.buffer, run.byteOffset, kvmRun.size / 4);
    this.#requestInterruptWindow = cell8(run, RUN.requestInterruptWindow.offset);
    this.#immediateExit = cell8(run, RUN.immediateExit.offset);
    this.#exitReason = cell32(run, RUN.exitReason.offset);
    this.#readyForInterruptInjection = cell8(run, RUN.readyForInterruptInjection.offset);
    this.#ifFlag = cell8(run, RUN.ifFlag.offset);
    this.#flags = cell16(run, RUN.flags.offset);
    this.#ioDirection = cell8(run, EXIT + IO.direction.offset);
    this.#ioSize = cell8(run, EXIT + IO.size.offset);
    this.#ioPort = cell16(run, EXIT + IO.port.offset);
    this.#ioCount = cell32(run, EXIT + IO.count.offset);
    this.#ioDataOffset = cell32(run, EXIT + IO.dataOffset.offset);
    this.#mmioAddressLow = cell32(run, EXIT + MMIO.physAddr.offset);
    this.#mmioAddressHigh = cell32(run, EXIT + MMIO.physAddr.offset + 4);
    this.#mmioLength = cell32(run, EXIT + MMIO.len.offset);
    this.#mmioIsWrite = cell8(run, EXIT + MMIO.isWrite.offset);
  }

  /** KVM_EXIT_* */
  get exitReason(): number {
    return this.#exitReason[0];
  }

  /** Before a kick, from any thread: 1 makes KVM_RUN return -EINTR at once, until it is 0 again. */
  set immediateExit(value: number) {
    this.#immediateExit[0] = value;
  }

  get immediateExit(): number {
    return this.#immediateExit[0];
  }

  /** 1: exit with KVM_EXIT_IRQ_WINDOW_OPEN as soon as the guest can take an interrupt (no in-kernel irqchip). */
  set requestInterruptWindow(value: number) {
    this.#requestInterruptWindow[0] = value;
  }

  get requestInterruptWindow(): number {
    return this.#requestInterruptWindow[0];
  }

  /** Whether KVM_INTERRUPT may be called now (no in-kernel irqchip). */
  get readyForInterruptInjection(): boolean {
    return this.#readyForInterruptInjection[0] !== 0;
  }

  /** RFLAGS.IF at the exit. */
  get ifFlag(): boolean {
    return this.#ifFlag[0] !== 0;
  }

  /** KVM_RUN_X86_* */
  get flags(): number {
    return this.#flags[0];
  }

  /** Whether the guest writes to the port (KVM_EXIT_IO_OUT). */
  get ioIsOut(): boolean {
    return this.#ioDirection[0] === KVM_EXIT_IO_OUT;
  }

  /** Bytes of each element: 1, 2 or 4. */
  get ioSize(): number {
    return this.#ioSize[0];
  }

  get ioPort(): number {
    return this.#ioPort[0];
  }

  /** Elements, more than 1 for string I/O: `ioSize * ioCount` bytes are at `ioDataOffset`. */
  get ioCount(): number {
    return this.#ioCount[0];
  }

  /** Where in the mapping the data is (kvm_run.io.data_offset, below 2^32). */
  get ioDataOffset(): number {
    return this.#ioDataOffset[0];
  }

  /** Guest-physical address, exact: below 2^52. */
  get mmioAddress(): number {
    return this.#mmioAddressHigh[0] * 0x100000000 + this.#mmioAddressLow[0];
  }

  /** 1 to 8 bytes. */
  get mmioLength(): number {
    return this.#mmioLength[0];
  }

  get mmioIsWrite(): boolean {
    return this.#mmioIsWrite[0] !== 0;
  }

  /** The vector of KVM_EXIT_IOAPIC_EOI. */
  get eoiVector(): number {
    return this.#u8(ARMS.eoi.type.fields.vector.offset);
  }

  /** KVM_EXIT_X86_RDMSR and _WRMSR: KVM_MSR_EXIT_REASON_* */
  get msrReason(): number {
    return this.#u32(MSR.reason.offset);
  }

  get msrIndex(): number {
    return this.#u32(MSR.index.offset);
  }

  get msrDataLow(): number {
    return this.#u32(MSR.data.offset);
  }

  get msrDataHigh(): number {
    return this.#u32(MSR.data.offset + 4);
  }

  /** Answers KVM_EXIT_X86_RDMSR. */
  setMsrData(low: number, high: number): void {
    this.view.setUint32(EXIT + MSR.data.offset, low, true);
    this.view.setUint32(EXIT + MSR.data.offset + 4, high, true);
  }

  /** 1 makes the next KVM_RUN inject #GP for the MSR access. */
  set msrError(value: number) {
    this.view.setUint8(EXIT + MSR.error.offset, value);
  }

  /** KVM_EXIT_HYPERCALL's number (below 2^53), its arguments and mode. */
  get hypercallNr(): number {
    return this.#number64(HYPERCALL.nr.offset);
  }

  /** Argument 0 to 5, as bigint. */
  hypercallArgument(index: number): bigint {
    return this.#u64(HYPERCALL.args.offset + 8 * index);
  }

  get hypercallLongmode(): boolean {
    return this.#u32(HYPERCALL.longmode.offset) !== 0;
  }

  set hypercallRet(value: bigint) {
    this.view.setBigUint64(EXIT + HYPERCALL.ret.offset, value, true);
  }

  /** KVM_EXIT_FAIL_ENTRY: the vendor's reason (Intel SDM 3C 27.7 and 27.8; AMD: the VMCB's exit code). */
  get hardwareEntryFailureReason(): bigint {
    return this.#u64(FAIL_ENTRY.hardwareEntryFailureReason.offset);
  }

  get failEntryCpu(): number {
    return this.#u32(FAIL_ENTRY.cpu.offset);
  }

  /** KVM_EXIT_UNKNOWN: the vendor's exit reason. */
  get hardwareExitReason(): bigint {
    return this.#u64(ARMS.hw.type.fields.hardwareExitReason.offset);
  }

  /** KVM_EXIT_EXCEPTION */
  get exception(): number {
    return this.#u32(ARMS.ex.type.fields.exception.offset);
  }

  get exceptionErrorCode(): number {
    return this.#u32(ARMS.ex.type.fields.errorCode.offset);
  }

  /** KVM_EXIT_INTERNAL_ERROR: KVM_INTERNAL_ERROR_* */
  get suberror(): number {
    return this.#u32(INTERNAL.suberror.offset);
  }

  /** The words that KVM left about an internal error, at most 16. */
  get internalData(): bigint[] {
    const count = Math.min(this.#u32(INTERNAL.ndata.offset), INTERNAL.data.type.length);
    return Array.from({ length: count }, (_, i) => this.#u64(INTERNAL.data.offset + 8 * i));
  }

  /** The bytes of the instruction that KVM could not emulate, where it says so; a copy. */
  get emulationFailureBytes(): Uint8Array | undefined {
    if (this.suberror !== KVM_INTERNAL_ERROR_EMULATION || this.#u32(EMULATION.ndata.offset) < 3) return undefined;
    const flags = this.#u32(EMULATION.flags.offset);
    if ((flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) === 0) return undefined;
    const size = Math.min(this.#u8(EMULATION.insnSize.offset), EMULATION.insnBytes.size);
    const start = EXIT + EMULATION.insnBytes.offset;
    return this.bytes.slice(start, start + size);
  }

  /** KVM_EXIT_SYSTEM_EVENT: KVM_SYSTEM_EVENT_* */
  get systemEventType(): number {
    return this.#u32(SYSTEM_EVENT.type.offset);
  }

  /** KVM_EXIT_DEBUG: the vector (1: #DB, 3: #BP). */
  get debugException(): number {
    return this.#u32(DEBUG.exception.offset);
  }

  get debugPc(): bigint {
    return this.#u64(DEBUG.pc.offset);
  }

  get debugDr6(): bigint {
    return this.#u64(DEBUG.dr6.offset);
  }

  /** KVM_EXIT_TPR_ACCESS */
  get tprAccessRip(): bigint {
    return this.#u64(TPR.rip.offset);
  }

  get tprAccessIsWrite(): boolean {
    return this.#u32(TPR.isWrite.offset) !== 0;
  }

  /** KVM_EXIT_NOTIFY: KVM_NOTIFY_CONTEXT_INVALID */
  get notifyFlags(): number {
    return this.#u32(ARMS.notify.type.fields.flags.offset);
  }

  /** KVM_EXIT_HYPERV: KVM_EXIT_HYPERV_SYNIC, _HCALL or _SYNDBG. */
  get hypervType(): number {
    return this.#u32(ARMS.hyperv.type.fields.type.offset);
  }

  /** KVM_EXIT_XEN's hypercall number. */
  get xenHypercall(): bigint {
    return this.#u64(XEN.u.offset + XEN.u.type.fields.hcall.type.fields.input.offset);
  }

  /** KVM_EXIT_MEMORY_FAULT (Linux 6.8): { u64 flags, gpa, size }. */
  get memoryFaultAddress(): number {
    return this.#number64(8);
  }

  get memoryFaultSize(): number {
    return this.#number64(16);
  }

  #u8(offset: number): number {
    return this.view.getUint8(EXIT + offset);
  }

  #u32(offset: number): number {
    return this.view.getUint32(EXIT + offset, true);
  }

  #number64(offset: number): number {
    return this.#u32(offset + 4) * 0x100000000 + this.#u32(offset);
  }

  #u64(offset: number): bigint {
    return this.view.getBigUint64(EXIT + offset, true);
  }
}
