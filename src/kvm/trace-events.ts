/** The kernel's `kvm:*` events as objects, made by decoders that follow the running kernel's `format` files. */
import { VmError } from '../errors.js';
import { type EventFormat, type NameTable, nameTables } from './trace-format.js';

interface Recorded {
  /** Of the thread that was running the vCPU. */
  readonly tid: number;
  /** The host's time-stamp counter, as rdtsc reads it; exact below 2^53. */
  readonly tsc: number;
}

/** The guest was left: what the hardware told KVM. */
export interface KvmExitEvent extends Recorded {
  readonly name: 'kvm_exit';
  readonly vcpu: number;
  /** The kernel's name: "IO_INSTRUCTION", "INVALID_STATE FAILED_VMENTRY" (VT-x), "npf" (SVM); hexadecimal if it has none. */
  readonly reason: string;
  readonly rip: bigint;
  /** VT-x: exit qualification. SVM: EXITINFO1. */
  readonly info1: bigint;
  /** VT-x: IDT-vectoring information. SVM: EXITINFO2. */
  readonly info2: bigint;
  /** VT-x: exit interruption information. SVM: EXITINTINFO. 0 before Linux 5.10. */
  readonly interruptInfo: number;
  /** Of the exception in `interruptInfo`. 0 before Linux 5.10. */
  readonly errorCode: number;
}

/** The guest is about to be entered. */
export interface KvmEntryEvent extends Recorded {
  readonly name: 'kvm_entry';
  readonly vcpu: number;
  /** 0 where the kernel does not tell. */
  readonly rip: bigint;
}

/** KVM_RUN is about to return. */
export interface KvmUserspaceExitEvent extends Recorded {
  readonly name: 'kvm_userspace_exit';
  /** KVM_EXIT_*; of no meaning with an error. */
  readonly reason: number;
  /** 0, or negative: -4 is EINTR. */
  readonly errno: number;
}

/** KVM will inject an interrupt at the next entry. */
export interface KvmInjVirqEvent extends Recorded {
  readonly name: 'kvm_inj_virq';
  readonly vector: number;
}

/** KVM will inject an exception at the next entry. */
export interface KvmInjExceptionEvent extends Recorded {
  readonly name: 'kvm_inj_exception';
  /** As the kernel prints it: "#UD", "#PF (0x2)", "#GP (0x0) [reinjected]". */
  readonly text: string;
}

/** The second-level page tables had no fitting entry. */
export interface KvmPageFaultEvent extends Recorded {
  readonly name: 'kvm_page_fault';
  /** Guest-physical; guest-virtual with shadow paging. */
  readonly address: bigint;
  readonly errorCode: bigint;
  /** Linear, of the instruction that was running. 0 where the kernel does not tell. */
  readonly rip: bigint;
}

/** KVM has changed an entry of the second-level page tables. */
export interface KvmSpteEvent extends Recorded {
  readonly name: 'kvm_tdp_mmu_spte_changed';
  /** The number of the first guest page that the entry maps. */
  readonly gfn: bigint;
  /** 1: an entry for a page of 4 KiB; 2 to 5: the levels above. */
  readonly level: number;
  readonly value: bigint;
  /** 0: of the guest's usual memory, 1: of its SMM's. */
  readonly space: number;
}

export type KvmEvent =
  | KvmExitEvent
  | KvmEntryEvent
  | KvmUserspaceExitEvent
  | KvmInjVirqEvent
  | KvmInjExceptionEvent
  | KvmPageFaultEvent
  | KvmSpteEvent;

export type KvmEventName = KvmEvent['name'];

/** What makes one kind of event. */
export interface Decoder {
  /** The records' `common_type`, and its offset in them: the same for all events of a kernel. */
  readonly id: number;
  readonly idOffset: number;
  /** Bytes that a record has at least. */
  readonly size: number;
  /** @param at the record's first byte; `size` bytes must be there */
  decode(page: DataView, at: number, tsc: number): KvmEvent;
}

type Read<T> = (page: DataView, at: number) => T;

/** @throws VmError KVM_TRACE_UNAVAILABLE where the format lacks a field that every kernel has */
export function makeDecoder(name: KvmEventName, format: EventFormat): Decoder {
  const ends = [...format.fields.values()].map(({ offset, size }) => offset + size);
  const { offset } = placeOf(format, 'common_type');
  return { id: format.id, idOffset: offset, size: Math.max(...ends), decode: DECODERS[name](format) };
}

type Decode = Decoder['decode'];

