import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';
import { messageOf, VmError } from '../errors.js';
import {
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_MEMORY_FAULT,
  KVM_INTERNAL_ERROR_EMULATION,
} from '../kvm/abi/exits.js';
import type { Sregs } from '../kvm/abi/registers.js';
import { describeExit } from '../kvm/exit-words.js';
import { type LocalFlavour, localFlavour } from '../kvm/flavour.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { ThreadEnd } from './thread-end.js';

const CR0_PE = 1n;
const EFER_LMA = 1n << 10n;
/** Virtual-8086 mode (SDM volume 1, 3.4.3). */
const RFLAGS_VM = 1n << 17n;
/** The longest instruction (SDM volume 2, 2.3.11). */
const MAX_INSTRUCTION = 15;

type Disassembler = typeof import('iced-x86');

/** What is asked of a vCPU whose thread has ended. */
export type StoppedVcpu = Pick<Vcpu, 'id' | 'page' | 'getRegs' | 'getSregs' | 'translate'>;

/**
 * Makes the error of an exit that nothing handles: where the guest is, and what it was about to do.
 * @param vcpu the one that made the exit; its run page is as KVM_RUN left it
 * @param flavour of the KVM that gave up
 */
export function faultError(
  end: ThreadEnd & { reason: 'exit' | 'run-failed' },
  vcpu: StoppedVcpu,
  memory: GuestMemory,
  flavour: LocalFlavour['flavour'] = localFlavour().flavour,
): VmError {
  const { code, words, hint } = end.reason === 'exit' ? ofExit(end, vcpu, flavour) : ofFailedRun(end, vcpu);
  return new VmError(code, `vCPU ${vcpu.id}: ${words}, ${placeOf(vcpu, memory)}`, { hint });
}

interface Fault {
  readonly code: 'EXIT_UNHANDLED' | 'KVM_INTERNAL_ERROR' | 'KVM_ENTRY_FAILED' | 'KVM_CALL_FAILED';
  readonly words: string;
  readonly hint: string;
}

function ofExit(end: ThreadEnd & { reason: 'exit' }, { page }: StoppedVcpu, flavour: string): Fault {
  const { words } = end;
  switch (end.exitReason) {
    case KVM_EXIT_INTERNAL_ERROR: {
      const hint = page.suberror === KVM_INTERNAL_ERROR_EMULATION ? emulationHint(flavour) : '';
      return { code: 'KVM_INTERNAL_ERROR', words, hint };
    }
    case KVM_EXIT_FAIL_ENTRY:
      return { code: 'KVM_ENTRY_FAILED', words, hint: 'Its registers hold what this CPU does not accept.' };
    default:
      return { code: 'EXIT_UNHANDLED', words, hint: '' };
  }
}

/** kvm_pvm emulates all code of ring 0; the others only what touches addresses that are not RAM. */
function emulationHint(flavour: string): string {
  if (flavour === 'kvm_pvm') return 'kvm_pvm cannot emulate this instruction; a software host can: use --host svm.';
  return 'KVM emulates instructions that touch addresses without RAM, and cannot emulate this one: see why it does so.';
}

function ofFailedRun({ errno }: ThreadEnd & { reason: 'run-failed' }, { page }: StoppedVcpu): Fault {
  // The only exit that comes with an error from KVM_RUN, EFAULT or EHWPOISON (KVM API, KVM_EXIT_MEMORY_FAULT).
  const exit = page.exitReason === KVM_EXIT_MEMORY_FAULT ? ` with ${describeExit(page)}` : '';
  return { code: 'KVM_CALL_FAILED', words: `KVM_RUN failed: ${getSystemErrorName(-errno)}${exit}`, hint: '' };
}

/** Mode, rip, bytes and instruction, in words. */
function placeOf(vcpu: StoppedVcpu, memory: GuestMemory): string {
  try {
    const { rip, rflags } = vcpu.getRegs();
    const sregs = vcpu.getSregs();
    const { mode, bits } = modeOf(sregs, rflags);
    const linear = bits === 64 ? rip : (sregs.cs.base + rip) & 0xffffffffn;
    const at = `in ${mode} at rip 0x${rip.toString(16)}`;
    const bytes = instructionBytes(vcpu, memory, linear);
    if (bytes.length === 0) return `${at}, whose bytes are not in RAM`;
    const { text, length } = disassemble(bytes, bits, rip);
    return `${at}: ${Buffer.from(bytes.subarray(0, length)).toString('hex')} (${text})`;
  } catch (error) {
    return `its registers cannot be read: ${messageOf(error)}`;
  }
}

/** The mode in words, and the size of code in it (SDM volume 3, 2.2 and 3.4.5). */
function modeOf({ cr0, efer, cs, ss }: Sregs, rflags: bigint): { mode: string; bits: number } {
  if ((cr0 & CR0_PE) === 0n) return { mode: 'real mode', bits: 16 };
  if ((rflags & RFLAGS_VM) !== 0n) return { mode: 'virtual-8086 mode', bits: 16 };
  // The privilege level is SS.DPL: that of a conforming code segment is its own.
  const ring = `ring ${ss.dpl}`;
  const isLong = (efer & EFER_LMA) !== 0n;
  if (isLong && cs.l === 1) return { mode: `64-bit mode, ${ring}`, bits: 64 };
  const bits = cs.db === 1 ? 32 : 16;
  return { mode: `${bits}-bit ${isLong ? 'compatibility' : 'protected'} mode, ${ring}`, bits };
}

function instructionBytes(vcpu: StoppedVcpu, memory: GuestMemory, linear: bigint): Uint8Array {
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  for (let i = 0; i < MAX_INSTRUCTION; i++) {
    const { valid, physicalAddress } = vcpu.translate(linear + BigInt(i));
    if (valid === 0 || !memory.contains(Number(physicalAddress), 1)) break;
    memory.read(Number(physicalAddress), byte);
    bytes.push(byte[0] ?? 0);
  }
  return Uint8Array.from(bytes);
}

/**
 * The first instruction of the bytes, in Intel's operand order as NASM writes it; all of the bytes, "(bad)", where
 * they are none.
 */
function disassemble(bytes: Uint8Array, bits: number, rip: bigint): { text: string; length: number } {
  // Loaded only here: it is large, and few runs need it.
  const iced = createRequire(import.meta.url)('iced-x86') as Disassembler;
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None);
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  decoder.ip = rip;
  const instruction = decoder.decode();
  try {
    const text = formatter.format(instruction);
    return { text, length: instruction.isInvalid ? bytes.length : instruction.length };
  } finally {
    instruction.free();
    formatter.free();
    decoder.free();
  }
}
