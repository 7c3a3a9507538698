import { VmError } from '../errors.js';
import { KVM_EXIT_IO } from '../kvm/abi/exits.js';
import { native } from '../kvm/native.js';
import { KvmTrace, recordThread } from '../kvm/trace.js';
import type { Vcpu } from '../kvm/vcpu.js';
import { ExitRing, exitRingBuffer } from '../machine/exit-ring.js';
import { withFlatGuest } from './flat-guest.js';
import { type Interval, median } from './statistics.js';

/** again: out 0x80, al; jmp again */
const OUT_LOOP = Uint8Array.of(0xe6, 0x80, 0xeb, 0xfc);
const ROUNDS = 16;
/** Of so many sorted values, those between which the true median is with a probability of 97.9 % (sign test). */
const LOW = 3;
const HIGH = 12;
const EXITS = 128;

/** Nanoseconds that something adds to an exit: the median of rounds, and its 97.9 % interval. */
export interface Added extends Interval {
  readonly ns: number;
}

export interface RecorderCost {
  readonly rounds: number;
  /** Of each round, without and with what is measured. */
  readonly exits: number;
  /** An exit that is neither recorded nor handled, KVM_RUN alone: the median, in nanoseconds. */
  readonly plainNs: number;
  readonly recorder: Added;
  /** What the kernel's trace adds to a recorded exit; undefined where it cannot be had. */
  readonly kernelTrace: Added | undefined;
}

/**
 * Measures what recording adds to an exit on this KVM, with a guest of its own that does OUT for ever, on this thread.
 * It takes some thousand exits. @throws VmError as KVM does
 */
export function measureRecorder(withKernel: boolean): RecorderCost {
  return withFlatGuest('protected', OUT_LOOP, (vcpu) => measure(vcpu, withKernel));
}

function measure(vcpu: Vcpu, withKernel: boolean): RecorderCost {
  const plain = (): number => {
    vcpu.setValidRegs(0);
    return nsOfExit(vcpu, vcpu.makeRun());
  };
  const ring = new ExitRing(exitRingBuffer(2 * EXITS));
  const ticks = new Uint8Array(8);
  const recorded = (): number => {
    const ns = nsOfExit(vcpu, vcpu.makeRecordingRun(new Uint8Array(ring.buffer), ticks));
    ring.take(ring.waiting, () => {});
    return ns;
  };
  plain(); // the first exits also map the guest's memory
  const pairs = Array.from({ length: ROUNDS }, () => [plain(), recorded()] as const);
  return {
    rounds: ROUNDS,
    exits: EXITS,
    plainNs: median(pairs.map(([ns]) => ns)),
    recorder: added(pairs),
    kernelTrace: withKernel ? tracedAfter(pairs, recorded) : undefined,
  };
}

/** Not in turns: a nested host takes half a second to open the kernel's trace. */
function tracedAfter(pairs: readonly (readonly [number, number])[], recorded: () => number): Added {
  const trace = KvmTrace.open();
  try {
    recordThread(trace.threadsFile, native.gettid());
    return added(pairs.map(([, without]) => [without, recorded()]));
  } finally {
    trace.close();
  }
}

/** @param pairs an exit without and with it, of each round */
function added(pairs: readonly (readonly [number, number])[]): Added {
  const sorted = pairs.map(([without, along]) => along - without).sort((a, b) => a - b);
  return { ns: median(sorted), low: sorted[LOW] ?? Number.NaN, high: sorted[HIGH] ?? Number.NaN };
}

function nsOfExit(vcpu: Vcpu, run: () => number | undefined): number {
  const began = native.rdtsc();
  for (let left = EXITS; left > 0; left--) {
    if (run() !== undefined || vcpu.page.exitReason !== KVM_EXIT_IO) {
      throw new VmError('KVM_CALL_FAILED', 'the guest that measures the recorder made another exit than port I/O');
    }
  }
  return ((native.rdtsc() - began) * 1e6) / (vcpu.getTscKhz() * EXITS);
}
