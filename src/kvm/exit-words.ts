/** Exits in words for people: never for the hot path. */
import * as exits from './abi/exits.js';
import type { RunPage } from './exit.js';

/** Every reason: its name in the header, and what it means. */
const REASONS: ReadonlyMap<number, readonly [name: string, meaning: string]> = new Map([
  [exits.KVM_EXIT_UNKNOWN, ['KVM_EXIT_UNKNOWN', 'the CPU left the guest for a reason that KVM does not know']],
  [exits.KVM_EXIT_EXCEPTION, ['KVM_EXIT_EXCEPTION', 'an exception']],
  [exits.KVM_EXIT_IO, ['KVM_EXIT_IO', 'port I/O']],
  [exits.KVM_EXIT_HYPERCALL, ['KVM_EXIT_HYPERCALL', 'a hypercall']],
  [exits.KVM_EXIT_DEBUG, ['KVM_EXIT_DEBUG', 'a breakpoint or single step']],
  [exits.KVM_EXIT_HLT, ['KVM_EXIT_HLT', 'hlt, with no interrupt controller in the kernel']],
  [exits.KVM_EXIT_MMIO, ['KVM_EXIT_MMIO', 'memory-mapped I/O']],
  [exits.KVM_EXIT_IRQ_WINDOW_OPEN, ['KVM_EXIT_IRQ_WINDOW_OPEN', 'the guest can take an interrupt now']],
  [exits.KVM_EXIT_SHUTDOWN, ['KVM_EXIT_SHUTDOWN', 'a triple fault']],
  [exits.KVM_EXIT_FAIL_ENTRY, ['KVM_EXIT_FAIL_ENTRY', 'the CPU refused to enter the guest']],
  [exits.KVM_EXIT_INTR, ['KVM_EXIT_INTR', 'a signal to the monitor']],
  [exits.KVM_EXIT_SET_TPR, ['KVM_EXIT_SET_TPR', 'the task priority (CR8) was set']],
  [exits.KVM_EXIT_TPR_ACCESS, ['KVM_EXIT_TPR_ACCESS', 'the task priority register was accessed']],
  [exits.KVM_EXIT_S390_SIEIC, ['KVM_EXIT_S390_SIEIC', 'an interception on s390']],
  [exits.KVM_EXIT_S390_RESET, ['KVM_EXIT_S390_RESET', 'a reset on s390']],
  [exits.KVM_EXIT_DCR, ['KVM_EXIT_DCR', 'a device control register on PowerPC']],
  [exits.KVM_EXIT_NMI, ['KVM_EXIT_NMI', 'a non-maskable interrupt']],
  [exits.KVM_EXIT_INTERNAL_ERROR, ['KVM_EXIT_INTERNAL_ERROR', 'KVM could not go on']],
  [exits.KVM_EXIT_OSI, ['KVM_EXIT_OSI', 'an OSI call on PowerPC']],
  [exits.KVM_EXIT_PAPR_HCALL, ['KVM_EXIT_PAPR_HCALL', 'a hypercall on PowerPC']],
  [exits.KVM_EXIT_S390_UCONTROL, ['KVM_EXIT_S390_UCONTROL', 'a page fault of a user-controlled VM on s390']],
  [exits.KVM_EXIT_WATCHDOG, ['KVM_EXIT_WATCHDOG', 'the watchdog on PowerPC']],
  [exits.KVM_EXIT_S390_TSCH, ['KVM_EXIT_S390_TSCH', 'test subchannel on s390']],
  [exits.KVM_EXIT_EPR, ['KVM_EXIT_EPR', 'an external proxy read on PowerPC']],
  [exits.KVM_EXIT_SYSTEM_EVENT, ['KVM_EXIT_SYSTEM_EVENT', 'the guest asked for a system event']],
  [exits.KVM_EXIT_S390_STSI, ['KVM_EXIT_S390_STSI', 'store system information on s390']],
  [exits.KVM_EXIT_IOAPIC_EOI, ['KVM_EXIT_IOAPIC_EOI', 'a level interrupt was acknowledged']],
  [exits.KVM_EXIT_HYPERV, ['KVM_EXIT_HYPERV', 'a Hyper-V request']],
  [exits.KVM_EXIT_ARM_NISV, ['KVM_EXIT_ARM_NISV', 'an access without syndrome on Arm']],
  [exits.KVM_EXIT_X86_RDMSR, ['KVM_EXIT_X86_RDMSR', 'a read of a model-specific register']],
  [exits.KVM_EXIT_X86_WRMSR, ['KVM_EXIT_X86_WRMSR', 'a write to a model-specific register']],
  [exits.KVM_EXIT_DIRTY_RING_FULL, ['KVM_EXIT_DIRTY_RING_FULL', 'the ring of dirty pages is full']],
  [exits.KVM_EXIT_AP_RESET_HOLD, ['KVM_EXIT_AP_RESET_HOLD', 'an SEV-ES guest waits for its start-up']],
  [exits.KVM_EXIT_X86_BUS_LOCK, ['KVM_EXIT_X86_BUS_LOCK', 'the guest locked the bus']],
  [exits.KVM_EXIT_XEN, ['KVM_EXIT_XEN', 'a Xen hypercall']],
  [exits.KVM_EXIT_RISCV_SBI, ['KVM_EXIT_RISCV_SBI', 'an SBI call on RISC-V']],
  [exits.KVM_EXIT_RISCV_CSR, ['KVM_EXIT_RISCV_CSR', 'a control register on RISC-V']],
  [exits.KVM_EXIT_NOTIFY, ['KVM_EXIT_NOTIFY', 'the guest kept the CPU in one instruction for too long']],
  [exits.KVM_EXIT_LOONGARCH_IOCSR, ['KVM_EXIT_LOONGARCH_IOCSR', 'an I/O register on LoongArch']],
  [exits.KVM_EXIT_MEMORY_FAULT, ['KVM_EXIT_MEMORY_FAULT', 'KVM could not get the page behind guest memory']],
  [exits.KVM_EXIT_TDX, ['KVM_EXIT_TDX', 'a request of a TDX guest']],
]);

