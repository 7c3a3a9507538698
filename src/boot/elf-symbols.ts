/**
 * The symbol table of an ELF file. Everything in it is hostile input: what does not fit the file is left out.
 * Source: System V ABI, "Object Files" (Elf32_Shdr, Elf64_Shdr, Elf32_Sym, Elf64_Sym); names are its own.
 */
import { isElf, textOf, viewOf } from './elf-file.js';

const EI_CLASS = 4;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const SHT_SYMTAB = 2;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const STT_SECTION = 3;
const STT_FILE = 4;

/** Where fields are, by class. */
const LAYOUTS = {
  32: {
    ehdr: { size: 52, e_shoff: 32, e_shentsize: 46, e_shnum: 48 },
    shdr: { size: 40, sh_offset: 16, sh_size: 20, sh_link: 24 },
    sym: { size: 16, st_value: 4, st_size: 8, st_info: 12, st_shndx: 14 },
  },
  64: {
    ehdr: { size: 64, e_shoff: 40, e_shentsize: 58, e_shnum: 60 },
    shdr: { size: 64, sh_offset: 24, sh_size: 32, sh_link: 40 },
    sym: { size: 24, st_value: 8, st_size: 16, st_info: 4, st_shndx: 6 },
  },
} as const;
const SH_TYPE = 4;

/** More than Linux has with everything built in; it bounds what a damaged file can ask for. */
export const MOST_SYMBOLS = 1 << 20;
/** Of a name: those of C++ are long, and nobody reads more. */
export const MOST_NAME_BYTES = 256;

export interface ElfSymbol {
  readonly name: string;
  /** st_value: of an executable, its virtual address. */
  readonly address: bigint;
  /** Bytes; 0: it does not say. */
  readonly size: bigint;
}

/** Functions, objects and labels of the file's .symtab, in its order; none where the file has no whole one. */
export function readElfSymbols(image: Uint8Array): ElfSymbol[] {
  const bits = bitsOf(image);
  if (bits === undefined) return [];
  const { sym } = LAYOUTS[bits];
  const sections = readSections(image, bits);
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  const names = table && sections[table.link]?.bytes;
  if (table === undefined || names === undefined) return [];
  const view = viewOf(table.bytes);
  const word = wordOf(view, bits);
  const symbols: ElfSymbol[] = [];
  const count = Math.min(Math.floor(table.bytes.length / sym.size), MOST_SYMBOLS);
  for (let at = 0; at < count * sym.size; at += sym.size) {
    const kind = view.getUint8(at + sym.st_info) & 0xf;
    const section = view.getUint16(at + sym.st_shndx, true);
    if (kind === STT_SECTION || kind === STT_FILE || section === SHN_UNDEF || section === SHN_ABS) continue;
    const start = view.getUint32(at, true);
    const name = textOf(names.subarray(start, start + MOST_NAME_BYTES));
    if (name !== '') symbols.push({ name, address: word(at + sym.st_value), size: word(at + sym.st_size) });
  }
  return symbols;
}

function bitsOf(image: Uint8Array): 32 | 64 | undefined {
  if (!isElf(image)) return undefined;
  const elfClass = image[EI_CLASS];
  if (elfClass === ELFCLASS32) return image.length >= LAYOUTS[32].ehdr.size ? 32 : undefined;
  return elfClass === ELFCLASS64 && image.length >= LAYOUTS[64].ehdr.size ? 64 : undefined;
}

interface Section {
  readonly type: number;
  /** sh_link: of a symbol table, the section that has its names. */
  readonly link: number;
  /** Empty where they are not in the file. */
  readonly bytes: Uint8Array;
}

function readSections(image: Uint8Array, bits: 32 | 64): Section[] {
  const { ehdr, shdr } = LAYOUTS[bits];
  const view = viewOf(image);
  const word = wordOf(view, bits);
  const start = word(ehdr.e_shoff);
  const count = view.getUint16(ehdr.e_shnum, true);
  const isWhole = start + BigInt(count * shdr.size) <= BigInt(image.length);
  if (view.getUint16(ehdr.e_shentsize, true) !== shdr.size || !isWhole) return [];
  return Array.from({ length: count }, (_, index) => {
    const at = Number(start) + index * shdr.size;
    const from = word(at + shdr.sh_offset);
    const to = from + word(at + shdr.sh_size);
    return {
      type: view.getUint32(at + SH_TYPE, true),
      link: view.getUint32(at + shdr.sh_link, true),
      bytes: to <= BigInt(image.length) ? image.subarray(Number(from), Number(to)) : new Uint8Array(),
    };
  });
}

const wordOf =
  (view: DataView, bits: 32 | 64) =>
  (at: number): bigint =>
    bits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
