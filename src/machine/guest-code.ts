import { createRequire } from 'node:module';
import type { Sregs } from '../kvm/abi/registers.js';
import { CR0_PE, EFER_LMA, RFLAGS_VM } from '../kvm/x86.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { PagingState } from '../memory/paging.js';
import { walkPageTables } from '../memory/walk.js';

/** The longest instruction (SDM volume 2, 2.3.11). */
const MAX_INSTRUCTION = 15;
const PAGE = 4096n;

type Disassembler = typeof import('iced-x86');

let disassembler: Disassembler | undefined;

/** Loads the disassembler, once: it is large, and few runs need it. A nested host has it in its snapshot. */
export function loadDisassembler(): Disassembler {
  disassembler ??= createRequire(import.meta.url)('iced-x86') as Disassembler;
  return disassembler;
}

/** Of the special registers, what the mode depends on. */
export type ModeState = Pick<Sregs, 'cr0' | 'efer'> & {
  readonly cs: Pick<Sregs['cs'], 'l' | 'db'>;
  readonly ss: Pick<Sregs['ss'], 'dpl'>;
};

/** The mode in words, and the size of code in it (SDM volume 3, 2.2 and 3.4.5). */
export function modeOf({ cr0, efer, cs, ss }: ModeState, rflags: bigint): { mode: string; bits: 16 | 32 | 64 } {
  if ((cr0 & CR0_PE) === 0n) return { mode: 'real mode', bits: 16 };
  if ((rflags & RFLAGS_VM) !== 0n) return { mode: 'virtual-8086 mode', bits: 16 };
  // The privilege level is SS.DPL: that of a conforming code segment is its own.
  const ring = `ring ${ss.dpl}`;
  const isLong = (efer & EFER_LMA) !== 0n;
  if (isLong && cs.l === 1) return { mode: `64-bit mode, ${ring}`, bits: 64 };
  const bits = cs.db === 1 ? 32 : 16;
  return { mode: `${bits}-bit ${isLong ? 'compatibility' : 'protected'} mode, ${ring}`, bits };
}

/** rip as a linear address: the code segment has a base everywhere but in 64-bit mode. */
export function linearRip({ cs }: Sregs, rip: bigint, bits: number): bigint {
  return bits === 64 ? rip : (cs.base + rip) & 0xffffffffn;
}

/** An instruction of the guest. */
export interface Instruction {
  readonly rip: bigint;
  readonly bytes: Uint8Array;
  /** In Intel's operand order as NASM writes it; "(bad)" for bytes that are none. */
  readonly text: string;
}

export interface CodePlace {
  readonly rip: bigint;
  /** Where rip is without segments. */
  readonly linear: bigint;
  readonly bits: 16 | 32 | 64;
}

/**
 * The instructions from a place on, as many of `count` as are in RAM; one that is no instruction, all of its bytes,
 * is the last.
 */
export function instructionsAt(
  memory: GuestMemory,
  paging: PagingState,
  { rip, linear, bits }: CodePlace,
  count: number,
): Instruction[] {
  const bytes = codeAt(memory, paging, linear, count * MAX_INSTRUCTION);
  if (bytes.length === 0) return [];
  const iced = loadDisassembler();
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None);
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  const instructions: Instruction[] = [];
  try {
    decoder.ip = rip;
    for (let at = 0; instructions.length < count && decoder.canDecode; ) {
      const instruction = decoder.decode();
      const length = instruction.isInvalid ? Math.min(bytes.length - at, MAX_INSTRUCTION) : instruction.length;
      const text = formatter.format(instruction);
      const isLast = instruction.isInvalid;
      instruction.free();
      instructions.push({ rip: rip + BigInt(at), bytes: bytes.slice(at, at + length), text });
      if (isLast) break;
      at += length;
    }
    return instructions;
  } finally {
    formatter.free();
    decoder.free();
  }
}

/** Guest code at a linear address: `length` bytes, or as many as are mapped and in RAM. */
export function codeAt(memory: GuestMemory, paging: PagingState, linear: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const at = linear + BigInt(done);
    const { result } = walkPageTables(memory, paging, at);
    if (result.outcome !== 'mapped') break;
    const count = Math.min(length - done, Number(PAGE - (at % PAGE)));
    const inRam = ramBytes(memory, Number(result.physicalAddress), count);
    memory.read(Number(result.physicalAddress), bytes.subarray(done, done + inRam));
    done += inRam;
    if (inRam < count) break;
  }
  return bytes.slice(0, done);
}

/** How many of the bytes are RAM: it may end within a page that the guest maps. */
function ramBytes(memory: GuestMemory, address: number, count: number): number {
  let inRam = count;
  while (inRam > 0 && !memory.contains(address, inRam)) inRam--;
  return inRam;
}
