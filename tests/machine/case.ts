import type { Flavour } from './flavour.js';

/**
 * A test that needs a KVM. It is compiled once and runs the same way on this machine and inside a nested host: plain
 * Node, the compiled library (imported as `../../../dist/…`) and node:assert; no Vitest.
 */
export interface Case {
  /** Unique among all cases: what it shows. */
  readonly name: string;
  /** Where it can run; everywhere, if not given. */
  readonly flavours?: readonly Flavour[];
  /** Seconds of the host's own clock after which it counts as hung; 30 if not given. */
  readonly timeoutS?: number;
  /** Flavours where it takes minutes: there only with `npm run test:long`. */
  readonly long?: readonly Flavour[];
  run(context: CaseContext): Promise<void>;
}

export interface CaseContext {
  readonly flavour: Flavour;
  /** The KVM module where it runs: `kvm_pvm` can do less than the others. */
  readonly module: string;
  /** The directory with our own guests, `hello.bin` and the like. */
  readonly guestImages: string;
  /** Says something that is shown only where the case fails. */
  log(text: string): void;
}

export const DEFAULT_TIMEOUT_S = 30;

/** What a file in cases/ exports. */
export interface CaseFile {
  readonly cases: readonly Case[];
}

/** What `runner --list` prints, one a line. */
export interface CaseInfo {
  readonly name: string;
  readonly flavours: readonly Flavour[];
  readonly timeoutS: number;
  readonly long: readonly Flavour[];
}

export interface CaseStart {
  readonly event: 'start';
  readonly name: string;
}

export type CaseEnd = {
  readonly event: 'end';
  readonly name: string;
  /** By the clock of the host that ran it. */
  readonly ms: number;
} & ({ readonly ok: true } | { readonly ok: false; readonly error: string });

/** What the runner prints while it runs cases, one a line: each case starts, then ends. */
export type CaseEvent = CaseStart | CaseEnd;
