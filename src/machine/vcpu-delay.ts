import type { Delay } from '../devices/device.js';
import { native } from '../kvm/native.js';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Delays of a device on the vCPU's own thread: a timer kicks the vCPU out of KVM_RUN, and `look` then calls `over`. So it
 * needs no other thread, which would cost a wake-up of each, and no look at the clock where there is no delay.
 */
export class VcpuDelay implements Delay {
  #setTimer: ((ns: number) => void) | undefined;
  #dueNs = NEVER;

  /** @param run the vCPU's mapping */
  constructor(
    private readonly run: Uint8Array,
    private readonly over: () => void,
  ) {}

  start(ns: number): void {
    this.#setTimer ??= native.makeKickTimer(this.run);
    this.#dueNs = native.monotonicNs() + ns;
    this.#setTimer(ns);
  }

  /** The vCPU was kicked, perhaps for this. */
  look(): void {
    if (this.#dueNs === NEVER || native.monotonicNs() < this.#dueNs) return;
    this.#dueNs = NEVER;
    this.over();
  }
}
