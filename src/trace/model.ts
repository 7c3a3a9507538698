/**
 * What is known of a machine's exits: what the recorder makes, and every view and file shows. Times are nanoseconds
 * since the recording began, on one clock for all vCPUs and for the kernel's side.
 */

/** A stretch of guest execution that ended: what the hardware told KVM. From the kernel's trace. */
export interface HardwareExit {
  /** When KVM was about to enter the guest; undefined where that event is not there. */
  readonly enteredNs: number | undefined;
  /** When KVM was out of the guest. */
  readonly exitedNs: number;
  /** The kernel's name: "IO_INSTRUCTION", "EPT_VIOLATION", "EXTERNAL_INTERRUPT" (VT-x), "io", "npf" (SVM) … */
  readonly reason: string;
  /** Of the instruction that exited, or that was next where an event came between two. */
  readonly rip: bigint;
  /** VT-x: exit qualification. SVM: EXITINFO1. */
  readonly info1: bigint;
  /** VT-x: IDT-vectoring information. SVM: EXITINFO2. */
  readonly info2: bigint;
  /** VT-x: exit interruption information. */
  readonly interruptInfo: number;
  /** Vectors of interrupts that KVM injected at the entry. */
  readonly injected: readonly number[];
}

/** A guest's access to a port or to MMIO. */
export interface Access {
  readonly bus: 'pio' | 'mmio';
  readonly write: boolean;
  /** Port, or guest-physical address. */
  readonly address: number;
  /** Bytes of an element: 1 to 8. */
  readonly size: number;
  /** Elements: more than 1 for string I/O that KVM hands over at once. */
  readonly count: number;
  /** What was written, or what the device gave; of several elements the first. */
  readonly value: bigint;
  /** Undefined where nobody claims the address. */
  readonly device: string | undefined;
}

/** One return of KVM_RUN with an exit reason. */
export interface ExitEvent {
  /** Index of the vCPU. */
  readonly cpu: number;
  /** Of this vCPU's exits, from 0; lost ones are counted too, so a gap shows them. */
  readonly number: number;
  /** KVM's name without KVM_EXIT_: "IO", "MMIO", "SHUTDOWN" … */
  readonly reason: string;
  /** For IO and MMIO. */
  readonly access: Access | undefined;
  /** Other things in words, such as an MSR's number. */
  readonly detail: string | undefined;
  /** Where the guest was. */
  readonly rip: bigint;
  /** 'exact': of the instruction that exited. 'after': KVM had moved on, and where to from cannot be known. */
  readonly ripIs: 'exact' | 'after';
  /** Of the code at the exit. */
  readonly bits: 16 | 32 | 64;
  /** Privilege level (ring) at the exit. */
  readonly cpl: number;
  /** KVM_RUN was called, where a kick came between for the first time. */
  readonly enteredNs: number;
  /** It returned. */
  readonly returnedNs: number;
  /** Our handler was done: KVM_RUN was called again, or the loop ended. */
  readonly handledNs: number;
  /** A further return for the same hardware exit: the rest of a long access, the write of a read-modify-write. */
  readonly continued: boolean;
  /**
   * All hardware exits since KVM_RUN was called: the last of them led to this return, unless it is continued; KVM kept
   * the others to itself. Undefined where the kernel's side is not recorded.
   */
  readonly hardware: readonly HardwareExit[] | undefined;
}

/** Nanoseconds by mode. What was not measured is absent. */
export interface ModeTimes {
  /** In the guest; with the kernel's side only. */
  readonly nonRoot?: number;
  /** The same by ring; only for guests that stamp their own transitions. */
  readonly nonRootRing3?: number;
  readonly nonRootRing0?: number;
  /** In the kernel, inside KVM_RUN; with the kernel's side only. */
  readonly rootRing0?: number;
  /** Inside KVM_RUN, where guest and kernel cannot be told apart: without the kernel's side, or where it has a gap. */
  readonly inside?: number;
  /** In this program. */
  readonly rootRing3: number;
}

/** What takes exits as they become known, of each vCPU in its order. */
export interface ExitSink {
  add(event: ExitEvent): void;
  /**
   * The end of a vCPU: hardware exits after its last return, which no ExitEvent has; undefined where the kernel's side is
   * not recorded. `run`: its last KVM_RUN, where that was interrupted and made no exit.
   */
  kept(hardware: readonly HardwareExit[] | undefined, cpu: number, run?: Span): void;
}

/** A stretch of time, in nanoseconds since the recording began. */
export interface Span {
  readonly fromNs: number;
  readonly toNs: number;
}
