/** All that a guest's page tables map, as ranges: what Linux's ptdump and QEMU's `info mem` show. */
import {
  ACCESSED,
  ADDRESS,
  ALL_RIGHTS,
  canonical,
  DIRTY,
  type Level,
  mapsPage,
  type Paging,
  type PagingState,
  pageBase,
  pagingOf,
  type Rights,
  reservedBits,
  rightsBelow,
} from './paging.js';
import type { WalkMemory } from './walk.js';

/** Pages that follow one another in linear and in physical addresses, of one size and with the same rights. */
export interface Mapping {
  /** Linear address of the first byte. */
  readonly linear: bigint;
  /** Guest-physical address of the first byte. */
  readonly physical: bigint;
  /** Bytes of a page: 4096, 2 MiB, 4 MiB or 1 GiB. */
  readonly pageSize: number;
  readonly pages: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  readonly global: boolean;
  /** How many of the pages have their accessed bit set, and their dirty bit. */
  readonly accessed: number;
  readonly dirty: number;
}

export interface Mappings {
  readonly ranges: readonly Mapping[];
  /** Tables that were read; one that is reached in two ways counts twice. */
  readonly tables: number;
  /** Present entries that the CPU would refuse for a reserved bit. */
  readonly reserved: number;
  /** Tables that would be where no RAM is. */
  readonly outsideRam: number;
  /** Whether all was read: tables can point at one another, and stand for more than could ever be shown. */
  readonly whole: boolean;
}

export interface MappingLimits {
  readonly ranges: number;
  readonly tables: number;
}

const DEFAULT_LIMITS: MappingLimits = { ranges: 0x10000, tables: 0x4000 };
const GLOBAL = 1n << 8n;

/** Reads all tables, within limits; undefined without paging. Never throws. */
export function mappingsOf(memory: WalkMemory, state: PagingState, limits = DEFAULT_LIMITS): Mappings | undefined {
  const paging = pagingOf(state);
  return paging && new Scan(memory, paging, limits).run();
}

class Scan {
  readonly #ranges: Mapping[] = [];
  #tables = 0;
  #reserved = 0;
  #outsideRam = 0;
  #whole = true;

  constructor(
    private readonly memory: WalkMemory,
    private readonly paging: Paging,
    private readonly limits: MappingLimits,
  ) {}

  run(): Mappings {
    this.#table(0, this.paging.base, 0n, ALL_RIGHTS);
    return {
      ranges: this.#ranges,
      tables: this.#tables,
      reserved: this.#reserved,
      outsideRam: this.#outsideRam,
      whole: this.#whole,
    };
  }

  #table(depth: number, address: bigint, linear: bigint, rights: Rights): void {
    const level = this.paging.levels[depth];
    if (level === undefined) return;
    const { entryBytes } = this.paging;
    const bytes = new Uint8Array(entryBytes << level.indexBits);
    if (!this.memory.contains(Number(address), bytes.length)) {
      this.#outsideRam++;
      return;
    }
    if (this.#tables >= this.limits.tables) {
      this.#whole = false;
      return;
    }
    this.#tables++;
    this.memory.read(Number(address), bytes);
    const view = new DataView(bytes.buffer);
    for (let at = 0, index = 0n; at < bytes.length && this.#whole; at += entryBytes, index++) {
      // Most entries are empty, and a BigInt each is slow.
      if (((bytes[at] ?? 0) & 1) === 0) continue;
      const value = entryBytes === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
      this.#entry(depth, level, value, linear | (index << BigInt(level.shift)), rights);
    }
  }

  #entry(depth: number, level: Level, value: bigint, linear: bigint, above: Rights): void {
    const isPage = mapsPage(level, value);
    if ((value & reservedBits(level, isPage, this.paging)) !== 0n) {
      this.#reserved++;
      return;
    }
    const rights = rightsBelow(above, level, value);
    if (isPage) this.#page(level, value, canonical(this.paging, linear), rights);
    else this.#table(depth + 1, value & ADDRESS, linear, rights);
  }

  #page(level: Level, value: bigint, linear: bigint, rights: Rights): void {
    const found: Mapping = {
      linear,
      physical: pageBase(level, value, this.paging),
      pageSize: 2 ** level.shift,
      pages: 1,
      ...rights,
      global: (value & GLOBAL) !== 0n,
      accessed: (value & ACCESSED) === 0n ? 0 : 1,
      dirty: (value & DIRTY) === 0n ? 0 : 1,
    };
    const last = this.#ranges.at(-1);
    if (last !== undefined && follows(last, found)) {
      const { pages, accessed, dirty } = last;
      this.#ranges[this.#ranges.length - 1] = {
        ...last,
        pages: pages + 1,
        accessed: accessed + found.accessed,
        dirty: dirty + found.dirty,
      };
    } else if (this.#ranges.length < this.limits.ranges) this.#ranges.push(found);
    else this.#whole = false;
  }
}

function follows(last: Mapping, next: Mapping): boolean {
  const size = BigInt(last.pageSize) * BigInt(last.pages);
  return (
    last.pageSize === next.pageSize &&
    last.linear + size === next.linear &&
    last.physical + size === next.physical &&
    sameRights(last, next)
  );
}

export const sameRights = (a: Mapping, b: Mapping): boolean =>
  a.writable === b.writable && a.user === b.user && a.executable === b.executable && a.global === b.global;

/** Where a range ends, exclusively. */
export const endOf = ({ linear, pages, pageSize }: Pick<Mapping, 'linear' | 'pages' | 'pageSize'>): bigint =>
  linear + BigInt(pages) * BigInt(pageSize);
