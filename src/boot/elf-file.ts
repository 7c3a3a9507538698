/**
 * ELF executables for x86, 32-bit and 64-bit: program headers and notes. Everything in them is hostile input.
 * Source: System V ABI, "Object Files" (Elf32_Ehdr, Elf64_Ehdr, Elf32_Phdr, Elf64_Phdr); names are its own.
 * Left out: sections, symbols, relocations, dynamic linking.
 */
import { VmError } from '../errors.js';
import { hex } from './place.js';

const MAGIC = 0x464c457f;
const EI_CLASS = 4;
const EI_DATA = 5;
const EI_VERSION = 6;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EV_CURRENT = 1;
const IDENT_BYTES = 16;

const E_TYPE = 16;
const E_MACHINE = 18;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_386 = 3;
const EM_X86_64 = 62;

const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_NOTE = 4;

/** Where fields are, by class. */
const LAYOUTS = {
  32: {
    ehdr: { size: 52, e_entry: 24, e_phoff: 28, e_phentsize: 42, e_phnum: 44 },
    phdr: { size: 32, p_offset: 4, p_vaddr: 8, p_paddr: 12, p_filesz: 16, p_memsz: 20 },
    machine: EM_386,
  },
  64: {
    ehdr: { size: 64, e_entry: 24, e_phoff: 32, e_phentsize: 54, e_phnum: 56 },
    phdr: { size: 56, p_offset: 8, p_vaddr: 16, p_paddr: 24, p_filesz: 32, p_memsz: 40 },
    machine: EM_X86_64,
  },
} as const;

/** More than any kernel has; it bounds the work that a damaged file can ask for. */
const MAX_PROGRAM_HEADERS = 256;
const MAX_NOTES = 256;
/** Physical addresses of x86-64 have at most 52 bits (SDM volume 3, 4.1.4). */
const MAX_PHYSICAL = 1n << 52n;

/** What a PT_LOAD program header asks for. */
export interface ElfSegment {
  /** Its number among the program headers. */
  readonly index: number;
  /** p_paddr: guest-physical. */
  readonly physicalAddress: number;
  /** p_vaddr. */
  readonly virtualAddress: bigint;
  /** p_filesz bytes of the file. */
  readonly bytes: Uint8Array;
  /** p_memsz: what follows `bytes` is zero. Never 0. */
  readonly memoryBytes: number;
}

export interface ElfNote {
  /** Without its terminating zero. */
  readonly name: string;
  readonly type: number;
  readonly description: Uint8Array;
}

export interface ElfFile {
  readonly bits: 32 | 64;
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
  /** Up to the first that is damaged. */
  readonly notes: readonly ElfNote[];
}

interface ProgramHeader {
  readonly index: number;
  readonly type: number;
  readonly offset: bigint;
  readonly virtualAddress: bigint;
  readonly physicalAddress: bigint;
  readonly fileBytes: bigint;
  readonly memoryBytes: bigint;
}

/** Whether the file says that it is ELF. */
export const isElf = (image: Uint8Array): boolean => image.length >= 4 && viewOf(image).getUint32(0, true) === MAGIC;

/**
 * Reads the program headers, and checks each against the file.
 * @throws VmError IMAGE_INVALID (damaged or truncated), IMAGE_UNSUPPORTED (not an executable for x86)
 */
export function readElf(image: Uint8Array): ElfFile {
  const bits = readIdent(image);
  const headers = readProgramHeaders(image, bits);
  if (headers.some(({ type }) => type === PT_INTERP)) {
    throw unsupported('a program for an operating system: it asks for a dynamic linker', 'Give a kernel.');
  }
  const segments = headers
    .filter(({ type, memoryBytes, fileBytes }) => type === PT_LOAD && (memoryBytes > 0n || fileBytes > 0n))
    .map((header) => readSegment(image, header));
  if (segments.length === 0) throw invalid('no program header asks for anything to be loaded (PT_LOAD)');
  const entry = word(viewOf(image), LAYOUTS[bits].ehdr.e_entry, bits);
  return { bits, entry, segments, notes: readNotes(image, headers) };
}

/**
 * The same executable without what follows the last byte that is loaded and not zero: section headers, symbols,
 * relocations, and zeros, which are there in memory anyway.
 * @throws VmError as `readElf`
 */
export function shortenElf(image: Uint8Array): Uint8Array {
  const { bits, segments } = readElf(image);
  const headers = readProgramHeaders(image, bits);
  const { ehdr, phdr } = LAYOUTS[bits];
  const table = Number(word(viewOf(image), ehdr.e_phoff, bits));
  const least = table + headers.length * phdr.size;
  let end = Math.max(least, ...segments.map(({ bytes }) => bytes.byteOffset - image.byteOffset + bytes.length));
  while (end > least && image[end - 1] === 0) end--;
  const shorter = image.slice(0, end);
  const limit = (value: bigint, most: bigint) => (value < most ? value : most);
  for (const { index, offset, fileBytes } of headers) {
    const at = table + index * phdr.size;
    const start = limit(offset, BigInt(end));
    setWord(viewOf(shorter), at + phdr.p_offset, bits, start);
    setWord(viewOf(shorter), at + phdr.p_filesz, bits, limit(fileBytes, BigInt(end) - start));
  }
  return shorter;
}

