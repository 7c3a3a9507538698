import { messageOf } from '../errors.js';
import { KVM_EXIT_SHUTDOWN } from '../kvm/abi/exits.js';
import type { Regs, Sregs } from '../kvm/abi/registers.js';
import { flavourName } from '../kvm/flavour.js';
import type { KvmEvent } from '../kvm/trace-events.js';
import type { Vcpu } from '../kvm/vcpu.js';
import { RFLAGS_IF } from '../kvm/x86.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { Activity, ActivityWatch } from './activity.js';
import type { ControlBlock } from './control.js';
import { type CpuState, cpuState } from './cpu-state.js';
import type { MachineEnd } from './end.js';
import { type ExitRecord, readExitLog } from './exit-log.js';
import type { ThreadEnd } from './thread-end.js';

/** The state that a reset leaves (SDM volume 3, table 10-1): what KVM gives in place of the one that died. */
const RESET_RIP = 0xfff0n;
const RESET_CS = 0xf000;

/** An exit, and the device that it was for; none where no device claims the address. */
export type DeviceExit = ExitRecord & { readonly device?: string | undefined };

/** What is known of one vCPU. */
export interface VcpuPostMortem {
  readonly id: number;
  /** What it did before it was stopped; absent where it was not stopped but died. */
  readonly activity?: Activity | undefined;
  /** Absent where it is lost. */
  readonly state?: CpuState | undefined;
  /** Why there is no state. */
  readonly lost?: string | undefined;
  /** What the kernel recorded of it; absent where it did not: see `MachineOptions.traceKvm`. */
  readonly kvm?: KvmRecord | undefined;
  /** Its last exits, oldest first, at most 16. */
  readonly exits: readonly DeviceExit[];
}

/** The kernel's own record of a vCPU, which survives where its registers do not. */
export interface KvmRecord {
  /** The last hardware exit, with the guest's rip at it. */
  readonly lastExit?: { readonly reason: string; readonly rip: string } | undefined;
  /** Exceptions that KVM injected into the guest, oldest first, as the kernel names them: "#UD", "#PF (0x2)". */
  readonly injected: readonly string[];
}

/** Why and where a guest died, or stood when its time was over. */
export interface PostMortem {
  /** In words. */
  readonly reason: string;
  /** What it had sent to the serial console; `silentMs`: how long before the end the last of it came. */
  readonly output: { readonly bytes: number; readonly silentMs?: number | undefined };
  /** The vCPU that died; at a time-out all of them. */
  readonly vcpus: readonly VcpuPostMortem[];
}

/** A vCPU whose thread has ended, with its thread's control block. */
export interface StoppedCpu {
  readonly vcpu: Pick<Vcpu, 'id' | 'page' | 'getRegs' | 'getSregs' | 'getMpState'>;
  readonly control: Pick<ControlBlock, 'exitLog'> & { readonly fields: { readonly tid: number } };
}

/** A power-on of a machine, all of whose threads have ended. */
export interface StoppedInstance {
  readonly cpus: readonly StoppedCpu[];
  /** The vCPU that ended the machine; undefined where it was the main thread. */
  readonly endedBy?: StoppedCpu | undefined;
  readonly memory: GuestMemory;
  readonly activity: Pick<ActivityWatch, 'of'>;
  /** The device at a port (`pio`) or guest-physical address (`mmio`), by name. */
  deviceAt(bus: 'pio' | 'mmio', address: number): string | undefined;
  /** What the kernel recorded of the vCPUs' threads. */
  kvmEvents(): readonly KvmEvent[] | undefined;
}

/**
 * Looks at a machine that has died or whose time is over; undefined after any other end. Never throws.
 * @param end the machine's; @param threadEnd how its thread came to it
 * @param flavour of the KVM that it ran on
 */
