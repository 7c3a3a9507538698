import type { ClockCheck } from '../guest-clock.js';
import type { IoQualification } from '../io-qualification.js';
import type { SourceLine } from '../line-table.js';
import type { ModeTimes } from '../model.js';
import type { ChainMode } from './timeline.js';

/** The steps from printf's call to its return. Each is named after what happens in it; a crossing belongs to the mode that it leaves. */
export const STEP_NAMES = [
  // The guest's program, and its library.
  'formats',
  'flushes',
  'syscall',
  'libraryReturns',
  // The guest's kernel.
  'kernelEntry',
  'driverStarts',
  'in',
  'inCompletes',
  'polled',
  'out',
  'outCompletes',
  'nextCharacter',
  'driverReturns',
  'sysret',
  // The host's kernel.
  'kvmHandlesExit',
  'kvmKeepsExit',
  'kvmEnters',
  // KVM_RUN, where guest and kernel cannot be told apart.
  'accessToReturn',
  'callToStamp',
  // This program, on the vCPU's thread.
  'toTypeScript',
  'device',
  'consoleRing',
  'deviceReturns',
  'toKvmRun',
  // This program, on its main thread.
  'mainThread',
  'hostWrite',
] as const;
export type StepName = (typeof STEP_NAMES)[number];

/** What the hardware told of a VM exit. */
export interface StepExit {
  /** The kernel's name. */
  readonly reason: string;
  /** VT-x: exit qualification. SVM: EXITINFO1. "0x3fd0008". */
  readonly info1: string;
  readonly info2: string;
  readonly io?: IoQualification;
}

export interface PrintfStep {
  readonly mode: ChainMode;
  readonly what: StepName;
  /** Measured. */
  readonly ns: number;
  /** After printf's call. */
  readonly startNs: number;
  /** 'main': beside the vCPU's thread; not part of the sum. */
  readonly thread: 'vcpu' | 'main';
  /** Such steps of all further characters added up: how many. `startNs` is that of the first. */
  readonly summed?: number;
  /** It goes on with a step before it, which an exit that KVM kept had interrupted. */
  readonly resumed?: true;
  /** What the step is about: bytes, a system call's number or result, a byte. */
  readonly value?: number;
  /** "0x100594": of the instruction shown. */
  readonly rip?: string;
  readonly source?: SourceLine;
  /** In Intel's operand order. */
  readonly disassembly?: string;
  /** As far as they were seen: by the guest's stamp, or by the access that the exit brought. */
  readonly registers?: Readonly<Record<string, string>>;
  /** The VM exit that ends the step, or that KVM deals with in it. */
  readonly exit?: StepExit;
}

/** A way to print the same line. */
export interface PrintfVariant {
  readonly buffering: 'line' | 'none';
  readonly io: 'byte' | 'string';
  /** Exits of the whole guest that the source predicts, and that there were: returns of KVM_RUN. */
  readonly expectedExits: number;
  readonly exits: number;
  /** VM exits, those too that KVM kept to itself; null where the kernel's side is not recorded. */
  readonly hardwareExits: number | null;
  /** Of the line itself: system calls, IN from the line status register, OUT or OUTS instructions, and exits by these. */
  readonly syscalls: number;
  readonly polls: number;
  readonly outInstructions: number;
  readonly outExits: number;
  /**
   * VM exits by an I/O instruction that led to no return of KVM_RUN: after the last element of `rep outs` there is one
   * more, for none. Null likewise.
   */
  readonly keptIoExits: number | null;
  /** From printf's call to its return. */
  readonly ns: number;
  /** `ns` over that of the first variant. */
  readonly ratio: number;
}

/** Characters after the first, which the steps have in sums. */
export interface Rest {
  readonly characters: number;
  /** Returns of KVM_RUN. */
  readonly exits: number;
}

/** A run of the printf guest: JSON can carry it. */
export interface PrintfResult {
  readonly host: 'local' | 'svm' | 'vtx';
  readonly flavour: string;
  readonly processor: string;
  /** Why there is no side of the hardware; absent where there is. */
  readonly kernelMissing?: string;
  /** Whether the guest enters its kernel by UD2 in place of SYSCALL. */
  readonly byTrap: boolean;
  /** What the guest printed. */
  readonly output: string;
  readonly clock: ClockCheck;
  /** From printf's call to its return, as the guest's TSC has it. */
  readonly spanNs: number;
  readonly steps: readonly PrintfStep[];
  readonly rest: Rest;
  /** Of the guest's whole run. */
  readonly modes: ModeTimes;
  readonly variants: readonly PrintfVariant[];
}
