import { loadDisassembler } from '../machine/guest-code.js';
import type { Access } from './model.js';

/** An instruction of the guest, as far as exits ask for it. */
export interface Instruction {
  /** Bytes. */
  readonly length: number;
  /** In Intel's operand order, as NASM writes it. */
  readonly text: string;
  /** Bytes of its memory operand, or of an element of a string instruction; 0: it has none. */
  readonly memorySize: number;
  readonly readsMemory: boolean;
  readonly writesMemory: boolean;
  /** For IN, OUT, INS and OUTS: bytes of an element. */
  readonly port: { readonly write: boolean; readonly size: number; readonly address: number | undefined } | undefined;
  /** MOVS, STOS, INS … */
  readonly isString: boolean;
  /** A string instruction with a repeat prefix: it may be at the same place for its next element. */
  readonly isRepeated: boolean;
}

/** The longest instruction (SDM volume 2, 2.3.11). */
export const MAX_INSTRUCTION = 15;

/** The instruction at the start of the bytes; undefined where they are none. */
export function decodeInstruction(bytes: Uint8Array, bits: 16 | 32 | 64, rip: bigint): Instruction | undefined {
  const iced = loadDisassembler();
  const decoder = new iced.Decoder(bits, bytes, iced.DecoderOptions.None);
  decoder.ip = rip;
  const instruction = decoder.decode();
  try {
    if (instruction.isInvalid) return undefined;
    const { isStringInstruction: isString, hasRepPrefix, hasRepnePrefix } = instruction;
    return {
      length: instruction.length,
      text: textOf(instruction),
      ...memoryOf(instruction),
      port: portOf(instruction),
      isString,
      isRepeated: isString && (hasRepPrefix || hasRepnePrefix),
    };
  } finally {
    instruction.free();
    decoder.free();
  }
}

type IcedInstruction = InstanceType<ReturnType<typeof loadDisassembler>['Instruction']>;

function textOf(instruction: IcedInstruction): string {
  const iced = loadDisassembler();
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  try {
    return formatter.format(instruction);
  } finally {
    formatter.free();
  }
}

function memoryOf(instruction: IcedInstruction) {
  const iced = loadDisassembler();
  const { OpAccess } = iced;
  const factory = new iced.InstructionInfoFactory();
  const info = factory.info(instruction);
  const used = info.usedMemory();
  try {
    const accesses = used.map(({ access }) => access);
    const some = (...kinds: readonly number[]): boolean => accesses.some((access) => kinds.includes(access));
    return {
      // Of a repeated string instruction the memory used has no size: the instruction knows its element's.
      memorySize: Math.max(0, ...[instruction, ...used].map(({ memorySize }) => iced.MemorySizeExt.size(memorySize))),
      readsMemory: some(OpAccess.Read, OpAccess.CondRead, OpAccess.ReadWrite, OpAccess.ReadCondWrite),
      writesMemory: some(OpAccess.Write, OpAccess.CondWrite, OpAccess.ReadWrite, OpAccess.ReadCondWrite),
    };
  } finally {
    for (const one of used) one.free();
    info.free();
    factory.free();
  }
}

function portOf(instruction: IcedInstruction): Instruction['port'] {
  const { Mnemonic, OpKind, Register, RegisterExt } = loadDisassembler();
  const { mnemonic } = instruction;
  const string = STRING_PORT[Mnemonic[mnemonic] ?? ''];
  if (string !== undefined) return { ...string, address: undefined };
  if (mnemonic !== Mnemonic.In && mnemonic !== Mnemonic.Out) return undefined;
  const write = mnemonic === Mnemonic.Out;
  const [data, port] = write ? [1, 0] : [0, 1];
  const isImmediate = instruction.opKind(port) !== OpKind.Register;
  const register = instruction.opRegister(data);
  if (register === Register.None) return undefined;
  return {
    write,
    size: RegisterExt.size(register),
    address: isImmediate ? Number(instruction.immediate(port)) : undefined,
  };
}

const STRING_PORT: Readonly<Record<string, { readonly write: boolean; readonly size: number }>> = {
  Insb: { write: false, size: 1 },
  Insw: { write: false, size: 2 },
  Insd: { write: false, size: 4 },
  Outsb: { write: true, size: 1 },
  Outsw: { write: true, size: 2 },
  Outsd: { write: true, size: 4 },
};

/** Whether the instruction can be what made this access. */
export function couldMake(instruction: Instruction, access: Access): boolean {
  const { port, memorySize } = instruction;
  if (access.bus === 'pio') {
    if (port === undefined || port.write !== access.write || port.size !== access.size) return false;
    return port.address === undefined || port.address === access.address;
  }
  // A long access, or one that crosses a page, comes in parts.
  return memorySize >= access.size && (access.write ? instruction.writesMemory : instruction.readsMemory);
}