/** The header's name of an exit reason; "KVM_EXIT_<number>" for one newer than this program. */
export function exitName(reason: number): string {
  return REASONS.get(reason)?.[0] ?? `KVM_EXIT_${reason}`;
}

/** The same without KVM_EXIT_, as counts and reports have it. */
export const exitLabel = (reason: number): string => exitName(reason).replace('KVM_EXIT_', '');

/** The reason of this label, written in any case; undefined where there is none. */
export function exitReasonOf(label: string): number | undefined {
  const name = `KVM_EXIT_${label.toUpperCase()}`;
  return [...REASONS].find(([, [itsName]]) => itsName === name)?.[0];
}

/** The last exit of a vCPU in one line: name, meaning, and what the page says about it. */
export function describeExit(page: RunPage): string {
  const reason = page.exitReason;
  const meaning = REASONS.get(reason)?.[1] ?? 'a reason that this program does not know';
  const details = DETAILS.get(reason)?.(page);
  return `${exitName(reason)}: ${meaning}${details === undefined ? '' : ` (${details})`}`;
}

/** Reasons of which the first 32 bytes say everything. */
const SHORT: readonly number[] = [
  exits.KVM_EXIT_UNKNOWN,
  exits.KVM_EXIT_EXCEPTION,
  exits.KVM_EXIT_DEBUG,
  exits.KVM_EXIT_FAIL_ENTRY,
  exits.KVM_EXIT_TPR_ACCESS,
  exits.KVM_EXIT_IOAPIC_EOI,
  exits.KVM_EXIT_X86_RDMSR,
  exits.KVM_EXIT_X86_WRMSR,
  exits.KVM_EXIT_NOTIFY,
  exits.KVM_EXIT_MEMORY_FAULT,
];

/** What the page says about an exit of which only the first 32 bytes were kept; undefined where that is not all. */
export function exitDetail(page: RunPage): string | undefined {
  return SHORT.includes(page.exitReason) ? DETAILS.get(page.exitReason)?.(page) : undefined;
}

type Detail = (page: RunPage) => string;
const DETAILS: ReadonlyMap<number, Detail> = new Map<number, Detail>([
  [exits.KVM_EXIT_UNKNOWN, (page) => `hardware reason ${hex(page.hardwareExitReason)}`],
  [exits.KVM_EXIT_EXCEPTION, (page) => `vector ${page.exception}, error code ${hex(page.exceptionErrorCode)}`],
  [exits.KVM_EXIT_IO, ioDetail],
  [exits.KVM_EXIT_HYPERCALL, (page) => `number ${page.hypercallNr}`],
  [exits.KVM_EXIT_DEBUG, (page) => `vector ${page.debugException} at ${hex(page.debugPc)}, DR6 ${hex(page.debugDr6)}`],
  [exits.KVM_EXIT_MMIO, mmioDetail],
  [exits.KVM_EXIT_FAIL_ENTRY, (page) => `hardware reason ${hex(page.hardwareEntryFailureReason)}`],
  [exits.KVM_EXIT_TPR_ACCESS, (page) => `${page.tprAccessIsWrite ? 'write' : 'read'} at ${hex(page.tprAccessRip)}`],
  [exits.KVM_EXIT_INTERNAL_ERROR, internalDetail],
  [exits.KVM_EXIT_SYSTEM_EVENT, (page) => SYSTEM_EVENTS.get(page.systemEventType) ?? `type ${page.systemEventType}`],
  [exits.KVM_EXIT_IOAPIC_EOI, (page) => `vector ${page.eoiVector}`],
  [exits.KVM_EXIT_HYPERV, (page) => HYPERV.get(page.hypervType) ?? `type ${page.hypervType}`],
  [exits.KVM_EXIT_X86_RDMSR, (page) => `MSR ${hex(page.msrIndex)}, ${msrReason(page.msrReason)}`],
  [exits.KVM_EXIT_X86_WRMSR, wrmsrDetail],
  [exits.KVM_EXIT_XEN, (page) => `number ${page.xenHypercall}`],
  [exits.KVM_EXIT_NOTIFY, notifyDetail],
  [exits.KVM_EXIT_MEMORY_FAULT, (page) => `${page.memoryFaultSize} bytes at ${hex(page.memoryFaultAddress)}`],
]);

