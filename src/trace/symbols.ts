import { isElf } from '../boot/elf-file.js';
import { type ElfSymbol, MOST_NAME_BYTES, MOST_SYMBOLS, readElfSymbols } from '../boot/elf-symbols.js';
import { VmError } from '../errors.js';
import { hex } from './words.js';

/** Farther behind a symbol that does not say its size, an address is something else's. */
const FARTHEST = 0x10000n;
/** A line of System.map, or of nm(1): address, kind, name. */
const MAP_LINE = /^([\da-f]{1,16}) ([A-Za-z]) (\S+)$/i;
/** Absolute values, which are no places; and what is not defined there. */
const NO_PLACE = /^[aAUvw]$/;

/** Names for addresses. They are a guest's text: what shows them makes them harmless. */
export class SymbolTable {
  static readonly NONE = new SymbolTable([]);

  readonly #addresses: readonly bigint[];
  readonly #symbols: readonly ElfSymbol[];
  readonly #byName: ReadonlyMap<string, bigint>;

  constructor(symbols: readonly ElfSymbol[]) {
    this.#byName = new Map(symbols.map(({ name, address }) => [name, address]));
    // Of symbols at one address the one that says its size, else the last: labels of assemblers do not.
    const byAddress = new Map<bigint, ElfSymbol>();
    for (const symbol of symbols) {
      const other = byAddress.get(symbol.address);
      if (other === undefined || other.size === 0n || symbol.size > 0n) byAddress.set(symbol.address, symbol);
    }
    this.#symbols = [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
    this.#addresses = this.#symbols.map(({ address }) => address);
  }

  get length(): number {
    return this.#symbols.length;
  }

  /** The symbols of an ELF image; none where it has none, or is another. */
  static ofImage(image: Uint8Array): SymbolTable {
    return new SymbolTable(readElfSymbols(image));
  }

  /**
   * An ELF file, or a text as Linux's System.map.
   * @throws VmError IMAGE_INVALID where no symbol is in it
   */
  static ofFile(bytes: Uint8Array, name: string): SymbolTable {
    const table = isElf(bytes) ? SymbolTable.ofImage(bytes) : new SymbolTable(readMap(bytes));
    if (table.length > 0) return table;
    throw new VmError('IMAGE_INVALID', `${name} has no symbols`, {
      hint: 'Give an ELF file that is not stripped, or a System.map.',
    });
  }

  /** Where it is; undefined where there is no such symbol. */
  addressOf(name: string): bigint | undefined {
    return this.#byName.get(name);
  }

  /** "putc+0x1c", "putc"; undefined where no symbol covers the address. */
  at(address: bigint): string | undefined {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#addresses[middle] ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.#symbols[low - 1];
    if (found === undefined) return undefined;
    const offset = address - found.address;
    if (offset >= (found.size === 0n ? FARTHEST : found.size)) return undefined;
    return offset === 0n ? found.name : `${found.name}+${hex(offset)}`;
  }
}

function readMap(bytes: Uint8Array): ElfSymbol[] {
  const symbols: ElfSymbol[] = [];
  for (let at = 0; at < bytes.length && symbols.length < MOST_SYMBOLS; ) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const line = Buffer.from(bytes.subarray(at, Math.min(end, at + 2 * MOST_NAME_BYTES))).toString('latin1');
    const [, address, kind = '', name = ''] = MAP_LINE.exec(line.trimEnd()) ?? [];
    if (address !== undefined && !NO_PLACE.test(kind)) {
      symbols.push({ name: name.slice(0, MOST_NAME_BYTES), address: BigInt(`0x${address}`), size: 0n });
    }
    at = end + 1;
  }
  return symbols;
}
