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
  /** Code from `bytesBefore` bytes before the place on. */
  readonly code: Uint8Array;
  readonly bytesBefore: number;
  /** By their offset from the place. */
  readonly decoded: Map<number, Instruction | undefined>;
  /** What ends at the place, by the kind of access. */
  readonly before: Map<string, Found | undefined>;
}

interface Found {
  readonly rip: bigint;
  readonly instruction: Instruction;
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
    const known = this.#pages.get(rip);
    const isSame = known?.place.bits === place.bits && Buffer.compare(known.code, code) === 0;
    const { decoded, before: found } = isSame ? known : { decoded: new Map(), before: new Map() };
    this.#pages.set(rip, { place, code, bytesBefore: before.length, decoded, before: found });
  }

  /** What was learnt of a place. */
  placeAt(rip: bigint): Place | undefined {
    return this.#pages.get(rip)?.place;
  }

  /** The instruction at `rip`, which is at a learnt place or at most 15 bytes before it. */
  instructionAt(rip: bigint, learnt = rip): Instruction | undefined {
    const page = this.#pages.get(learnt);
    const offset = Number(rip - learnt);
    if (page === undefined || offset > 0 || offset < -page.bytesBefore) return undefined;
    if (page.decoded.has(offset)) return page.decoded.get(offset);
    const instruction = decodeInstruction(page.code.subarray(page.bytesBefore + offset), page.place.bits, rip);
    page.decoded.set(offset, instruction);
    return instruction;
  }

  /** The instruction that ends at a learnt place and can have made the access, where only one can. */
  instructionBefore(learnt: bigint, access: Access): Found | undefined {
    const { bus, write, size, address } = access;
    const key = `${bus} ${write} ${size} ${bus === 'pio' ? address : ''}`;
    const known = this.#pages.get(learnt)?.before;
    if (known?.has(key)) return known.get(key);
    const found = this.#endingAt(learnt, access);
    known?.set(key, found);
    return found;
  }

  #endingAt(learnt: bigint, access: Access): Found | undefined {
    const found: Found[] = [];
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
