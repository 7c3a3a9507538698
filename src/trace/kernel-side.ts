import { flavourName } from '../kvm/flavour.js';
import { KvmTrace } from '../kvm/trace.js';
import type { KvmEvent } from '../kvm/trace-events.js';
import type { HardwareExit } from './model.js';

/** Some 30,000 exits of each processor between two looks. */
const BUFFER_KIB = 4096;

/** Exits that were given and are still there, at most: moving the others up costs more than they do. */
const MOST_GIVEN = 0x10000;

/** Ticks of the TSC to nanoseconds since the recording began. */
export type ToNs = (tsc: number) => number;

/**
 * The kernel's own events of a machine's vCPUs, sorted by vCPU. What of them is counted here is counted from the events
 * alone, and so can be held against what the vCPUs' threads counted.
 */
export class KernelSide {
  /** Hardware exits that led to no return of KVM_RUN with an exit. */
  kept = 0;
  /** Returns with an exit before which there was no hardware exit since the last return. */
  continued = 0;
  readonly #trace: KvmTrace;
  readonly #cpus = new Map<number, CpuEvents>();

  private constructor(trace: KvmTrace) {
    this.#trace = trace;
  }

  /** Where it cannot be had: why, in words. */
  static open(): KernelSide | string {
    // Seen on Linux 6.18: it has the events, and never sends kvm_entry and kvm_exit.
    if (flavourName() === 'kvm_pvm') return 'kvm_pvm does not tell the kernel’s trace of its exits';
    const trace = KvmTrace.openOrWhyNot({ bufferKiB: BUFFER_KIB });
    return typeof trace === 'string' ? trace : new KernelSide(trace);
  }

  get threadsFile(): string {
    return this.#trace.threadsFile;
  }

  /** Events that the kernel overwrote before they were read: no count is exact then. */
  get lost(): number {
    return this.#trace.lost;
  }

  /**
   * Takes what has come. @param threads gives the index of the vCPU by the thread's number: asked once the events are
   * read, since a thread has said its number before its first one
   */
  drain(threads: () => ReadonlyMap<number, number>, toNs: ToNs): void {
    const events = this.#trace.drain();
    const indices = threads();
    for (const event of events) {
      const index = indices.get(event.tid);
      if (index === undefined) continue;
      let cpu = this.#cpus.get(index);
      if (cpu === undefined) {
        cpu = new CpuEvents();
        this.#cpus.set(index, cpu);
      }
      this.#count(cpu, event);
      cpu.take(event, toNs(event.tsc));
    }
  }

  #count(cpu: CpuEvents, event: KvmEvent): void {
    if (event.name === 'kvm_exit') {
      if (cpu.isPending) this.kept++;
      cpu.isPending = true;
    } else if (event.name === 'kvm_userspace_exit') {
      if (event.errno < 0) this.kept += cpu.isPending ? 1 : 0;
      else if (!cpu.isPending) this.continued++;
      cpu.isPending = false;
    }
  }

  /** A vCPU's hardware exits up to a time that were not given yet, oldest first. */
  exitsUntil(cpu: number, ns: number): HardwareExit[] {
    return this.#cpus.get(cpu)?.exitsUntil(ns) ?? [];
  }

  close(): void {
    for (const { isPending } of this.#cpus.values()) if (isPending) this.kept++;
    this.#trace.close();
  }
}

/** One vCPU's events on their way to being hardware exits. */
class CpuEvents {
  /** There was a hardware exit, and neither a return of KVM_RUN nor another one since. */
  isPending = false;
  #exits: HardwareExit[] = [];
  /** Of those, how many were given. */
  #given = 0;
  #enteredNs: number | undefined;
  #injected: number[] = [];

  take(event: KvmEvent, ns: number): void {
    if (event.name === 'kvm_entry') this.#enteredNs = ns;
    else if (event.name === 'kvm_inj_virq') this.#injected.push(event.vector);
    else if (event.name === 'kvm_exit') {
      const { reason, rip, info1, info2, interruptInfo } = event;
      const injected = this.#injected;
      this.#exits.push({
        enteredNs: this.#enteredNs,
        exitedNs: ns,
        reason,
        rip,
        info1,
        info2,
        interruptInfo,
        injected,
      });
      this.#enteredNs = undefined;
      this.#injected = [];
    }
  }

  exitsUntil(ns: number): HardwareExit[] {
    const from = this.#given;
    while ((this.#exits[this.#given]?.exitedNs ?? Number.POSITIVE_INFINITY) <= ns && this.#given < this.#exits.length) {
      this.#given++;
    }
    const exits = this.#exits.slice(from, this.#given);
    if (this.#given === this.#exits.length || this.#given >= MOST_GIVEN) {
      this.#exits = this.#exits.slice(this.#given);
      this.#given = 0;
    }
    return exits;
  }
}
