import { HardwareTally } from './hardware-tally.js';
import type { Access, ExitEvent, ExitSink, HardwareExit, ModeTimes, Span } from './model.js';
import { addTimes, type ModeSums, segmentsOf, segmentsOfKept } from './segments.js';

/** A guest chooses addresses and instruction pointers: of each kind so many are told apart, the others added up. */
const MOST_KEYS = 4096;

export interface AccessCount {
  readonly bus: Access['bus'];
  readonly address: number;
  readonly write: boolean;
  /** Absent where nobody claims the address. */
  readonly device?: string;
  readonly count: number;
  /** Nanoseconds in this program, its handler included. */
  readonly rootRing3Ns: number;
}

export interface RipCount {
  /** "0x100010". */
  readonly rip: string;
  readonly ripIs: ExitEvent['ripIs'];
  readonly count: number;
}

/** What a recording of exits adds up to: JSON can carry it. Lists are sorted, most first. */
export interface ExitSummary {
  /** Returns of KVM_RUN that were recorded, the continued ones among them. */
  readonly recorded: number;
  readonly continued: number;
  /** Returns that happened and were not recorded. */
  readonly lost: number;
  readonly byReason: Readonly<Record<string, number>>;
  /** By the kernel's names; absent where its side is not recorded. */
  readonly byHardwareReason?: Readonly<Record<string, number>>;
  readonly byAccess: readonly AccessCount[];
  /** Accesses at addresses past the first 4096. */
  readonly otherAccesses: number;
  readonly byRip: readonly RipCount[];
  readonly otherRips: number;
  /** By the guest's ring at the exit. */
  readonly byRing: Readonly<Record<string, number>>;
  readonly kvm: {
    /** KVM's own counters; null where they cannot be read. */
    readonly exits: number | null;
    readonly userspaceExits: number | null;
    /** Hardware exits that led to no return to this program; null where the kernel's side is not recorded. */
    readonly keptByKvm: number | null;
  };
  readonly modes: ModeTimes;
}

/** What only the end of a recording tells. */
export interface SummaryEnd {
  readonly kvm?: { readonly exits: number; readonly userspaceExits: number } | undefined;
  /** Exits lost after the last that was recorded: no gap shows them. */
  readonly lostAtEnd?: number;
}

/** Adds up exits one by one; it grows with the kinds of exits, not with their number. */
export class Summary implements ExitSink {
  /** Hardware exits by reason, and who handled them. */
  readonly hardware = new HardwareTally();
  #recorded = 0;
  #continued = 0;
  #lost = 0;
  #kernelSide: 'never' | 'always' | 'sometimes' | undefined;
  readonly #next = new Map<number, number>();
  readonly #reasons = new Map<string, number>();
  readonly #rings = new Map<string, number>();
  readonly #accesses = new Bounded<string, { access: Access; count: number; rootRing3Ns: number }>();
  readonly #rips = new Bounded<bigint, { ripIs: ExitEvent['ripIs']; count: number }>();
  readonly #modes: ModeSums = {};

  add(event: ExitEvent): void {
    this.#recorded++;
    if (event.continued) this.#continued++;
    this.#lost += event.number - (this.#next.get(event.cpu) ?? 0);
    this.#next.set(event.cpu, event.number + 1);
    increment(this.#reasons, event.reason);
    increment(this.#rings, String(event.cpl));
    addTimes(this.#modes, segmentsOf(event));
    this.hardware.add(event);
    this.#noteSide(event.hardware);
    if (event.access !== undefined) this.#addAccess(event.access, event.handledNs - event.returnedNs);
    const rip = this.#rips.at(event.rip, () => ({ ripIs: event.ripIs, count: 0 }));
    if (rip !== undefined) rip.count++;
  }

  kept(hardware: readonly HardwareExit[] | undefined, _cpu: number, run?: Span): void {
    addTimes(this.#modes, segmentsOfKept(hardware, run));
    this.hardware.kept(hardware);
    this.#noteSide(hardware);
  }

  result({ kvm, lostAtEnd = 0 }: SummaryEnd = {}): ExitSummary {
    const byCount = <Key, Value extends { count: number }>(entries: Iterable<[Key, Value]>) =>
      [...entries].sort(([, a], [, b]) => b.count - a.count);
    const { byReason: handled } = this.hardware;
    const counts = Object.entries(handled).map(
      ([reason, { kvm: kept, vmlaunch }]) => [reason, kept + vmlaunch] as const,
    );
    const hardware = counts.length > 0 || this.#kernelSide === 'always';
    const kept = Object.values(handled).reduce((sum, { kvm: one }) => sum + one, 0);
    return {
      recorded: this.#recorded,
      continued: this.#continued,
      lost: this.#lost + lostAtEnd,
      byReason: record(this.#reasons),
      ...(hardware ? { byHardwareReason: Object.fromEntries(counts) } : {}),
      byAccess: byCount(this.#accesses.entries()).map(([, { access, count, rootRing3Ns }]) => {
        const { bus, address, write, device } = access;
        return {
          bus,
          address,
          write,
          ...(device === undefined ? {} : { device }),
          count,
          rootRing3Ns: Math.round(rootRing3Ns),
        };
      }),
      otherAccesses: this.#accesses.others,
      byRip: byCount(this.#rips.entries()).map(([rip, { ripIs, count }]) => ({
        rip: `0x${rip.toString(16)}`,
        ripIs,
        count,
      })),
      otherRips: this.#rips.others,
      byRing: record(this.#rings),
      kvm: {
        exits: kvm?.exits ?? null,
        userspaceExits: kvm?.userspaceExits ?? null,
        keptByKvm: this.#kernelSide === 'always' ? kept : null,
      },
      modes: rounded({ rootRing3: 0, ...this.#modes }),
    };
  }

  #noteSide(hardware: readonly HardwareExit[] | undefined): void {
    const side = hardware === undefined ? 'never' : 'always';
    this.#kernelSide = this.#kernelSide === undefined || this.#kernelSide === side ? side : 'sometimes';
  }

  #addAccess(access: Access, rootRing3Ns: number): void {
    const key = `${access.bus} ${access.address} ${access.write} ${access.device ?? ''}`;
    const entry = this.#accesses.at(key, () => ({ access, count: 0, rootRing3Ns: 0 }));
    if (entry === undefined) return;
    entry.count++;
    entry.rootRing3Ns += rootRing3Ns;
  }
}

/** A map that takes no new key once it has its most. */
class Bounded<Key, Value> {
  /** How often a key was asked for that had no place. */
  others = 0;
  readonly #map = new Map<Key, Value>();

  at(key: Key, make: () => Value): Value | undefined {
    const found = this.#map.get(key);
    if (found !== undefined) return found;
    if (this.#map.size === MOST_KEYS) {
      this.others++;
      return undefined;
    }
    const made = make();
    this.#map.set(key, made);
    return made;
  }

  entries(): Iterable<[Key, Value]> {
    return this.#map.entries();
  }
}

/** Whole nanoseconds: a TSC's ticks are no part of them. */
function rounded(times: ModeTimes): ModeTimes {
  const entries = Object.entries(times).map(([mode, ns]) => [mode, Math.round(ns)]);
  return Object.fromEntries(entries) as ModeTimes;
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Most first. */
function record(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}
