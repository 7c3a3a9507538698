/**
 * ACPI Machine Language, as much of it as our DSDT needs. Source: ACPI 6.4, chapter 20 (AML) and 6.4 (resources).
 * A term is its bytes, in an array: tables are small and made once.
 */
export type Aml = readonly number[];

const ZERO_OP = 0x00;
const ONE_OP = 0x01;
const NAME_OP = 0x08;
const BYTE_PREFIX = 0x0a;
const WORD_PREFIX = 0x0b;
const DWORD_PREFIX = 0x0c;
const STRING_PREFIX = 0x0d;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const EXT_OP_PREFIX = 0x5b;
const DEVICE_OP = 0x82;
const ROOT_CHAR = 0x5c;

const word = (value: number): Aml => [value & 0xff, (value >> 8) & 0xff];
const dword = (value: number): Aml => [...word(value), ...word(value >>> 16)];
const ascii = (text: string): Aml => [...text].map((character) => character.charCodeAt(0));

/** A name of up to four characters, padded with underscores; `\` before it makes it absolute. */
export function nameString(name: string): Aml {
  const root = name.startsWith('\\');
  const segment = root ? name.slice(1) : name;
  if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new RangeError(`"${name}" is no ACPI name`);
  return [...(root ? [ROOT_CHAR] : []), ...ascii(segment.padEnd(4, '_'))];
}

/** An unsigned integer of up to 32 bits. */
export function integer(value: number): Aml {
  if (value === 0) return [ZERO_OP];
  if (value === 1) return [ONE_OP];
  if (value <= 0xff) return [BYTE_PREFIX, value];
  if (value <= 0xffff) return [WORD_PREFIX, ...word(value)];
  return [DWORD_PREFIX, ...dword(value)];
}

export const string = (text: string): Aml => [STRING_PREFIX, ...ascii(text), 0];

/** A Plug and Play id such as PNP0501 as the compressed number that `EisaId` gives (ACPI 6.4, 19.6.36). */
export function eisaId(id: string): Aml {
  const [a = 0, b = 0, c = 0] = ascii(id).map((code) => code - 0x40);
  const vendor = (a << 10) | (b << 5) | c;
  const product = Number.parseInt(id.slice(3), 16);
  // The four bytes stand in the order of the text, most significant first.
  return [DWORD_PREFIX, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}

/** PkgLength (20.2.4): counts itself and what follows; one to four bytes long. */
export function withPackageLength(content: Aml): Aml {
  const whole = content.length + 1;
  if (whole < 0x40) return [whole, ...content];
  for (let more = 1; more <= 3; more++) {
    const length = content.length + 1 + more;
    if (length >= 2 ** (4 + 8 * more)) continue;
    const rest = Array.from({ length: more }, (_, i) => (length >> (4 + 8 * i)) & 0xff);
    return [(more << 6) | (length & 0xf), ...rest, ...content];
  }
  throw new RangeError(`${content.length} bytes are too many for one AML package`);
}

export const name = (label: string, value: Aml): Aml => [NAME_OP, ...nameString(label), ...value];

export const scope = (label: string, ...terms: Aml[]): Aml => [
  SCOPE_OP,
  ...withPackageLength([...nameString(label), ...terms.flat()]),
];

export const device = (label: string, ...terms: Aml[]): Aml => [
  EXT_OP_PREFIX,
  DEVICE_OP,
  ...withPackageLength([...nameString(label), ...terms.flat()]),
];

export const packageOf = (...elements: Aml[]): Aml => [
  PACKAGE_OP,
  ...withPackageLength([elements.length, ...elements.flat()]),
];

const SMALL_IO = 0x47;
const SMALL_IRQ_NO_FLAGS = 0x22;
const SMALL_END_TAG = 0x79;
const DECODE_16 = 1;

/** I/O ports `port` to `port + length - 1`, fixed, all 16 address bits decoded. */
export const ioPorts = (port: number, length: number): Aml => [
  SMALL_IO,
  DECODE_16,
  ...word(port),
  ...word(port),
  1,
  length,
];

/** An ISA interrupt 0 to 15: edge-triggered, active high, not shared. */
export const irq = (line: number): Aml => [SMALL_IRQ_NO_FLAGS, ...word(1 << line)];

/** Word and double word address space descriptors (ACPI 6.4, 6.4.3.5): what a bridge passes on. */
const LARGE_DWORD_ADDRESS_SPACE = 0x87;
const LARGE_WORD_ADDRESS_SPACE = 0x88;
const MEMORY_RANGE = 0;
const IO_RANGE = 1;
const BUS_NUMBER_RANGE = 2;
/** General flags: first and last address fixed, positive decode, a producer. */
const FIXED_PRODUCER = 0x0c;
/** Both ISA and non-ISA addresses. */
const ENTIRE_RANGE = 3;
const READ_WRITE = 1;

function addressSpace(width: 2 | 4, type: number, typeFlags: number, first: number, last: number): Aml {
  const number = width === 2 ? word : dword;
  // Granularity, first, last, translation offset, length.
  const range = [0, first, last, 0, last - first + 1].flatMap((value) => number(value));
  const tag = width === 2 ? LARGE_WORD_ADDRESS_SPACE : LARGE_DWORD_ADDRESS_SPACE;
  return [tag, ...word(3 + range.length), type, FIXED_PRODUCER, typeFlags, ...range];
}

/** Bus numbers behind a bridge. */
export const busNumbers = (first: number, last: number): Aml => addressSpace(2, BUS_NUMBER_RANGE, 0, first, last);

/** Ports behind a bridge. */
export const portWindow = (first: number, last: number): Aml => addressSpace(2, IO_RANGE, ENTIRE_RANGE, first, last);

/** Memory below 4 GiB behind a bridge, not cacheable, for reads and writes. */
export const memoryWindow = (first: number, last: number): Aml =>
  addressSpace(4, MEMORY_RANGE, READ_WRITE, first, last);

/** A buffer of resource descriptors. The end tag's checksum 0 means that there is none. */
export function resources(...descriptors: Aml[]): Aml {
  const bytes = [...descriptors.flat(), SMALL_END_TAG, 0];
  return [BUFFER_OP, ...withPackageLength([...integer(bytes.length), ...bytes])];
}
