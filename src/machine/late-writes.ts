import type { TakesLateWrites } from '../devices/device.js';
import { CoalescedRing, type CoalescedWrites } from '../kvm/coalesced.js';
import { Lock } from '../memory/lock.js';

/** Ports of a device that KVM may write down in its ring in place of an exit (KVM API 4.116). */
export interface LatePorts {
  readonly port: number;
  /** Bytes. */
  readonly size: number;
  readonly device: TakesLateWrites;
  /** Held around each call of the device, where other threads touch it. */
  readonly lock: Lock | undefined;
}

/** Shared memory in which the vCPU threads agree who empties the ring. */
export const lateWritesCell = (): SharedArrayBuffer => new SharedArrayBuffer(4);

/**
 * A vCPU thread's side of the ring, which the VM has one of. Whoever makes an exit carries out what waits there, and
 * then handles the exit: so every access finds done what came before it.
 */
export class LateWrites {
  readonly ring: CoalescedRing;
  readonly #ports: readonly LatePorts[];
  readonly #emptying: Lock | undefined;
  #unsettled = false;

  /** @param run the vCPU's mapping; @param cell made by `lateWritesCell`, where there are other vCPUs */
  constructor(run: Uint8Array, ports: readonly LatePorts[], cell?: SharedArrayBuffer) {
    this.ring = new CoalescedRing(run);
    this.#ports = ports;
    this.#emptying = cell && new Lock(new Int32Array(cell), 0);
  }

  /** Carries out all that wait; `settle` must follow. Where another thread is at it, waits until that has done so. */
  carryOut(): void {
    this.#unsettled = true;
    const emptying = this.#emptying;
    emptying?.acquire();
    try {
      this.ring.drain(this.#write);
    } finally {
      emptying?.release();
    }
  }

  /** Lets the devices set their interrupt lines, once the access has been handled that the writes came before. */
  settle(): void {
    if (!this.#unsettled) return;
    this.#unsettled = false;
    // Not `for … of`, here and below: it makes objects for as long as V8 has not optimized it.
    const ports = this.#ports;
    for (let i = 0; i < ports.length; i++) {
      const late = ports[i];
      if (late === undefined) continue;
      const { device, lock } = late;
      lock?.acquire();
      try {
        device.settle();
      } finally {
        lock?.release();
      }
    }
  }

  readonly #write = ({ address, isPio, length, count, values }: CoalescedWrites): void => {
    const ports = this.#ports;
    for (let i = 0; i < ports.length; i++) {
      const late = ports[i];
      if (late === undefined) continue;
      const { port, size, device, lock } = late;
      if (!isPio || address < port || address + length > port + size) continue;
      lock?.acquire();
      try {
        device.writeLate(address - port, values, count);
      } finally {
        lock?.release();
      }
    }
  };
}
