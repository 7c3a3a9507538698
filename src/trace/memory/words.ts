/** What of a view of memory is the same as text and on a page. */
import type { AccessResult, FaultReason } from '../../memory/access.js';
import type { HostPhysical } from '../../memory/host-page.js';
import { endOf, type Mapping, sameRights } from '../../memory/mappings.js';
import type { WalkResult } from '../../memory/walk.js';
import type { SecondLevelEntry, SecondLevelWalk } from './second-level.js';
import type { AccessView, SecondView, WalkView } from './view.js';

/** Where numbers come from: it stands in each heading. */
export const READ = 'read from the machine';
export const MODELLED = 'modelled';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** "4 KiB", "639 KiB", "1.5 GiB". */
export function sizeWords(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Hexadecimal digits, without a prefix. */
export const digits = (value: bigint | number, count: number): string => value.toString(16).padStart(count, '0');

/** "rwx", "r--" and so on; then "u" where ring 3 may too, and "G" for a global page. */
export const rightsWords = ({ writable, executable, user, global }: Omit<Mapping, 'physical'>): string =>
  `r${writable ? 'w' : '-'}${executable ? 'x' : '-'} ${user ? 'u' : '-'}${global ? 'G' : '-'}`;

/** Ranges with the same rights and page size that follow one another in linear addresses, wherever they are. */
export interface Region extends Mapping {
  /** How many stretches of physical addresses it is made of. */
  readonly runs: number;
}

export function regionsOf(ranges: readonly Mapping[]): Region[] {
  const regions: Region[] = [];
  for (const range of ranges) {
    const last = regions.at(-1);
    if (last && endOf(last) === range.linear && last.pageSize === range.pageSize && sameRights(last, range)) {
      const sum = { pages: last.pages + range.pages, accessed: last.accessed + range.accessed };
      regions[regions.length - 1] = { ...last, ...sum, dirty: last.dirty + range.dirty, runs: last.runs + 1 };
    } else regions.push({ ...range, runs: 1 });
  }
  return regions;
}

/** Where a region is in guest-physical addresses. */
export function placeWords({ linear, physical, runs }: Region): string {
  if (runs > 1) return `${runs} pieces`;
  return linear === physical ? 'the same' : digits(physical, 8);
}

export function resultWords(result: WalkResult, entry = 'the entry'): string {
  switch (result.outcome) {
    case 'not-canonical':
      return 'the address is not canonical: there is no walk';
    case 'not-present':
      return `not mapped: ${entry} has P clear`;
    case 'reserved-bit':
      return `not mapped: ${entry} has a bit set that must be clear`;
    case 'table-outside-ram':
      return `not mapped: ${entry} would be where no RAM is`;
    case 'mapped':
      return `guest-physical ${digits(result.physicalAddress, 8)}${result.inRam ? '' : ', where no RAM is'}${
        result.pageSize === 0 ? '' : `, in a page of ${sizeWords(result.pageSize)}`
      }`;
  }
}

export const physicalWords = (physical: HostPhysical): string =>
  typeof physical === 'bigint'
    ? digits(physical, 8)
    : { untouched: 'none: untouched so far', swapped: 'none: swapped out', hidden: 'not for this process to know' }[
        physical
      ];

const FAULTS: Readonly<Record<FaultReason, string>> = {
  'not-present': 'not present',
  'reserved-bit': 'reserved bit',
  'supervisor-page': 'not for ring 3',
  'read-only': 'read-only',
  'execute-disable': 'XD',
  smep: 'SMEP',
  smap: 'SMAP',
};

export function accessWords(result: AccessResult): string {
  switch (result.outcome) {
    case 'allowed':
      return 'allowed';
    case 'page-fault':
      return `#PF ${FAULTS[result.reason]}, code 0x${result.errorCode.toString(16)}`;
    case 'general-protection':
      return '#GP';
    case 'unknown':
      return 'a table is outside RAM';
  }
}

/** Both rings' accesses: "ring 0: read allowed, write #PF read-only, code 0x3, …". Those that are alike stand together. */
export function ringWords(accesses: readonly AccessView[], user: boolean): string {
  const kinds = new Map<string, string[]>();
  for (const { access, result } of accesses) {
    if (access.user !== user) continue;
    const words = accessWords(result);
    kinds.set(words, [...(kinds.get(words) ?? []), access.kind]);
  }
  return [...kinds].map(([words, names]) => `${names.join(', ')}: ${words}`).join('; ');
}

const LEVELS = ['', 'PTE', 'PDE', 'PDPTE', 'PML4E', 'PML5E'];
export const secondEntryName = ({ level, index }: SecondLevelEntry): string => `${LEVELS[level]}[${index}]`;

/** "EPT" where KVM uses it, as a word for the tables that the model has. */
export const kindWords = ({ kind }: SecondView): string => kind ?? 'second-level';

/** How many entries a walk in two dimensions reads. */
export interface References {
  /** Of the guest's tables. */
  readonly guest: number;
  /** Of the host's, for each of those and for the address at the end. */
  readonly host: readonly number[];
  readonly sum: number;
}

export function referencesOf({ walk }: WalkView, second: readonly SecondLevelWalk[]): References {
  const guest = walk.steps.length;
  const host = second.map(({ entries }) => entries.length);
  return { guest, host, sum: host.reduce((sum, count) => sum + count, guest) };
}
