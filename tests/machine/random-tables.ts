import { CR0_PG, CR4_LA57, CR4_PAE, CR4_PSE, EFER_LMA, EFER_LME, EFER_NXE } from '../../dist/kvm/x86.js';
import { P, type PagingState, PS, pagingOf, XD } from '../../dist/memory/paging.js';

/** Random numbers that are the same in each run. */
export class Random {
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  below(count: number): number {
    // xorshift32 (Marsaglia, "Xorshift RNGs", 2003)
    let x = this.#seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#seed = x >>> 0;
    return this.#seed % count;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  bits(count: number): bigint {
    let value = 0n;
    for (let done = 0; done < count; done += 16) value = (value << 16n) | BigInt(this.below(0x10000));
    return value & ((1n << BigInt(count)) - 1n);
  }
}

export const TABLE_MODES = ['32-bit', '32-bit without PSE', 'PAE', '4-level', '5-level'] as const;
export type TableMode = (typeof TABLE_MODES)[number];

/** The control registers of a mode; the first table is at `base`. */
export function registersOf(mode: TableMode, base: number): Pick<PagingState, 'cr0' | 'cr3' | 'cr4' | 'efer'> {
  return { cr0: CR0_PG, cr3: BigInt(base), ...FLAGS[mode] };
}

const LONG_MODE = EFER_LME | EFER_LMA | EFER_NXE;
const FLAGS: Readonly<Record<TableMode, Pick<PagingState, 'cr4' | 'efer'>>> = {
  '32-bit': { cr4: CR4_PSE, efer: 0n },
  '32-bit without PSE': { cr4: 0n, efer: 0n },
  PAE: { cr4: CR4_PAE, efer: EFER_NXE },
  '4-level': { cr4: CR4_PAE, efer: LONG_MODE },
  '5-level': { cr4: CR4_PAE | CR4_LA57, efer: LONG_MODE },
};

export interface Place {
  readonly start: number;
  readonly pages: number;
}

export interface RandomTableOptions {
  readonly random: Random;
  readonly state: PagingState;
  /** The tables, the first of the highest level; any other may be of any level. */
  readonly tables: Place;
  /** What pages map. */
  readonly data: Place;
  /** Whether entries may name addresses where no RAM is. */
  readonly strays: boolean;
  /** Bits that no entry has. */
  readonly clear?: bigint;
  /** Bits that most entries have. */
  readonly favour?: bigint;
}

/** Fills the tables with entries of which most are good, for their level or for another. */
export function fillTables(bytes: Uint8Array, options: RandomTableOptions): void {
  const { random, state, tables, strays, data, clear = 0n, favour = 0n } = options;
  const paging = pagingOf(state);
  if (paging === undefined) throw new Error('no paging');
  const { entryBytes, physicalBits } = paging;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pick = ({ start, pages }: Place): bigint => BigInt(start + 4096 * random.below(pages));
  const lower = { start: tables.start + 4096, pages: tables.pages - 1 };
  const high = entryBytes === 8 ? BigInt(physicalBits) : 32n;
  const entry = (): bigint => {
    let value = (pick(random.chance(60) ? lower : data) & ~0xfffn) | random.bits(12);
    value = random.chance(85) ? value | P : value & ~P;
    if (random.chance(75)) value |= favour;
    value = random.chance(90) ? value & ~PS : value | PS;
    // A large page's low address bits: good as a rule.
    if ((value & PS) !== 0n && random.chance(80)) value &= entryBytes === 8 ? ~0x1f_e000n : ~0x3f_e000n;
    if (strays && random.chance(5)) value |= random.bits(Number(high)) & ~0xfffn;
    // Of a 4 MiB page's address KVM's own walk knows 36 bits, a CPU up to 40.
    if (entryBytes === 4 && (value & PS) !== 0n) value &= ~0x1e_0000n;
    if (entryBytes === 8 && random.chance(2)) value |= 1n << (high + BigInt(random.below(63 - Number(high))));
    return (entryBytes === 8 && random.chance(8) ? value | XD : value) & ~clear;
  };
  for (let at = tables.start; at < tables.start + 4096 * tables.pages; at += entryBytes) {
    if (entryBytes === 8) view.setBigUint64(at, entry(), true);
    else view.setUint32(at, Number(BigInt.asUintN(32, entry())), true);
  }
  if (paging.mode !== 'PAE') return;
  // The four entries that CR3 names: KVM takes them into the CPU at once, and refuses reserved bits.
  for (let i = 0; i < 4; i++) {
    view.setBigUint64(Number(paging.base) + 8 * i, pick(lower) | (i === 3 && random.chance(50) ? 0n : P), true);
  }
}

/** A linear address of this mode; most are canonical. */
export function randomLinear(random: Random, { cr4, efer }: PagingState): bigint {
  if ((efer & EFER_LMA) === 0n) return random.bits(32);
  const width = (cr4 & CR4_LA57) === 0n ? 48 : 57;
  return BigInt.asUintN(64, BigInt.asIntN(width, random.bits(width)));
}