export function postMortem(
  end: MachineEnd,
  threadEnd: ThreadEnd,
  output: PostMortem['output'],
  instance: StoppedInstance,
  flavour = flavourName(),
): PostMortem | undefined {
  const reason = reasonOf(end, threadEnd);
  if (reason === undefined) return undefined;
  const isStopped = end.reason === 'timeout';
  const { endedBy = instance.cpus[0] } = instance;
  const cpus = isStopped ? instance.cpus : instance.cpus.filter((cpu) => cpu === endedBy);
  const seen = { isStopped, flavour, kvmEvents: kvmEventsOf(instance) };
  return { reason, output, vcpus: cpus.map((cpu) => examine(cpu, cpu.vcpu.id, instance, seen)) };
}

/** A record that cannot be read is none: what else is known of the end must not go with it. */
function kvmEventsOf(instance: StoppedInstance): readonly KvmEvent[] | undefined {
  try {
    return instance.kvmEvents();
  } catch {
    return undefined;
  }
}

function reasonOf(end: MachineEnd, threadEnd: ThreadEnd): string | undefined {
  switch (end.reason) {
    case 'triple-fault':
      return 'a triple fault: an exception while the CPU delivered a double fault';
    case 'timeout':
      return 'its time was over';
    case 'break':
      return threadEnd.reason === 'break'
        ? `stopped at an exit that is not carried out: ${threadEnd.words}`
        : undefined;
    case 'error':
      if (threadEnd.reason === 'exit') return threadEnd.words;
      return threadEnd.reason === 'run-failed' ? end.error.message : undefined;
    default:
      return undefined;
  }
}

/** What is the same for all vCPUs. */
interface Seen {
  readonly isStopped: boolean;
  readonly flavour: string;
  readonly kvmEvents: readonly KvmEvent[] | undefined;
}

function examine(
  { vcpu, control }: StoppedCpu,
  index: number,
  instance: StoppedInstance,
  { isStopped, flavour, kvmEvents }: Seen,
): VcpuPostMortem {
  const { id } = vcpu;
  const kvm = kvmRecord(kvmEvents?.filter(({ tid }) => tid === control.fields.tid));
  const exits = readExitLog(control.exitLog).map((exit) => withDevice(exit, instance));
  try {
    const regs = vcpu.getRegs();
    const sregs = vcpu.getSregs();
    if (wasReset(vcpu.page.exitReason, regs, sregs, flavour)) return { id, lost: lostWords(kvm), kvm, exits };
    const did = isStopped
      ? instance.activity.of(index, vcpu.getMpState(), (regs.rflags & RFLAGS_IF) !== 0n)
      : undefined;
    return { id, activity: did, state: cpuState(regs, sregs, instance.memory), kvm, exits };
  } catch (error) {
    return { id, lost: `its registers cannot be read: ${messageOf(error)}`, kvm, exits };
  }
}

const LOST =
  'kvm_amd resets the vCPU before it tells of a triple fault: rip fff0 is not where the guest died, and its ' +
  'registers are lost. With kvm_intel they survive: use --host vtx.';
const TRACE_HINT = ' The kernel can record where it died: use --trace-kvm.';

const lostWords = (kvm: KvmRecord | undefined): string => (kvm === undefined ? LOST + TRACE_HINT : LOST);

const MOST_INJECTED = 16;

function kvmRecord(events: readonly KvmEvent[] | undefined): KvmRecord | undefined {
  if (events === undefined) return undefined;
  const last = events.findLast((event) => event.name === 'kvm_exit');
  const injected = events.filter((event) => event.name === 'kvm_inj_exception').map(({ text }) => text);
  return {
    lastExit: last && { reason: last.reason, rip: `0x${last.rip.toString(16)}` },
    injected: injected.slice(-MOST_INJECTED),
  };
}

/** A vCPU that kvm_amd has reset after it shut down. */
export function wasReset(exitReason: number, { rip }: Regs, { cs }: Sregs, flavour: string): boolean {
  return flavour === 'kvm_amd' && exitReason === KVM_EXIT_SHUTDOWN && rip === RESET_RIP && cs.selector === RESET_CS;
}

function withDevice(exit: ExitRecord, instance: StoppedInstance): DeviceExit {
  if ('port' in exit) return { ...exit, device: instance.deviceAt('pio', exit.port) };
  if ('address' in exit) return { ...exit, device: instance.deviceAt('mmio', Number(exit.address)) };
  return exit;
}
