import type { CpuidEntry, Sregs } from '../kvm/abi/registers.js';
import type { PagingState } from '../memory/paging.js';

const EXTENDED_FEATURES = 0x80000001;
const PAGES_OF_1_GIB = 1 << 26;
const ADDRESS_SIZES = 0x80000008;
/** Of a CPU that does not say (SDM volume 3, 4.1.4). */
const DEFAULT_PHYSICAL_BITS = 36;
/** "Auth" of "AuthenticAMD", in ebx of leaf 0. */
const AMD = 0x68747541;

/** How a vCPU pages, by its registers and the CPUID that it was given. */
export function pagingStateOf({ cr0, cr3, cr4, efer }: Sregs, cpuid: readonly CpuidEntry[]): Required<PagingState> {
  const leaf = (number: number) => cpuid.find((entry) => entry.function === number);
  const sizes = leaf(ADDRESS_SIZES)?.eax;
  return {
    cr0,
    cr3,
    cr4,
    efer,
    physicalBits: sizes === undefined ? DEFAULT_PHYSICAL_BITS : sizes & 0xff,
    gigabytePages: ((leaf(EXTENDED_FEATURES)?.edx ?? 0) & PAGES_OF_1_GIB) !== 0,
    isAmd: leaf(0)?.ebx === AMD,
  };
}
