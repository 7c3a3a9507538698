/** The second-level page tables of a machine (EPT, NPT), as far as KVM's own events tell of them. */
import { KvmTrace } from '../../kvm/trace.js';
import type { KvmPageFaultEvent, KvmSpteEvent } from '../../kvm/trace-events.js';

const BUFFER_KIB = 4096;
const DRAIN_MS = 50;
/** What is kept: a guest chooses how much it touches. */
const MOST_ENTRIES = 1 << 20;
const MOST_FAULTS = 256;

// Of an entry as KVM writes it: both vendors' place for the address and for large pages
const FRAME = 0xf_ffff_ffff_f000n;
const LARGE = 1n << 7n;
/** KVM's own mark of an entry that is present (Linux, arch/x86/kvm/mmu/spte.h, SPTE_MMU_PRESENT_MASK). */
const KVM_PRESENT = 1n << 11n;

/** Which access found no fitting entry; `table`: the CPU's own, to the guest's page tables. */
export interface SecondLevelFault {
  readonly guestPhysical: bigint;
  readonly kind: 'read' | 'write' | 'fetch';
  readonly table: boolean;
  readonly errorCode: bigint;
  readonly rip: bigint;
}

/** One entry on the way of a guest-physical address. */
export interface SecondLevelEntry {
  /** 5 to 1; an entry of level 1 maps 4 KiB. */
  readonly level: number;
  readonly index: number;
  /** Undefined where no event told of it. */
  readonly value: bigint | undefined;
  /** Host-physical, of the entry itself; undefined where that of its table is not known. */
  readonly address: bigint | undefined;
}

/** How a guest-physical address is translated. */
export interface SecondLevelWalk {
  readonly guestPhysical: bigint;
  readonly entries: readonly SecondLevelEntry[];
  /** Whether all entries were told, down to one that maps a page; else they are a model, of pages of 4 KiB. */
  readonly isKnown: boolean;
  /** Where it is known. */
  readonly hostPhysical: bigint | undefined;
  /** Bytes of the page. */
  readonly pageSize: number;
}

const DEFAULT_LEVELS = 4;
const levelSize = (level: number): bigint => 1n << BigInt(12 + 9 * (level - 1));

/** The entries by place, of the last events. */
export class SecondLevelTables {
  readonly #entries = new Map<string, bigint>();
  #levels = DEFAULT_LEVELS;
  /** Whether there was no room for all. */
  isCut = false;

  take({ level, gfn, value, space }: Pick<KvmSpteEvent, 'level' | 'gfn' | 'value' | 'space'>): void {
    if (space !== 0) return;
    this.#levels = Math.max(this.#levels, level);
    const key = `${level}:${gfn}`;
    if ((value & KVM_PRESENT) === 0n) this.#entries.delete(key);
    else if (this.#entries.has(key) || this.#entries.size < MOST_ENTRIES) this.#entries.set(key, value);
    else this.isCut = true;
  }

  /** How many pages of each size are mapped, by bytes. */
  get pages(): ReadonlyMap<number, number> {
    const pages = new Map<number, number>();
    for (const [key, value] of this.#entries) {
      const level = Number(key.split(':')[0]);
      if (level > 1 && (value & LARGE) === 0n) continue;
      const size = Number(levelSize(level));
      pages.set(size, (pages.get(size) ?? 0) + 1);
    }
    return pages;
  }

  walk(guestPhysical: bigint): SecondLevelWalk {
    const entries: SecondLevelEntry[] = [];
    let table: bigint | undefined;
    for (let level = this.#levels; level >= 1; level--) {
      const index = Number((guestPhysical / levelSize(level)) % 512n);
      const gfn = (guestPhysical - (guestPhysical % levelSize(level))) >> 12n;
      const value = this.#entries.get(`${level}:${gfn}`);
      entries.push({ level, index, value, address: table === undefined ? undefined : table + BigInt(8 * index) });
      table = value === undefined ? undefined : value & FRAME;
      if (value === undefined || (level > 1 && (value & LARGE) === 0n)) continue;
      if (entries.some((entry) => entry.value === undefined)) break;
      const size = levelSize(level);
      const hostPhysical = (value & FRAME & ~(size - 1n)) | (guestPhysical & (size - 1n));
      return { guestPhysical, entries, isKnown: true, hostPhysical, pageSize: Number(size) };
    }
    return { guestPhysical, entries, isKnown: false, hostPhysical: undefined, pageSize: 4096 };
  }
}

/** What a fault's error code says: an exit qualification on VT-x (SDM volume 3, table 28-7), EXITINFO1 on SVM. */
export function faultOf({ address, errorCode, rip }: KvmPageFaultEvent, flavour: string): SecondLevelFault {
  const has = (bit: number): boolean => ((errorCode >> BigInt(bit)) & 1n) === 1n;
  const isVtx = flavour === 'kvm_intel';
  const kind = has(1) ? 'write' : has(isVtx ? 2 : 4) ? 'fetch' : 'read';
  // SVM: bit 33, of the guest's page tables (APM volume 2, 15.25.6)
  const table = isVtx ? has(7) && !has(8) : has(33);
  return { guestPhysical: address, kind, table, errorCode, rip };
}

/** Takes down what KVM's events tell of the second dimension, while a machine runs. */
export class SecondLevelRecording {
  readonly tables = new SecondLevelTables();
  /** The first ones. */
  readonly faults: SecondLevelFault[] = [];
  faultCount = 0;
  readonly byKind = new Map<string, number>();
  readonly #trace: KvmTrace;
  readonly #timer: NodeJS.Timeout;
  readonly #flavour: string;

  private constructor(trace: KvmTrace, flavour: string) {
    this.#trace = trace;
    this.#flavour = flavour;
    this.#timer = setInterval(() => this.drain(), DRAIN_MS);
    this.#timer.unref();
  }

  /** Where it cannot be had: why, in words. */
  static open(flavour: string): SecondLevelRecording | string {
    const events = ['kvm_page_fault', 'kvm_tdp_mmu_spte_changed'] as const;
    const trace = KvmTrace.openOrWhyNot({ events, bufferKiB: BUFFER_KIB });
    return typeof trace === 'string' ? trace : new SecondLevelRecording(trace, flavour);
  }

  get threadsFile(): string {
    return this.#trace.threadsFile;
  }

  /** Events that the kernel overwrote before they were read. */
  get lost(): number {
    return this.#trace.lost;
  }

  drain(): void {
    for (const event of this.#trace.drain()) {
      if (event.name === 'kvm_tdp_mmu_spte_changed') this.tables.take(event);
      else if (event.name === 'kvm_page_fault') this.#fault(faultOf(event, this.#flavour));
    }
  }

  #fault(fault: SecondLevelFault): void {
    this.faultCount++;
    const kind = `${fault.kind}${fault.table ? ' of a guest page table' : ''}`;
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
    if (this.faults.length < MOST_FAULTS) this.faults.push(fault);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#trace.close();
  }
}