const SYSTEM_EVENTS: ReadonlyMap<number, string> = new Map([
  [exits.KVM_SYSTEM_EVENT_SHUTDOWN, 'shutdown'],
  [exits.KVM_SYSTEM_EVENT_RESET, 'reset'],
  [exits.KVM_SYSTEM_EVENT_CRASH, 'crash'],
  [exits.KVM_SYSTEM_EVENT_WAKEUP, 'wake-up'],
  [exits.KVM_SYSTEM_EVENT_SUSPEND, 'suspend'],
  [exits.KVM_SYSTEM_EVENT_SEV_TERM, 'the end of an SEV guest'],
]);

const HYPERV: ReadonlyMap<number, string> = new Map([
  [exits.KVM_EXIT_HYPERV_SYNIC, 'synthetic interrupt controller'],
  [exits.KVM_EXIT_HYPERV_HCALL, 'hypercall'],
  [exits.KVM_EXIT_HYPERV_SYNDBG, 'synthetic debugger'],
]);

const SUBERRORS: ReadonlyMap<number, string> = new Map([
  [exits.KVM_INTERNAL_ERROR_EMULATION, 'it cannot emulate an instruction'],
  [exits.KVM_INTERNAL_ERROR_SIMUL_EX, 'two exceptions at once'],
  [exits.KVM_INTERNAL_ERROR_DELIVERY_EV, 'an exit while it delivered an event'],
  [exits.KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, 'an exit that it did not expect'],
]);

function ioDetail(page: RunPage): string {
  const { ioSize: size, ioCount: count, ioPort } = page;
  const times = count === 1 ? '' : `, ${count} times`;
  if (!page.ioIsOut) return `${bytes(size)} in from port ${hex(ioPort)}${times}`;
  return `${bytes(size)} out to port ${hex(ioPort)}${times}: ${hexBytes(page.bytes, page.ioDataOffset, size)}`;
}

function mmioDetail(page: RunPage): string {
  const length = page.mmioLength;
  if (!page.mmioIsWrite) return `read of ${bytes(length)} at ${hex(page.mmioAddress)}`;
  return `write of ${bytes(length)} at ${hex(page.mmioAddress)}: ${hexBytes(page.bytes, page.mmioDataOffset, length)}`;
}

function internalDetail(page: RunPage): string {
  const words = `suberror ${page.suberror}: ${SUBERRORS.get(page.suberror) ?? 'not known'}`;
  const failed = page.emulationFailureBytes;
  if (failed) return `${words}, bytes ${hexBytes(failed, 0, failed.length)}`;
  const data = page.internalData.map(hex).join(' ');
  return data === '' ? words : `${words}, data ${data}`;
}

function wrmsrDetail(page: RunPage): string {
  const value = (BigInt(page.msrDataHigh) << 32n) | BigInt(page.msrDataLow);
  return `MSR ${hex(page.msrIndex)} = ${hex(value)}, ${msrReason(page.msrReason)}`;
}

function msrReason(reason: number): string {
  if (reason & exits.KVM_MSR_EXIT_REASON_FILTER) return 'filtered';
  if (reason & exits.KVM_MSR_EXIT_REASON_UNKNOWN) return 'not known to KVM';
  if (reason & exits.KVM_MSR_EXIT_REASON_INVAL) return 'refused by KVM';
  return `reason ${reason}`;
}

function notifyDetail(page: RunPage): string {
  return page.notifyFlags & exits.KVM_NOTIFY_CONTEXT_INVALID ? 'its state is lost' : 'its state is valid';
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const bytes = (count: number): string => (count === 1 ? '1 byte' : `${count} bytes`);

function hexBytes(source: Uint8Array, offset: number, length: number): string {
  return Array.from(source.subarray(offset, offset + length), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
