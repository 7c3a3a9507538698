import type { Place } from '../machine/exit-ring.js';
import { codeAt } from '../machine/guest-code.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { couldMake, decodeInstruction, type Instruction, MAX_INSTRUCTION } from './instruction.js';
import type { Access } from './model.js';

/** A guest chooses where its code is: code at further places is not read. */
const MOST_PLACES = 0x10000;
const PAGE = 4096n;

interface Page {
  readonly place: Place;
  /** Code from `before` bytes before the place on. */
  readonly code: Uint8Array;
  readonly before: number;
  /** By their offset from the place. */
  readonly decoded: Map<number, Instruction | undefined>;
}

/** Code of the guest around the places of its exits, read soon after the first exit there. */
export class CodeBook {
  readonly #pages = new Map<bigint, Page>();

  /** @param memory the guest's, now */
  constructor(private readonly memory: () => GuestMemory) {}

  /** There was an exit at a place that is new, or was not looked at for a while. */
  learn(rip: bigint, place: Place): void {
    if (this.#pages.size >= MOST_PLACES && !this.#pages.has(rip)) return;
    const linear = place.bits === 64 ? rip : (place.csBase + rip) & 0xffffffffn;
    const memory = this.memory();
    const read = (at: bigint, length: number) => codeAt(memory, place.paging, at, length);
    const after = read(linear, MAX_INSTRUCTION);
    let before = read(linear - BigInt(MAX_INSTRUCTION), MAX_INSTRUCTION);
    if (before.length < MAX_INSTRUCTION) {
      const inPage = Number(linear % PAGE);
      before = read(linear - BigInt(inPage), Math.min(inPage, MAX_INSTRUCTION)).slice(-MAX_INSTRUCTION);
    }
    const code = new Uint8Array([...before, ...after]);
    this.#pages.set(rip, { place, code, before: before.length, decoded: new Map() });
  }

  /** What was learnt of a place. */
  placeAt(rip: bigint): Place | undefined {
    return this.#pages.get(rip)?.place;
  }

  /** The instruction at `rip`, which is at a learnt place or at most 15 bytes before it. */
  instructionAt(rip: bigint, learnt = rip): Instruction | undefined {
    const page = this.#pages.get(learnt);
    const offset = Number(rip - learnt);
    if (page === undefined || offset > 0 || offset < -page.before) return undefined;
    if (page.decoded.has(offset)) return page.decoded.get(offset);
    const instruction = decodeInstruction(page.code.subarray(page.before + offset), page.place.bits, rip);
    page.decoded.set(offset, instruction);
    return instruction;
  }

  /** The instruction that ends at a learnt place and can have made the access, where only one can. */
  instructionBefore(learnt: bigint, access: Access): { rip: bigint; instruction: Instruction } | undefined {
    const found: { rip: bigint; instruction: Instruction }[] = [];
    for (let length = 1; length <= MAX_INSTRUCTION; length++) {
      const rip = learnt - BigInt(length);
      const instruction = this.instructionAt(rip, learnt);
      if (instruction?.length === length && couldMake(instruction, access)) found.push({ rip, instruction });
    }
    const longest = found.at(-1);
    // A shorter one can be the longer without its prefixes: it makes the same access only where these mean nothing.
    const isAlone = found.every(({ instruction }) => instruction.text === longest?.instruction.text);
    return isAlone ? longest : undefined;
  }
}
