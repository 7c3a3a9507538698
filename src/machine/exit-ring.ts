/**
 * A vCPU's exits on their way to whoever watches: a ring of records in shared memory between the vCPU's thread, which
 * writes (native/recorder.h has the same layout), and one reader. A full ring takes no more, and counts what it did not
 * take: the writer never waits.
 */
import { kvmRun } from '../kvm/abi/run.js';
import { RunPage } from '../kvm/exit.js';
import { modeOf } from './guest-code.js';

export const HEADER_BYTES = 64;
export const RECORD_BYTES = 128;
/** 16 MiB: a guest that exits a million times a second fills it in 130 ms. */
const DEFAULT_RECORDS = 0x20000;

/** The header's cells of 32 bits, and of doubles. */
export const HEAD = 0;
const TAIL = 1;
export const OPEN = 2;
const EXITS = 2;
const LOST = 3;
const RUN_ENTERED = 4;
export const RUN_ENDED = 5;

/** Byte offsets in a record. */
const ENTERED = 0;
const RETURNED = 8;
export const HANDLED = 16;
const NUMBER = 24;
const REASON = 28;
const EXIT = 32;
const EXIT_BYTES = 32;
const RIP = 64;
const RCX = 72;
export const DATA = 80;
/** 0: the place is not new. */
const PLACE_IS_NEW = 88;
const PLACE_CS_L = 89;
const PLACE_CS_DB = 90;
const PLACE_SS_DPL = 91;
const PLACE_CS_BASE = 92;
const PLACE_CR3 = 96;
const PLACE_CR0 = 104;
const PLACE_CR4 = 108;
const PLACE_EFER = 112;

/** Where in kvm_run what belongs to the reason begins. */
const RUN_REASON = kvmRun.fields.exitReason.offset;
const RUN_EXIT = kvmRun.fields.exit.offset;

/** @param records a power of two */
export function exitRingBuffer(records = DEFAULT_RECORDS): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(HEADER_BYTES + records * RECORD_BYTES);
  return buffer;
}

/** Where a guest's code is: what is needed to read it. */
export interface Place {
  readonly cpl: number;
  readonly bits: 16 | 32 | 64;
  readonly csBase: bigint;
  readonly paging: { readonly cr0: bigint; readonly cr3: bigint; readonly cr4: bigint; readonly efer: bigint };
}

/** An exit as the vCPU's thread wrote it down. Times are ticks of the host's TSC. */
export interface RawExit {
  /** Modulo 2^32; exits that were not taken are counted too. */
  readonly number: number;
  /** Before KVM_RUN; where a kick came between, before the first one. */
  readonly entered: number;
  readonly returned: number;
  readonly handled: number;
  /** As kvm_run had it, but for port I/O's data; valid until the next one is taken. */
  readonly page: RunPage;
  /** What was read or written, as it was after the exit was handled: up to 8 bytes. */
  readonly data: bigint;
  /** As KVM had them when KVM_RUN returned: rip is often the next instruction's. */
  readonly rip: bigint;
  readonly rcx: bigint;
  /** Where it is new; else it is that of an exit with the same rip before. */
  readonly place: Place | undefined;
}

/** The reader's side. */
export class ExitRing {
  readonly #cells: Int32Array;
  readonly #counts: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mask: number;
  readonly #page = new RunPage(new Uint8Array(kvmRun.size));

  /** @param buffer made by `exitRingBuffer` */
  constructor(readonly buffer: SharedArrayBuffer) {
    this.#cells = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#counts = new Float64Array(buffer, 0, HEADER_BYTES / 8);
    this.#bytes = new Uint8Array(buffer, HEADER_BYTES);
    this.#view = new DataView(buffer, HEADER_BYTES);
    this.#mask = this.#bytes.length / RECORD_BYTES - 1;
  }

  /** Exits so far, those that were not taken too. */
  get exits(): number {
    return this.#counts[EXITS] ?? 0;
  }

  /** Exits that came while the ring was full. */
  get lost(): number {
    return this.#counts[LOST] ?? 0;
  }

  /**
   * The last KVM_RUN of a machine that has ended, if it was interrupted and made no exit: ticks. Undefined where it made
   * one, which has a record or is lost.
   */
  get interruptedRun(): { readonly entered: number; readonly ended: number } | undefined {
    const entered = this.#counts[RUN_ENTERED] ?? 0;
    const ended = this.#counts[RUN_ENDED] ?? 0;
    // A vCPU that is stopped before it ran has called it never.
    return entered === 0 || ended === 0 ? undefined : { entered, ended };
  }

  /** Exits that are there now and complete: the last one is not before KVM_RUN is called again. */
  get waiting(): number {
    return (Atomics.load(this.#cells, HEAD) - Atomics.load(this.#cells, TAIL)) >>> 0;
  }

  /** Takes so many of those that wait, oldest first. */
  take(count: number, use: (exit: RawExit) => void): void {
    let tail = Atomics.load(this.#cells, TAIL);
    for (let left = count; left > 0; left--) {
      use(this.#read((tail & this.#mask) * RECORD_BYTES));
      tail = (tail + 1) | 0;
      Atomics.store(this.#cells, TAIL, tail);
    }
  }

  #read(at: number): RawExit {
    const view = this.#view;
    this.#page.view.setUint32(RUN_REASON, view.getUint32(at + REASON, true), true);
    this.#page.bytes.set(this.#bytes.subarray(at + EXIT, at + EXIT + EXIT_BYTES), RUN_EXIT);
    return {
      number: view.getUint32(at + NUMBER, true),
      entered: view.getFloat64(at + ENTERED, true),
      returned: view.getFloat64(at + RETURNED, true),
      handled: view.getFloat64(at + HANDLED, true),
      page: this.#page,
      data: view.getBigUint64(at + DATA, true),
      rip: view.getBigUint64(at + RIP, true),
      rcx: view.getBigUint64(at + RCX, true),
      place: this.#placeAt(at),
    };
  }

  #placeAt(at: number): Place | undefined {
    const view = this.#view;
    if (view.getUint8(at + PLACE_IS_NEW) === 0) return undefined;
    const big = (offset: number): bigint => BigInt(view.getUint32(at + offset, true));
    const cr3 = view.getBigUint64(at + PLACE_CR3, true);
    const paging = { cr0: big(PLACE_CR0), cr3, cr4: big(PLACE_CR4), efer: big(PLACE_EFER) };
    const cs = { l: view.getUint8(at + PLACE_CS_L), db: view.getUint8(at + PLACE_CS_DB), base: big(PLACE_CS_BASE) };
    const ss = { dpl: view.getUint8(at + PLACE_SS_DPL) };
    // RFLAGS matters to virtual-8086 mode only, whose code has 16 bits by its segment too.
    const { bits } = modeOf({ ...paging, cs, ss }, 0n);
    return { cpl: ss.dpl, bits, csBase: cs.base, paging };
  }
}
