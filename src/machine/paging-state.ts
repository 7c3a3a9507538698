import type { CpuidEntry, Sregs } from '../kvm/abi/registers.js';
import { physicalAddressBits, vendorOf } from '../kvm/cpuid.js';
import type { PagingState } from '../memory/paging.js';

const EXTENDED_FEATURES = 0x80000001;
const PAGES_OF_1_GIB = 1 << 26;

/** How a vCPU pages, by its registers and the CPUID that it was given. */
export function pagingStateOf({ cr0, cr3, cr4, efer }: Sregs, cpuid: readonly CpuidEntry[]): Required<PagingState> {
  const features = cpuid.find((entry) => entry.function === EXTENDED_FEATURES);
  return {
    cr0,
    cr3,
    cr4,
    efer,
    physicalBits: physicalAddressBits(cpuid),
    gigabytePages: ((features?.edx ?? 0) & PAGES_OF_1_GIB) !== 0,
    isAmd: vendorOf(cpuid) === 'AuthenticAMD',
  };
}
