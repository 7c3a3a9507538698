import type { LocalFlavour } from '../kvm/flavour.js';
import type { CodeBook } from './code-book.js';
import { couldMake, type Instruction } from './instruction.js';
import type { Access, ExitEvent, HardwareExit } from './model.js';

/** What a return of KVM_RUN was, beside its reason. */
export interface Meaning extends Pick<ExitEvent, 'rip' | 'ripIs' | 'continued'> {
  readonly instruction: Instruction | undefined;
}

/** What is known of a return when it comes. */
export interface Return {
  readonly reason: string;
  readonly access: Access | undefined;
  /** As KVM had them at the return. */
  readonly rip: bigint;
  readonly rcx: bigint;
  /** Hardware exits since KVM_RUN was called, where the kernel's side is known. */
  readonly hardware: readonly HardwareExit[] | undefined;
}

/** An access that was begun: what may still follow it in the same instruction. */
interface Begun {
  readonly access: Access;
  readonly rip: bigint;
  /** As KVM had it. */
  readonly rawRip: bigint;
  readonly rcx: bigint;
  readonly instruction: Instruction | undefined;
  /** Bytes of the memory operand that have not come yet. */
  readonly left: number;
}

/** KVM_QUIRK_OUT_7E_INC_RIP: at this port KVM moves on before it returns, for an old firmware's sake. */
const EARLY_PORT = 0x7e;
const PAGE = 4096;
const MOST_BYTES_OF_A_RETURN = 8;
const ELEMENTS_AT_ONCE = 1024n;

/**
 * Says of one vCPU's returns, in their order, which instruction made them, and which of them continue one before:
 * KVM carries out a long access, one that crosses a page, and the write of a read-modify-write by further returns for
 * one hardware exit.
 */
export class Returns {
  #begun: Begun | undefined;

  constructor(
    private readonly code: CodeBook,
    private readonly flavour: LocalFlavour['flavour'],
  ) {}

  next(of: Return): Meaning {
    const begun = this.#begun;
    const continued = begun !== undefined && isContinued(begun, of);
    const { rip, ripIs, instruction } = continued
      ? { rip: begun.rip, ripIs: 'exact' as const, instruction: begun.instruction }
      : this.#placeOf(of);
    this.#begun = of.access && {
      access: of.access,
      rip,
      rawRip: of.rip,
      rcx: of.rcx,
      instruction,
      left: bytesLeft(of.access, instruction, continued ? begun : undefined),
    };
    return { rip, ripIs, continued, instruction };
  }

  #placeOf({ access, rip: rawRip, hardware, reason }: Return): Omit<Meaning, 'continued'> {
    const { code } = this;
    const last = hardware?.at(-1);
    if (last !== undefined) return at(last.rip, 'exact', code.instructionAt(last.rip, rawRip));
    if (access === undefined) {
      const isLost = this.flavour === 'kvm_amd' && reason === 'SHUTDOWN'; // reset before it is told
      return at(rawRip, isLost ? 'after' : 'exact', code.instructionAt(rawRip));
    }
    const here = code.instructionAt(rawRip);
    if (!this.#hasMovedOn(access)) {
      // String I/O and writes by other instructions than OUT are emulated, and may have moved on.
      if (here === undefined || couldMake(here, access)) return at(rawRip, 'exact', here);
    }
    const before = code.instructionBefore(rawRip, access);
    const mayRepeat = here?.isString === true && couldMake(here, access);
    if (mayRepeat && before === undefined) return at(rawRip, 'exact', here);
    if (before === undefined || mayRepeat) return at(rawRip, 'after', undefined);
    return at(before.rip, 'exact', before.instruction);
  }

  /** Whether KVM has moved rip past the instruction before it returned. */
  #hasMovedOn({ bus, write, address }: Access): boolean {
    if (!write) return false;
    return bus === 'mmio' || this.flavour === 'kvm_pvm' || address === EARLY_PORT;
  }
}

const at = (rip: bigint, ripIs: 'exact' | 'after', instruction: Instruction | undefined) => ({
  rip,
  ripIs,
  instruction,
});

function bytesLeft(access: Access, instruction: Instruction | undefined, before: Begun | undefined): number {
  const isRest = before !== undefined && before.access.write === access.write && before.left > 0;
  const size = isRest ? before.left : (instruction?.memorySize ?? access.size);
  return Math.max(0, size - access.size);
}

function isContinued(begun: Begun, { access, rip, rcx, hardware }: Return): boolean {
  // The guest ran in between.
  if (access === undefined || (hardware !== undefined && hardware.length > 0)) return false;
  if (access.write === begun.access.write) {
    return rip === begun.rawRip && (isRest(begun, access) || (!access.write && isNextElement(begun, rcx)));
  }
  return access.write && isItsWrite(begun, access, rip);
}

/** The rest of an access that KVM cuts where a page ends, and after 8 bytes. */
function isRest({ access: before, left, instruction }: Begun, { bus, address }: Access): boolean {
  const end = before.address + before.size;
  if (bus !== 'mmio' || before.bus !== 'mmio' || address !== end) return false;
  return instruction === undefined ? before.size === MOST_BYTES_OF_A_RETURN || end % PAGE === 0 : left > 0;
}

/**
 * The next element that a repeated string instruction reads: KVM's emulator goes on with it by itself, and lets the
 * guest run again where the count is a multiple of 1024 (Linux, arch/x86/kvm/emulate.c, x86_emulate_insn).
 */
function isNextElement({ instruction, rcx: before }: Begun, rcx: bigint): boolean {
  return instruction?.isRepeated === true && rcx === before - 1n && rcx % ELEMENTS_AT_ONCE !== 0n;
}

/** What an instruction writes after it has read: a read-modify-write, or a string instruction's element. */
function isItsWrite({ access: read, rip: at, instruction }: Begun, write: Access, rip: bigint): boolean {
  if (instruction === undefined) return false;
  const isPast = rip === at + BigInt(instruction.length);
  if (instruction.isString) return isPast || rip === at;
  if (!isPast || !instruction.writesMemory || write.bus !== 'mmio' || read.bus !== 'mmio') return false;
  return Math.abs(write.address - read.address) < 2 * MOST_BYTES_OF_A_RETURN; // the read may have come in two parts
}
