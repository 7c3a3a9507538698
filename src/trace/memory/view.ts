/** All that a view of a machine's memory shows, as data: from a machine that has ended. */
import fs from 'node:fs';
import { native } from '../../kvm/native.js';
import { linearRip, modeOf } from '../../machine/guest-code.js';
import type { StoppedMachine, StoppedVcpu } from '../../machine/stopped.js';
import { type Access, type AccessResult, accessBy } from '../../memory/access.js';
import type { GuestMemory } from '../../memory/guest-memory.js';
import { HostPages, type HostPhysical } from '../../memory/host-page.js';
import { E820_RAM, e820Map, HOLE_END, HOLE_START } from '../../memory/map.js';
import { type Mappings, mappingsOf } from '../../memory/mappings.js';
import type { PagingState } from '../../memory/paging.js';
import { KVM_PRIVATE_RANGES, type Slot } from '../../memory/slots.js';
import { type PageWalk, walkPageTables } from '../../memory/walk.js';
import type { SecondLevelFault, SecondLevelRecording, SecondLevelWalk } from './second-level.js';

/** A stretch of guest-physical addresses that is the same throughout. */
export interface MapRow {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** As the guest is told. */
  readonly e820: 'RAM' | 'reserved' | undefined;
  readonly slot: number | undefined;
  readonly what: Slot['what'] | undefined;
  readonly readOnly: boolean;
  /** Virtual address of the first byte in vmlaunch's process. */
  readonly hostVirtual: number | undefined;
  /** Who answers, by name: devices of vmlaunch's and of KVM's. */
  readonly device: string | undefined;
}

/** An access to a page that was walked to, and what becomes of it. */
export interface AccessView {
  readonly access: Access;
  readonly result: AccessResult;
}

export interface WalkView {
  /** "rip", "rsp", or the address as it was asked for. */
  readonly name: string;
  readonly walk: PageWalk;
  readonly hostVirtual: number | undefined;
  readonly hostPhysical: HostPhysical | undefined;
  readonly accesses: readonly AccessView[];
  /** Of each of the walk's entries, and of the address that it gives. */
  readonly second: readonly SecondLevelWalk[] | undefined;
}

export interface VcpuView {
  readonly id: number;
  /** "64-bit mode, ring 0" */
  readonly mode: string;
  readonly paging: PagingState;
  readonly wasReset: boolean;
  /** Undefined without paging. */
  readonly mappings: Mappings | undefined;
  readonly walks: readonly WalkView[];
}

export interface SecondView {
  /** The kind of page tables; undefined where KVM makes shadow tables. */
  readonly kind: 'EPT' | 'NPT' | undefined;
  /** KVM's counters that are about memory. */
  readonly counters: Readonly<Record<string, number>>;
  /** Why there are no events. */
  readonly eventsMissing: string | undefined;
  readonly faults: readonly SecondLevelFault[];
  readonly faultCount: number;
  readonly faultsByKind: Readonly<Record<string, number>>;
  readonly eventsLost: number;
  readonly pages: Readonly<Record<string, number>>;
}

export interface MemoryView {
  /** How the machine came to be where it is. */
  readonly moment: string;
  readonly ramBytes: number;
  readonly map: readonly MapRow[];
  readonly vcpus: readonly VcpuView[];
  readonly second: SecondView;
}

export interface ViewInput {
  readonly moment: string;
  readonly ramBytes: number;
  readonly machine: StoppedMachine;
  readonly memory: GuestMemory;
  /** KVM's statistics of the vCPUs. */
  readonly vcpuCounters: Readonly<Record<string, number>> | undefined;
  readonly flavour: string;
  readonly recording: SecondLevelRecording | string;
  /** Linear addresses to walk, in place of rip and rsp. */
  readonly walks: readonly bigint[];
}

export function memoryView(input: ViewInput): MemoryView {
  const { moment, ramBytes, machine } = input;
  using pages = new HostPages();
  return {
    moment,
    ramBytes,
    map: mapRows(ramBytes, machine),
    vcpus: machine.cpus.map((cpu) => vcpuView(cpu, input, pages)),
    second: secondView(input),
  };
}