function readIdent(image: Uint8Array): 32 | 64 {
  if (!isElf(image)) throw invalid('it does not begin with the magic number of ELF');
  if (image.length < IDENT_BYTES) throw truncated(image, IDENT_BYTES, 'its identification');
  const elfClass = image[EI_CLASS];
  if (elfClass !== ELFCLASS32 && elfClass !== ELFCLASS64) throw invalid(`its class is ${elfClass}, not 1 or 2`);
  const bits = elfClass === ELFCLASS32 ? 32 : 64;
  const { ehdr, machine } = LAYOUTS[bits];
  if (image[EI_DATA] !== ELFDATA2LSB) throw unsupported('for a big-endian processor');
  if (image[EI_VERSION] !== EV_CURRENT) throw invalid(`its version is ${image[EI_VERSION]}, not 1`);
  if (image.length < ehdr.size) throw truncated(image, ehdr.size, 'its header');
  const view = viewOf(image);
  const itsMachine = view.getUint16(E_MACHINE, true);
  if (itsMachine !== machine)
    throw unsupported(`${bits}-bit for machine ${itsMachine}; for x86 it would be ${machine}`);
  const type = view.getUint16(E_TYPE, true);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw unsupported(`of type ${type}, not an executable (2 or 3)`, 'Link it first.');
  }
  return bits;
}

function readProgramHeaders(image: Uint8Array, bits: 32 | 64): ProgramHeader[] {
  const { ehdr, phdr } = LAYOUTS[bits];
  const view = viewOf(image);
  const count = view.getUint16(ehdr.e_phnum, true);
  const size = view.getUint16(ehdr.e_phentsize, true);
  const start = word(view, ehdr.e_phoff, bits);
  if (count === 0) throw invalid('it has no program headers (e_phnum is 0)');
  if (count > MAX_PROGRAM_HEADERS) {
    throw unsupported(`with ${count} program headers (e_phnum); at most ${MAX_PROGRAM_HEADERS} are taken`);
  }
  if (size !== phdr.size) throw invalid(`its program headers have ${size} bytes (e_phentsize), not ${phdr.size}`);
  const end = start + BigInt(count * size);
  if (end > BigInt(image.length)) throw truncated(image, end, `its table of ${count} program headers`);
  return Array.from({ length: count }, (_, index) => {
    const at = Number(start) + index * size;
    return {
      index,
      type: view.getUint32(at, true),
      offset: word(view, at + phdr.p_offset, bits),
      virtualAddress: word(view, at + phdr.p_vaddr, bits),
      physicalAddress: word(view, at + phdr.p_paddr, bits),
      fileBytes: word(view, at + phdr.p_filesz, bits),
      memoryBytes: word(view, at + phdr.p_memsz, bits),
    };
  });
}

function readSegment(image: Uint8Array, header: ProgramHeader): ElfSegment {
  const { index, offset, fileBytes, memoryBytes, virtualAddress, physicalAddress } = header;
  const name = `program header ${index}`;
  if (fileBytes > memoryBytes) {
    throw invalid(
      `${name} has more bytes in the file (p_filesz ${hex(fileBytes)}) than in memory (${hex(memoryBytes)})`,
    );
  }
  if (offset + fileBytes > BigInt(image.length)) throw truncated(image, offset + fileBytes, `what ${name} loads`);
  if (physicalAddress + memoryBytes > MAX_PHYSICAL) {
    throw invalid(`${name} asks for ${hex(memoryBytes)} bytes at ${hex(physicalAddress)}, beyond any physical address`);
  }
  return {
    index,
    physicalAddress: Number(physicalAddress),
    virtualAddress,
    bytes: image.subarray(Number(offset), Number(offset + fileBytes)),
    memoryBytes: Number(memoryBytes),
  };
}

function readNotes(image: Uint8Array, headers: readonly ProgramHeader[]): ElfNote[] {
  const notes: ElfNote[] = [];
  for (const { type, offset, fileBytes } of headers) {
    if (type !== PT_NOTE || offset + fileBytes > BigInt(image.length)) continue;
    const bytes = image.subarray(Number(offset), Number(offset + fileBytes));
    for (let at = 0; notes.length < MAX_NOTES; ) {
      const found = readNote(bytes, at);
      if (found === undefined) break;
      notes.push(found.note);
      at = found.next;
    }
  }
  return notes;
}

const NOTE_HEADER_BYTES = 12;
const aligned = (size: number): number => Math.ceil(size / 4) * 4;

/** Elf32_Nhdr and Elf64_Nhdr alike: n_namesz, n_descsz, n_type, then the name and the description, aligned to 4. */
function readNote(bytes: Uint8Array, at: number): { note: ElfNote; next: number } | undefined {
  if (at + NOTE_HEADER_BYTES > bytes.length) return undefined;
  const view = viewOf(bytes);
  const nameBytes = view.getUint32(at, true);
  const descriptionBytes = view.getUint32(at + 4, true);
  const name = at + NOTE_HEADER_BYTES;
  const description = name + aligned(nameBytes);
  if (description + descriptionBytes > bytes.length) return undefined;
  return {
    note: {
      name: textOf(bytes.subarray(name, name + nameBytes)),
      type: view.getUint32(at + 8, true),
      description: bytes.subarray(description, description + descriptionBytes),
    },
    next: description + aligned(descriptionBytes),
  };
}

/** The text before the first zero. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
}

function word(view: DataView, at: number, bits: 32 | 64): bigint {
  return bits === 64 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
}

function setWord(view: DataView, at: number, bits: 32 | 64, value: bigint): void {
  if (bits === 64) view.setBigUint64(at, value, true);
  else view.setUint32(at, Number(value), true);
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function truncated(image: Uint8Array, needed: number | bigint, what: string): VmError {
  return invalid(`it is truncated: ${what} ends at byte ${needed}, the file has ${image.length}`);
}

function invalid(fault: string): VmError {
  return new VmError('IMAGE_INVALID', `this ELF file is damaged: ${fault}`, { hint: 'Fetch or build it again.' });
}

function unsupported(what: string, hint = 'Give an executable for x86.'): VmError {
  return new VmError('IMAGE_UNSUPPORTED', `this ELF file is ${what}`, { hint });
}
