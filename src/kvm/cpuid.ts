/**
 * What CPUID shows to a guest: what KVM supports on this host, with the topology and the paravirtual features of
 * this machine. Leaves: Intel SDM 2A, CPUID; AMD APM 3, appendix E; KVM's: Documentation/virt/kvm/x86/cpuid.rst.
 */
import { KVM_CPUID_FLAG_SIGNIFCANT_INDEX } from './abi/constants.js';
import * as para from './abi/para.js';
import type { CpuidEntry } from './abi/registers.js';

/** Paravirtual features by name: the bits of KVM_CPUID_FEATURES' eax that each one switches. */
const PV_FEATURES = {
  kvmclock: [para.KVM_FEATURE_CLOCKSOURCE, para.KVM_FEATURE_CLOCKSOURCE2, para.KVM_FEATURE_CLOCKSOURCE_STABLE_BIT],
  nopIoDelay: [para.KVM_FEATURE_NOP_IO_DELAY],
  asyncPf: [para.KVM_FEATURE_ASYNC_PF, para.KVM_FEATURE_ASYNC_PF_VMEXIT, para.KVM_FEATURE_ASYNC_PF_INT],
  stealTime: [para.KVM_FEATURE_STEAL_TIME],
  pvEoi: [para.KVM_FEATURE_PV_EOI],
  pvUnhalt: [para.KVM_FEATURE_PV_UNHALT],
  pvTlbFlush: [para.KVM_FEATURE_PV_TLB_FLUSH],
  pvSendIpi: [para.KVM_FEATURE_PV_SEND_IPI],
  pollControl: [para.KVM_FEATURE_POLL_CONTROL],
  pvSchedYield: [para.KVM_FEATURE_PV_SCHED_YIELD],
} as const satisfies Record<string, readonly number[]>;

export type PvFeature = keyof typeof PV_FEATURES;
/** A feature that is false is not shown; the others are where KVM has them. */
export type ParavirtFeatures = { readonly [F in PvFeature]?: boolean };
export const pvFeatureNames = Object.keys(PV_FEATURES) as readonly PvFeature[];

export interface CpuidOptions {
  /** This vCPU's number, which is its APIC ID. */
  readonly cpuIndex: number;
  /** All vCPUs: cores of one package, one thread each. */
  readonly cpuCount: number;
  readonly features?: ParavirtFeatures;
  /** The local APIC's TSC deadline timer: KVM_CHECK_EXTENSION(KVM_CAP_TSC_DEADLINE_TIMER) says so, CPUID does not. */
  readonly tscDeadline: boolean;
}

// Leaf 1 (Intel SDM 2A, CPUID, tables 3-8, 3-10, 3-11)
const ECX_TSC_DEADLINE = 1 << 24;
const ECX_HYPERVISOR = 1 << 31;
const EDX_HTT = 1 << 28;
// Leaves 0xB and 0x1F: level types
const LEVEL_SMT = 1;
const LEVEL_CORE = 2;
const EXTENDED_TOPOLOGY = 0xb;
const EXTENDED_TOPOLOGY_V2 = 0x1f;
/** Leaf 0x80000001 ecx of AMD: threads of the package are cores. */
const ECX_CMP_LEGACY = 1 << 1;

/** Of a CPU with PAE that does not say (SDM volume 3, 4.1.4). */
const DEFAULT_ADDRESS_BITS = 36;

/** Makes a vCPU's CPUID from what KVM_GET_SUPPORTED_CPUID gave. `entries` is not changed. */
export function filterCpuid(entries: readonly CpuidEntry[], options: CpuidOptions): CpuidEntry[] {
  const vendor = vendorOf(entries);
  const isAmd = vendor === 'AuthenticAMD' || vendor === 'HygonGenuine';
  const kept = entries.filter((entry) => !isReplaced(entry.function)).map((entry) => adjust(entry, options, isAmd));
  return [...kept, ...topologyLeaves(entries, options), ...kvmLeaves(entries, options)];
}

/** The vendor's name, such as "GenuineIntel"; empty where leaf 0 is missing. */
export function vendorOf(entries: readonly CpuidEntry[]): string {
  const leaf = entries.find((entry) => entry.function === 0);
  return leaf === undefined ? '' : signature(leaf.ebx, leaf.edx, leaf.ecx);
}

/** Bits of a guest-physical address (leaf 0x80000008, eax): 36 where the leaf is missing. */
export function physicalAddressBits(entries: readonly CpuidEntry[]): number {
  const leaf = entries.find((entry) => entry.function === 0x80000008);
  return leaf === undefined ? DEFAULT_ADDRESS_BITS : leaf.eax & 0xff;
}

function signature(...words: readonly number[]): string {
  const bytes = words.flatMap((word) => [0, 8, 16, 24].map((shift) => (word >>> shift) & 0xff));
  return String.fromCharCode(...bytes);
}

const isReplaced = (leaf: number): boolean =>
  leaf === EXTENDED_TOPOLOGY ||
  leaf === EXTENDED_TOPOLOGY_V2 ||
  leaf === para.KVM_CPUID_SIGNATURE ||
  leaf === para.KVM_CPUID_FEATURES;

