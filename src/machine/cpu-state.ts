import type { Regs, Segment, Sregs } from '../kvm/abi/registers.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { type PageWalk, walkPageTables } from '../memory/walk.js';
import { type FlagRegister, flagsOf } from './control-flags.js';
import { type Instruction, instructionsAt, linearRip, modeOf } from './guest-code.js';

const INSTRUCTIONS = 5;
const SEGMENTS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'tr', 'ldt'] as const;

/** What a bigint becomes where something is written as JSON: "0x1f". */
export type Hex = string;

/** A value with every bigint in it, and every array of bytes, as text: what JSON can carry. */
export type AsText<T> = T extends bigint | Uint8Array
  ? string
  : T extends readonly (infer E)[]
    ? readonly AsText<E>[]
    : T extends object
      ? { readonly [K in keyof T]: AsText<T[K]> }
      : T;

/** A register and the names of the bits that are set in it. */
export interface FlagsValue {
  readonly value: Hex;
  readonly flags: readonly string[];
}

/** A vCPU's state, as a person looks at it. All values are hexadecimal text, "0x…"; bytes are hexadecimal digits. */
export interface CpuState {
  /** "64-bit mode, ring 0" */
  readonly mode: string;
  readonly registers: Readonly<Record<Exclude<keyof Regs, 'rflags'>, Hex>>;
  readonly rflags: FlagsValue;
  readonly cr0: FlagsValue;
  /** The address of the last page fault. */
  readonly cr2: Hex;
  readonly cr3: Hex;
  readonly cr4: FlagsValue;
  readonly efer: FlagsValue;
  readonly segments: Readonly<
    Record<(typeof SEGMENTS)[number], { readonly selector: Hex; readonly base: Hex; readonly limit: Hex }>
  >;
  readonly gdt: { readonly base: Hex; readonly limit: Hex };
  readonly idt: { readonly base: Hex; readonly limit: Hex };
  /** The instructions from rip on; none where rip is mapped to no RAM. */
  readonly code: readonly AsText<Instruction>[];
  /** How rip is translated. */
  readonly walk: AsText<PageWalk>;
}

/** @param memory of the guest; its page tables and code are read */
export function cpuState(regs: Regs, sregs: Sregs, memory: GuestMemory): CpuState {
  const { rflags, ...registers } = regs;
  const { mode, bits } = modeOf(sregs, rflags);
  const place = { rip: regs.rip, linear: linearRip(sregs, regs.rip, bits), bits };
  const flags = (name: FlagRegister, value: bigint): FlagsValue => ({ value: hex(value), flags: flagsOf(name, value) });
  return {
    mode,
    registers: asText(registers),
    rflags: flags('rflags', rflags),
    cr0: flags('cr0', sregs.cr0),
    cr2: hex(sregs.cr2),
    cr3: hex(sregs.cr3),
    cr4: flags('cr4', sregs.cr4),
    efer: flags('efer', sregs.efer),
    segments: Object.fromEntries(SEGMENTS.map((name) => [name, segment(sregs[name])])) as CpuState['segments'],
    gdt: { base: hex(sregs.gdt.base), limit: hex(sregs.gdt.limit) },
    idt: { base: hex(sregs.idt.base), limit: hex(sregs.idt.limit) },
    code: asText(instructionsAt(memory, sregs, place, INSTRUCTIONS)),
    walk: asText(walkPageTables(memory, sregs, place.linear)),
  };
}

const segment = ({ selector, base, limit }: Segment) => ({
  selector: hex(selector),
  base: hex(base),
  limit: hex(limit),
});

const hex = (value: bigint | number): Hex => `0x${value.toString(16)}`;

/** With bigints as "0x…", for JSON. */
export function asText<T>(value: T): AsText<T> {
  return textOf(value) as AsText<T>;
}

function textOf(value: unknown): unknown {
  if (typeof value === 'bigint') return hex(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(textOf);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, textOf(inner)]));
}
