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
  /** As KVM had it at the return. */
  readonly rip: bigint;
  /** Hardware exits since KVM_RUN was called, where the kernel's side is known. */
  readonly hardware: readonly HardwareExit[] | undefined;
}

/** An access that was begun: what may still follow it in the same instruction. */
interface Begun {
  readonly access: Access;
  readonly rip: bigint;
  /** As KVM had it. */
  readonly rawRip: bigint;
  readonly instruction: Instruction | undefined;
  /** Bytes of the memory operand that have not come yet. */
  readonly left: number;
}

/** KVM_QUIRK_OUT_7E_INC_RIP: at this port KVM moves on before it returns, for an old firmware's sake. */
const EARLY_PORT = 0x7e;
const PAGE = 4096;
const MOST_BYTES_OF_A_RETURN = 8;

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
    this.#begun = of.access && begunBy(of.access, of.rip, rip, instruction, continued ? begun : undefined);
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

function begunBy(
  access: Access,
  rawRip: bigint,
  rip: bigint,
  instruction: Instruction | undefined,
  before: Begun | undefined,
): Begun | undefined {
  const isSameDirection = before?.access.write === access.write;
  const size = isSameDirection && before ? before.left : (instruction?.memorySize ?? access.size);
  return { access, rip, rawRip, instruction, left: Math.max(0, size - access.size) };
}

function isContinued(begun: Begun, { access, rip: rawRip, hardware }: Return): boolean {
  // The guest ran in between.
  if (access === undefined || (hardware !== undefined && hardware.length > 0)) return false;
  const { instruction } = begun;
  const isRest =
    access.bus === 'mmio' &&
    begun.access.bus === 'mmio' &&
    access.write === begun.access.write &&
    access.address === begun.access.address + begun.access.size;
  if (isRest) {
    if (rawRip !== begun.rawRip) return false;
    return instruction === undefined ? couldGoOn(begun.access) : begun.left > 0;
  }
  if (instruction === undefined || begun.access.write || !access.write) return false;
  const isPast = rawRip === begun.rip + BigInt(instruction.length);
  if (instruction.isString) return isPast || rawRip === begun.rip;
  return isPast && instruction.writesMemory && access.bus === 'mmio' && overlaps(begun.access, access);
}

/** Without the instruction: KVM cuts an access where a page ends, and after 8 bytes. */
const couldGoOn = ({ size, address }: Access): boolean =>
  size === MOST_BYTES_OF_A_RETURN || (address + size) % PAGE === 0;

/** Parts of one read-modify-write: the write begins where the read did, which may have come in two parts. */
const overlaps = (read: Access, write: Access): boolean =>
  write.bus === read.bus && Math.abs(write.address - read.address) < MOST_BYTES_OF_A_RETURN * 2;