/** One leaf with this machine's topology in place of the host's. */
function adjust(entry: CpuidEntry, options: CpuidOptions, isAmd: boolean): CpuidEntry {
  switch (entry.function) {
    case 0x1:
      return features(entry, options);
    case 0x4:
      return cacheSharing(entry, options.cpuCount, true);
    case 0x80000001:
      return isAmd ? { ...entry, ecx: flag(entry.ecx, ECX_CMP_LEGACY, options.cpuCount > 1) } : entry;
    case 0x80000008:
      return isAmd ? { ...entry, ecx: coreCount(entry.ecx, options.cpuCount) } : entry;
    case 0x8000001d:
      return cacheSharing(entry, options.cpuCount, false);
    case 0x8000001e:
      // AMD: extended APIC ID; core ID, one thread a core; node 0 of 1.
      return { ...entry, eax: options.cpuIndex, ebx: options.cpuIndex & 0xff, ecx: 0, edx: 0 };
    default:
      return entry;
  }
}

function features(entry: CpuidEntry, { cpuIndex, cpuCount, tscDeadline }: CpuidOptions): CpuidEntry {
  const logical = Math.min(cpuCount, 0xff);
  return {
    ...entry,
    ebx: ((entry.ebx & 0xffff) | (logical << 16) | ((cpuIndex & 0xff) << 24)) >>> 0,
    ecx: flag(flag(entry.ecx, ECX_HYPERVISOR, true), ECX_TSC_DEADLINE, tscDeadline),
    edx: flag(entry.edx, EDX_HTT, cpuCount > 1),
  };
}

/** Leaf 4 and AMD's 0x8000001D: first- and second-level caches are a core's own, the third is the package's. */
function cacheSharing(entry: CpuidEntry, cpuCount: number, withCores: boolean): CpuidEntry {
  const type = entry.eax & 0x1f;
  if (type === 0) return entry;
  const level = (entry.eax >>> 5) & 7;
  const ids = 2 ** idBits(cpuCount);
  const sharing = level >= 3 ? Math.min(ids, 4096) - 1 : 0;
  const cores = withCores ? Math.min(ids, 64) - 1 : 0;
  return { ...entry, eax: ((entry.eax & 0x3fff) | (sharing << 14) | (cores << 26)) >>> 0 };
}

/** AMD's 0x80000008 ecx: cores less one, and how many bits of the APIC ID name the core. */
function coreCount(ecx: number, cpuCount: number): number {
  return ((ecx & ~0xf0ff) | Math.min(cpuCount - 1, 0xff) | (idBits(cpuCount) << 12)) >>> 0;
}

/** Bits of the APIC ID that tell this many CPUs apart. */
const idBits = (cpuCount: number): number => Math.ceil(Math.log2(cpuCount));

/** Leaves 0xB and, where the host has it, 0x1F: one thread a core, all cores in one package. */
function topologyLeaves(entries: readonly CpuidEntry[], { cpuIndex, cpuCount }: CpuidOptions): CpuidEntry[] {
  const highest = entries.find((entry) => entry.function === 0)?.eax ?? 0;
  const leaves = [EXTENDED_TOPOLOGY];
  if (entries.some((entry) => entry.function === EXTENDED_TOPOLOGY_V2)) leaves.push(EXTENDED_TOPOLOGY_V2);
  const level = (leaf: number, index: number, shift: number, count: number, type: number): CpuidEntry => ({
    function: leaf,
    index,
    flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
    eax: shift,
    ebx: count,
    ecx: (type << 8) | index,
    edx: cpuIndex,
  });
  return leaves
    .filter((leaf) => leaf <= highest)
    .flatMap((leaf) => [
      level(leaf, 0, 0, 1, LEVEL_SMT),
      level(leaf, 1, idBits(cpuCount), cpuCount, LEVEL_CORE),
      level(leaf, 2, 0, 0, 0),
    ]);
}

/** KVM's signature, and those of its features that are supported and not switched off. */
function kvmLeaves(entries: readonly CpuidEntry[], { features = {} }: CpuidOptions): CpuidEntry[] {
  const supported = entries.find((entry) => entry.function === para.KVM_CPUID_FEATURES)?.eax ?? 0;
  let shown = supported;
  for (const name of pvFeatureNames) {
    if (features[name] !== false) continue;
    for (const bit of PV_FEATURES[name]) shown &= ~(1 << bit);
  }
  return [
    {
      ...EMPTY,
      function: para.KVM_CPUID_SIGNATURE,
      eax: para.KVM_CPUID_FEATURES,
      // "KVMKVMKVM\0\0\0"
      ebx: 0x4b4d564b,
      ecx: 0x564b4d56,
      edx: 0x4d,
    },
    { ...EMPTY, function: para.KVM_CPUID_FEATURES, eax: shown >>> 0 },
  ];
}

const EMPTY: CpuidEntry = { function: 0, index: 0, flags: 0, eax: 0, ebx: 0, ecx: 0, edx: 0 };

const flag = (word: number, bit: number, on: boolean): number => (on ? word | bit : word & ~bit) >>> 0;