export function mapRows(ramBytes: number, { slots, mmio }: Pick<StoppedMachine, 'slots' | 'mmio'>): MapRow[] {
  const e820 = e820Map(ramBytes);
  const devices = [...mmio, ...KVM_PRIVATE_RANGES];
  const hole = { start: HOLE_START, size: HOLE_END - HOLE_START };
  const cuts = [...e820, ...slots, ...devices, hole].flatMap(({ start, size }) => [start, start + size]);
  const bounds = [...new Set(cuts)].sort((a, b) => a - b);
  const holds =
    (at: number) =>
    ({ start, size }: { start: number; size: number }): boolean =>
      at >= start && at < start + size;
  return bounds.slice(0, -1).map((start, i) => {
    const entry = e820.find(holds(start));
    const slot = slots.find(holds(start));
    return {
      start,
      end: bounds[i + 1] ?? start,
      e820: entry && (entry.type === E820_RAM ? 'RAM' : 'reserved'),
      slot: slot?.slot,
      what: slot?.what,
      readOnly: slot?.readOnly ?? false,
      hostVirtual: slot && hostVirtualOf(slot, start),
      device: devices.find(holds(start))?.name.replace(/^(KVM's|the) /, ''),
    };
  });
}

const hostVirtualOf = ({ start, buffer, offset, size }: Slot, at: number): number =>
  native.addressOf(new Uint8Array(buffer, offset, size)) + (at - start);

const ACCESSES: readonly Access[] = [false, true].flatMap((user) =>
  (['read', 'write', 'fetch'] as const).map((kind) => ({ kind, user })),
);

function vcpuView(cpu: StoppedVcpu, { memory, machine, walks, recording }: ViewInput, pages: HostPages): VcpuView {
  const { id, regs, sregs, paging, wasReset } = cpu;
  const { mode, bits } = modeOf(sregs, regs.rflags);
  const stack = bits === 64 ? regs.rsp : (sregs.ss.base + regs.rsp) & 0xffff_ffffn;
  const asked = walks.map((linear) => ({ name: `0x${linear.toString(16)}`, linear }));
  const own = [
    { name: 'rip', linear: linearRip(sregs, regs.rip, bits) },
    { name: 'rsp', linear: stack },
  ];
  const view = ({ name, linear }: { name: string; linear: bigint }): WalkView => {
    const walk = walkPageTables(memory, paging, linear);
    const { result } = walk;
    const at = result.outcome === 'mapped' ? result.physicalAddress : undefined;
    const slot = machine.slots.find(({ start, size }) => at !== undefined && at >= start && at < start + size);
    const hostVirtual = slot && hostVirtualOf(slot, Number(at));
    const state = { ...paging, rflags: regs.rflags };
    const physical = walk.steps.map(({ address }) => address).concat(at === undefined ? [] : [at]);
    return {
      name,
      walk,
      hostVirtual,
      hostPhysical: hostVirtual === undefined ? undefined : pages.physicalOf(hostVirtual),
      accesses: ACCESSES.map((access) => ({ access, result: accessBy(walk, state, access) })),
      second: typeof recording === 'string' ? undefined : physical.map((address) => recording.tables.walk(address)),
    };
  };
  const mappings = mappingsOf(memory, paging);
  return { id, mode, paging, wasReset, mappings, walks: (asked.length > 0 ? asked : own).map(view) };
}

/** Counters of the kernel's that are about memory (Linux, arch/x86/kvm/x86.c). */
const COUNTERS = /^(pages_|pf_|mmu_|tlb_flush|remote_tlb_flush|max_mmu_|nx_lpage|invlpg)/;

function secondView({ machine, vcpuCounters = {}, flavour, recording }: ViewInput): SecondView {
  const counters = Object.entries({ ...vcpuCounters, ...machine.counters }).filter(([name]) => COUNTERS.test(name));
  const events = typeof recording === 'string' ? undefined : recording;
  return {
    kind: secondKind(flavour),
    counters: Object.fromEntries(counters),
    eventsMissing: typeof recording === 'string' ? recording : undefined,
    faults: events?.faults ?? [],
    faultCount: events?.faultCount ?? 0,
    faultsByKind: Object.fromEntries(events?.byKind ?? []),
    eventsLost: events?.lost ?? 0,
    pages: Object.fromEntries(events?.tables.pages ?? []),
  };
}

/** The kernel's parameter says whether it uses them: by default it does. */
function secondKind(flavour: string): SecondView['kind'] {
  const [kind, parameter] = flavour === 'kvm_intel' ? (['EPT', 'ept'] as const) : (['NPT', 'npt'] as const);
  if (flavour !== 'kvm_intel' && flavour !== 'kvm_amd') return undefined;
  const file = `/sys/module/${flavour}/parameters/${parameter}`;
  return fs.existsSync(file) && /^[Y1]/.test(fs.readFileSync(file, 'utf8')) ? kind : undefined;
}
