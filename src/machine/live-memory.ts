import type { Worker } from 'node:worker_threads';
import { VmError } from '../errors.js';
import {
  KVM_CAP_DIRTY_LOG_RING,
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
} from '../kvm/abi/capabilities.js';
import { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE } from '../kvm/abi/constants.js';
import type { Vm } from '../kvm/vm.js';
import { DirtyLog, DirtyRings, type DirtyTracker, hostWritesBytes } from '../memory/dirty.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { Slots } from '../memory/slots.js';
import type { Cpu } from './cpus.js';
import { Pauses } from './pause.js';
import type { MemoryMessage } from './vcpu-thread.js';

/** struct kvm_dirty_gfn */
const RING_ENTRY_BYTES = 16;

/** What of pages is tracked. */
export interface TrackOptions {
  /** Also what this process writes by `GuestMemory`, as devices and loaders do: KVM sees only the guest's writes. */
  readonly hostWrites?: boolean | undefined;
}

/** Tracking of written pages, until `end`. */
export interface DirtyTracking {
  /**
   * Guest-physical addresses of the pages of 4 KiB that were written since the last call (or since tracking began), by
   * address within each slot, each once.
   */
  collect(): Promise<readonly number[]>;
  end(): Promise<void>;
}

export interface LiveMemoryOptions {
  readonly vm: Vm;
  readonly slots: Slots;
  readonly memory: GuestMemory;
  readonly cpus: readonly Cpu[];
  /** Makes KVM_RUN return on every vCPU that runs. */
  readonly kick: () => void;
  /** Entries of each vCPU's dirty ring, where the VM has rings: `giveDirtyRings`. */
  readonly dirtyRing: number | undefined;
}

/** Has KVM take down written pages in rings. Before the first vCPU. @throws VmError KVM_UNSUPPORTED */
export function giveDirtyRings(vm: Vm, entries: number): void {
  const bytes = entries * RING_ENTRY_BYTES;
  const capability = [KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_CAP_DIRTY_LOG_RING].find((one) => vm.checkExtension(one) > 0);
  if (capability === undefined || vm.checkExtension(capability) < bytes) {
    throw new VmError('KVM_UNSUPPORTED', `this KVM has no dirty rings of ${entries} entries`, {
      hint: 'Leave `dirtyRing` out: pages are then tracked by the dirty log.',
    });
  }
  vm.enableCap(capability, bytes);
}

/** The memory of a machine that may run: its slots change, and written pages are tracked. */
export class LiveMemory {
  readonly #options: LiveMemoryOptions;
  readonly #pauses: Pauses;
  readonly #threads: Worker[] = [];
  /** For all tracking of this machine: it knows where in the rings KVM is. */
  readonly #rings: DirtyRings | undefined;
  #tracker: DirtyTracker | undefined;

  constructor(options: LiveMemoryOptions) {
    this.#options = options;
    const { cpus, kick, dirtyRing } = options;
    this.#pauses = new Pauses(
      cpus.map(({ control }) => control),
      kick,
    );
    if (dirtyRing === undefined) return;
    const rings = cpus.map(({ vcpu }) => vcpu.mapDirtyRing(dirtyRing * RING_ENTRY_BYTES));
    this.#rings = new DirtyRings(options.vm, options.slots, rings);
  }

  /** A vCPU thread that has, or will get, the slots as they are now. */
  addThread(thread: Worker): void {
    this.#threads.push(thread);
  }

  /** A vCPU thread has parked, or ended. */
  look(): void {
    this.#pauses.look();
  }

  /**
   * Changes memory slots while no vCPU is in KVM_RUN. When it resolves, no thread of this machine reaches what is no
   * longer there.
   */
  change<T>(work: (slots: Slots) => T): Promise<T> {
    const { slots, memory } = this.#options;
    return this.#pauses.during(() => {
      try {
        return work(slots);
      } finally {
        const message: MemoryMessage = slots.list;
        memory.replace(message);
        for (const thread of this.#threads) thread.postMessage(message);
      }
    });
  }

  /** @throws VmError STATE_INVALID where pages are tracked already */
  async track({ hostWrites = false }: TrackOptions): Promise<DirtyTracking> {
    if (this.#tracker !== undefined) throw new VmError('STATE_INVALID', 'written pages are tracked already');
    const tracker = this.#makeTracker();
    this.#tracker = tracker;
    await this.change((slots) => {
      for (const { slot, size, readOnly } of slots.list) {
        if (readOnly) continue;
        slots.setLogDirty(slot, true);
        if (hostWrites) slots.setHostWrites(slot, new SharedArrayBuffer(hostWritesBytes(size)));
      }
    });
    return {
      collect: () => this.#pauses.during(() => tracker.collect()),
      end: () => this.#endTracking(),
    };
  }

  /** A vCPU's dirty ring is full; it is parked. */
  ringIsFull(): void {
    this.#pauses.during(() => this.#tracker?.drain()).catch(() => {}); // the VM was closed meanwhile
  }

  #makeTracker(): DirtyTracker {
    if (this.#rings !== undefined) return this.#rings;
    const { vm, slots } = this.#options;
    vm.enableCap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
    return new DirtyLog(vm, slots);
  }

  async #endTracking(): Promise<void> {
    await this.change((slots) => {
      this.#tracker?.collect(); // what was written until now is nobody's
      for (const { slot, logDirty } of slots.list) {
        if (logDirty) slots.setLogDirty(slot, false);
        slots.setHostWrites(slot, undefined);
      }
    });
    this.#tracker = undefined;
  }
}
