import type { GuestMemory } from '../../memory/guest-memory.js';
import { decodeInstruction, type Instruction, MAX_INSTRUCTION } from '../instruction.js';
import type { LineTable, SourceLine } from '../line-table.js';

/** How far after a stamp the instruction that it announces may be. */
const MOST_INSTRUCTIONS = 64;

export interface CodePlace {
  readonly rip: bigint;
  readonly source: SourceLine | undefined;
  readonly instruction: Instruction | undefined;
}

/** The printf guest's code, disassembled from its memory as it is after the run, beside its source. */
export class GuestSource {
  readonly #places = new Map<bigint, CodePlace>();

  /** @param memory where the guest's addresses are its physical ones */
  constructor(
    private readonly memory: GuestMemory,
    private readonly lines: LineTable,
  ) {}

  /** An instruction, and the line that it comes from. */
  at(rip: bigint): CodePlace {
    const known = this.#places.get(rip);
    if (known !== undefined) return known;
    const place = { rip, source: this.lines.at(rip), instruction: this.#decode(rip) };
    this.#places.set(rip, place);
    return place;
  }

  /** What a stamp announces: the line below it, and the first instruction after its own that comes from there. */
  announcedAt(rip: bigint): CodePlace {
    const source = this.lines.below(rip);
    const first = this.#find(rip, true, ({ source: other, instruction }) => {
      const isOther = source === undefined || !isSame(source, other);
      return !isOther && instruction !== undefined && targetOf(instruction) === undefined;
    });
    return first ?? { rip, source, instruction: undefined };
  }

  /** The first instruction of a name, from a place on: where the code leads, else as it lies there. */
  find(rip: bigint, mnemonic: string): CodePlace | undefined {
    const isIt = ({ instruction }: CodePlace) => instruction?.text.split(' ').includes(mnemonic) === true;
    return this.#find(rip, true, isIt) ?? this.#find(rip, false, isIt);
  }

  /** The same, from a symbol on. */
  findFrom(symbol: string, mnemonic: string): CodePlace | undefined {
    const address = this.lines.symbol(symbol);
    return address === undefined ? undefined : this.find(BigInt(address), mnemonic);
  }

  /** @param follows whether jumps are followed, or all code is looked at as it lies there */
  #find(from: bigint, follows: boolean, isIt: (place: CodePlace) => boolean): CodePlace | undefined {
    let rip = from;
    for (let count = 0; count < MOST_INSTRUCTIONS; count++) {
      const place = this.at(rip);
      if (isIt(place)) return place;
      if (place.instruction === undefined) return undefined;
      rip = (follows ? targetOf(place.instruction) : undefined) ?? rip + BigInt(place.instruction.length);
    }
    return undefined;
  }

  #decode(rip: bigint): Instruction | undefined {
    const address = Number(rip);
    if (!this.memory.contains(address, MAX_INSTRUCTION)) return undefined;
    const bytes = new Uint8Array(MAX_INSTRUCTION);
    this.memory.read(address, bytes);
    return decodeInstruction(bytes, 64, rip);
  }
}

/** Where a jump goes that is always taken: a stamp's own code is apart from what it stands in. */
function targetOf({ text }: Instruction): bigint | undefined {
  const target = /^jmp (?:short |near )?([0-9a-f]+)h$/i.exec(text)?.[1];
  return target === undefined ? undefined : BigInt(`0x${target}`);
}

const isSame = (a: SourceLine, b: SourceLine | undefined): boolean => a.file === b?.file && a.line === b.line;