const DECODERS: Record<KvmEventName, (format: EventFormat) => Decode> = {
  kvm_exit(format) {
    const tid = numberIn(format, 'common_pid');
    const vcpu = numberIn(format, 'vcpu_id');
    const exitReason = numberIn(format, 'exit_reason');
    const isa = numberIn(format, 'isa');
    const rip = bigintIn(format, 'guest_rip');
    const info1 = bigintIn(format, 'info1');
    const info2 = bigintIn(format, 'info2');
    const interruptInfo = numberIn(format, 'intr_info', () => 0);
    const errorCode = numberIn(format, 'error_code', () => 0);
    const reasonName = makeReasonName(format);
    return (page, at, tsc) => ({
      name: 'kvm_exit',
      tid: tid(page, at),
      tsc,
      vcpu: vcpu(page, at),
      reason: reasonName(exitReason(page, at), isa(page, at)),
      rip: rip(page, at),
      info1: info1(page, at),
      info2: info2(page, at),
      interruptInfo: interruptInfo(page, at),
      errorCode: errorCode(page, at),
    });
  },
  kvm_entry(format) {
    const tid = numberIn(format, 'common_pid');
    const vcpu = numberIn(format, 'vcpu_id');
    const rip = bigintIn(format, 'rip', () => 0n);
    return (page, at, tsc) => ({
      name: 'kvm_entry',
      tid: tid(page, at),
      tsc,
      vcpu: vcpu(page, at),
      rip: rip(page, at),
    });
  },
  kvm_userspace_exit(format) {
    const tid = numberIn(format, 'common_pid');
    const reason = numberIn(format, 'reason');
    const errno = numberIn(format, 'errno');
    return (page, at, tsc) => ({
      name: 'kvm_userspace_exit',
      tid: tid(page, at),
      tsc,
      reason: reason(page, at),
      errno: Math.min(errno(page, at), 0), // above 0 it is no error
    });
  },
  kvm_inj_virq(format) {
    const tid = numberIn(format, 'common_pid');
    const vector = numberIn(format, format.fields.has('vector') ? 'vector' : 'irq'); // before Linux 6.0
    return (page, at, tsc) => ({ name: 'kvm_inj_virq', tid: tid(page, at), tsc, vector: vector(page, at) });
  },
  kvm_inj_exception(format) {
    const tid = numberIn(format, 'common_pid');
    const text = makeExceptionText(format);
    return (page, at, tsc) => ({ name: 'kvm_inj_exception', tid: tid(page, at), tsc, text: text(page, at) });
  },
  kvm_page_fault(format) {
    const tid = numberIn(format, 'common_pid');
    const address = bigintIn(format, 'fault_address');
    const errorCode = bigintIn(format, 'error_code');
    const rip = bigintIn(format, 'guest_rip', () => 0n);
    return (page, at, tsc) => ({
      name: 'kvm_page_fault',
      tid: tid(page, at),
      tsc,
      address: address(page, at),
      errorCode: errorCode(page, at),
      rip: rip(page, at),
    });
  },
  kvm_tdp_mmu_spte_changed(format) {
    const tid = numberIn(format, 'common_pid');
    const gfn = bigintIn(format, 'gfn');
    const level = numberIn(format, 'level');
    const value = bigintIn(format, 'new_spte');
    const space = numberIn(format, 'as_id');
    return (page, at, tsc) => ({
      name: 'kvm_tdp_mmu_spte_changed',
      tid: tid(page, at),
      tsc,
      gfn: gfn(page, at),
      level: level(page, at),
      value: value(page, at),
      space: space(page, at),
    });
  },
};

/** Exit reasons in the kernel's own words; each is put together once. */
function makeReasonName(format: EventFormat): (reason: number, isa: number) => string {
  const symbols = nameTables(format.print, '__print_symbolic', 'exit_reason');
  const flags = nameTables(format.print, '__print_flags', 'exit_reason');
  const known = new Map<number, string>();
  const name = (reason: number, isa: number): string => {
    const isFor = (table: NameTable): boolean => table.isa === undefined || table.isa === isa;
    const { mask, names } = symbols.find(isFor) ?? { mask: -1, names: new Map() };
    const value = (reason & mask) >>> 0;
    const words = [names.get(value) ?? hex(value)];
    for (const [bit, word] of flags.find(isFor)?.names ?? []) if ((reason & bit) !== 0) words.push(word);
    return words.join(' ');
  };
  return (reason, isa) => {
    const key = isa * 2 ** 32 + reason;
    let words = known.get(key);
    if (words === undefined) {
      words = name(reason, isa);
      known.set(key, words);
    }
    return words;
  };
}

function makeExceptionText(format: EventFormat): Read<string> {
  const exception = numberIn(format, 'exception');
  const hasError = numberIn(format, 'has_error');
  const errorCode = numberIn(format, 'error_code');
  const reinjected = numberIn(format, 'reinjected', () => 0);
  const names = nameTables(format.print, '__print_symbolic', 'exception')[0]?.names;
  return (page, at) => {
    const number = exception(page, at);
    const error = hasError(page, at) === 0 ? '' : ` (${hex(errorCode(page, at))})`;
    return `${names?.get(number) ?? hex(number)}${error}${reinjected(page, at) === 0 ? '' : ' [reinjected]'}`;
  };
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function placeOf({ name, fields }: EventFormat, field: string) {
  const place = fields.get(field);
  if (place === undefined) throw new VmError('KVM_TRACE_UNAVAILABLE', `this kernel’s ${name} has no field "${field}"`);
  return place;
}

/** What reads a field of at most 32 bits. @param absent stands for one that this kernel does not have */
function numberIn(format: EventFormat, field: string, absent?: Read<number>): Read<number> {
  if (absent !== undefined && !format.fields.has(field)) return absent;
  const { offset, size, signed } = placeOf(format, field);
  switch (size) {
    case 1:
      return (page, at) => page.getUint8(at + offset);
    case 2:
      return (page, at) => page.getUint16(at + offset, true);
    case 4:
      if (signed) return (page, at) => page.getInt32(at + offset, true);
      return (page, at) => page.getUint32(at + offset, true);
    default:
      throw new VmError('KVM_TRACE_UNAVAILABLE', `this kernel’s ${format.name} has ${size} bytes of "${field}"`);
  }
}

/** What reads a field of any width as a BigInt. */
function bigintIn(format: EventFormat, field: string, absent?: Read<bigint>): Read<bigint> {
  if (absent !== undefined && !format.fields.has(field)) return absent;
  const { offset, size } = placeOf(format, field);
  if (size === 8) return (page, at) => page.getBigUint64(at + offset, true);
  const narrow = numberIn(format, field);
  return (page, at) => BigInt(narrow(page, at));
}
