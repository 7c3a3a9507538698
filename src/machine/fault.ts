import { createRequire } from 'node:module';
import { messageOf, VmError } from '../errors.js';
import { KVM_EXIT_FAIL_ENTRY, KVM_EXIT_INTERNAL_ERROR } from '../kvm/abi/exits.js';
import type { Sregs } from '../kvm/abi/registers.js';
import type { Vcpu } from '../kvm/vcpu.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import type { ThreadEnd } from './thread-end.js';

const CR0_PE = 1n;
const EFER_LMA = 1n << 10n;
/** The longest instruction (SDM volume 2, 2.3.11). */
const MAX_INSTRUCTION = 15;

type Disassembler = typeof import('iced-x86');

/** Makes the error of an exit that nothing handles: where the guest is, and what it was about to do. */
export function faultError(
  end: ThreadEnd & { reason: 'exit' | 'run-failed' },
  vcpu: Vcpu,
  memory: GuestMemory,
): VmError {
  const where = placeOf(vcpu, memory);
  if (end.reason === 'run-failed') {
    return new VmError('KVM_CALL_FAILED', `KVM_RUN failed with errno ${end.errno}, ${where}`);
  }
  const message = `vCPU ${vcpu.id}: ${end.words}, ${where}`;
  if (end.exitReason === KVM_EXIT_INTERNAL_ERROR) {
    const hint = 'This KVM cannot emulate the instruction; try --host svm or --host vtx.';
    return new VmError('KVM_INTERNAL_ERROR', message, { hint });
  }
  return new VmError(end.exitReason === KVM_EXIT_FAIL_ENTRY ? 'KVM_ENTRY_FAILED' : 'EXIT_UNHANDLED', message);
}

/** Mode, rip, bytes and instruction, in words. */
function placeOf(vcpu: Vcpu, memory: GuestMemory): string {
  try {
    const { rip } = vcpu.getRegs();
    const sregs = vcpu.getSregs();
    const { mode, bits } = modeOf(sregs);
    const linear = bits === 64 ? rip : (sregs.cs.base + rip) & 0xffffffffn;
    const at = `in ${mode} at rip 0x${rip.toString(16)}`;
    const bytes = instructionBytes(vcpu, memory, linear);
    if (bytes.length === 0) return `${at}, whose bytes are not in RAM`;
    return `${at}: ${Buffer.from(bytes).toString('hex')} (${disassemble(bytes, bits, rip)})`;
  } catch (error) {
    return `its registers cannot be read: ${messageOf(error)}`;
  }
}

function modeOf({ cr0, efer, cs }: Sregs): { mode: string; bits: number } {
  if ((cr0 & CR0_PE) === 0n) return { mode: 'real mode', bits: 16 };
  if ((efer & EFER_LMA) !== 0n && cs.l === 1) return { mode: `64-bit mode, ring ${cs.dpl}`, bits: 64 };
  return { mode: `${cs.db === 1 ? 32 : 16}-bit protected mode, ring ${cs.dpl}`, bits: cs.db === 1 ? 32 : 16 };
}

function instructionBytes(vcpu: Vcpu, memory: GuestMemory, linear: bigint): Uint8Array {
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

/** The first instruction of the bytes, in Intel's syntax. */
export function disassemble(bytes: Uint8Array, bits: number, rip: bigint): string {
  // Loaded only here: it is large, and few runs need it.
  const iced = createRequire(import.meta.url)('iced-x86') as Disassembler;
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None);
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  decoder.ip = rip;
  const instruction = decoder.decode();
  try {
    return formatter.format(instruction);
  } finally {
    instruction.free();
    formatter.free();
    decoder.free();
  }
}
