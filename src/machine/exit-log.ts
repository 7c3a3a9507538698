/**
 * The last exits of a vCPU: a ring in shared memory that its loop writes and a post-mortem reads. The loop writes an
 * entry by the number of the exit in its round, so it keeps no position: a round has as many exits as the ring entries.
 */
import { KVM_EXIT_IO_OUT } from '../kvm/abi/exits.js';
import { IO_WORD, MMIO_ADDRESS_WORD, MMIO_DATA_WORD, type RunPage } from '../kvm/exit.js';
import { exitLabel } from '../kvm/exit-words.js';

export const LOGGED_EXITS = 16;

/**
 * The words of an entry are this far apart, the first at the entry's own index: an index is then all that the loop
 * computes. `WHAT` of port I/O is kvm_run's own word: direction, bytes of an element, port (`IO_WORD`). Its low byte is
 * 0 or 1 there; in entries of other exits it is one of these, and size or reason is above it. Zero: empty.
 */
const WHAT = 0;
const DATA_LOW = LOGGED_EXITS;
const DATA_HIGH = 2 * LOGGED_EXITS;
const COUNT = DATA_HIGH;
const ADDRESS_LOW = 3 * LOGGED_EXITS;
const ADDRESS_HIGH = 4 * LOGGED_EXITS;
/** After the entries: which of them was written last. */
const LAST = 5 * LOGGED_EXITS;
export const EXIT_LOG_WORDS = LAST + 2;
/** Where the loop puts the byte of an entry. */
export const LOG_DATA = DATA_LOW;

/** Added to the direction: string I/O, whose count is kept. */
const STRING_IO = 2;
const MMIO_READ = 4;
const MMIO_WRITE = 5;
const OTHER = 8;

/** Port I/O of any kind, carried out. `entry`: which one, 0 to 15. */
export function logPortIo(log: Uint32Array, entry: number, page: RunPage): void {
  const { ioCount: count } = page;
  const io = page.words[IO_WORD] ?? 0;
  log[entry + WHAT] = count === 1 ? io : io | STRING_IO;
  log[entry + DATA_LOW] = littleEndian(page.bytes, page.ioDataOffset, page.ioSize);
  if (count !== 1) log[entry + COUNT] = count;
}

/** MMIO of `length` bytes, carried out. @param words kvm_run's */
export function logMemoryIo(
  log: Uint32Array,
  entry: number,
  words: Uint32Array,
  length: number,
  isWrite: boolean,
): void {
  log[entry + WHAT] = (isWrite ? MMIO_WRITE : MMIO_READ) | (length << 8);
  log[entry + DATA_LOW] = lowBytes(words[MMIO_DATA_WORD] ?? 0, length);
  log[entry + DATA_HIGH] = lowBytes(words[MMIO_DATA_WORD + 1] ?? 0, length - 4);
  log[entry + ADDRESS_LOW] = words[MMIO_ADDRESS_WORD] ?? 0;
  log[entry + ADDRESS_HIGH] = words[MMIO_ADDRESS_WORD + 1] ?? 0;
}

/** So many bytes of a word, as an unsigned number: none where it is less than 1, all from 4 on. */
export function lowBytes(word: number, count: number): number {
  if (count >= 4) return word;
  return count < 1 ? 0 : word & ((1 << (count * 8)) - 1);
}

/** Any other exit. */
export function logOther(log: Uint32Array, entry: number, reason: number): void {
  log[entry + WHAT] = OTHER | (reason << 8);
}

/** The loop ends: the exit of this number in its round was the last; -1: the round's first was not made. */
export function logEnd(log: Uint32Array, exit: number): void {
  log[LAST] = exit & (LOGGED_EXITS - 1);
}

function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = (value << 8) | (bytes[at + i] ?? 0);
  return value >>> 0;
}

/** One of a vCPU's last exits. */
export type ExitRecord =
  | {
      readonly reason: 'IO';
      readonly write: boolean;
      readonly port: number;
      /** Bytes of an element: 1, 2 or 4. */
      readonly size: number;
      /** Elements: more than 1 for string I/O. */
      readonly count: number;
      /** What was written or read; of string I/O the first element. */
      readonly value: number;
    }
  | {
      readonly reason: 'MMIO';
      readonly write: boolean;
      /** Guest-physical, in hexadecimal. */
      readonly address: string;
      /** 1 to 8 bytes. */
      readonly size: number;
      /** In hexadecimal. */
      readonly value: string;
    }
  /** KVM's name of the reason, without KVM_EXIT_. */
  | { readonly reason: string };

/** The last exits, oldest first, at most 16. The vCPU's loop must have ended. */
export function readExitLog(log: Uint32Array): ExitRecord[] {
  const last = log[LAST] ?? 0;
  return Array.from({ length: LOGGED_EXITS }, (_, i) => (last + 1 + i) % LOGGED_EXITS)
    .filter((entry) => log[entry + WHAT] !== 0)
    .map((entry) => recordOf(log, entry));
}

function recordOf(log: Uint32Array, entry: number): ExitRecord {
  const word = (offset: number): number => log[entry + offset] ?? 0;
  const what = word(WHAT);
  const kind = what & 0xff;
  const size = (what >>> 8) & 0xff;
  if (kind < MMIO_READ) {
    const write = (kind & ~STRING_IO) === KVM_EXIT_IO_OUT;
    const count = (kind & STRING_IO) === 0 ? 1 : word(COUNT);
    return { reason: 'IO', write, port: what >>> 16, size, count, value: word(DATA_LOW) };
  }
  if (kind === OTHER) return { reason: exitLabel(what >>> 8) };
  const address = hex64(word(ADDRESS_HIGH), word(ADDRESS_LOW));
  return { reason: 'MMIO', write: kind === MMIO_WRITE, address, size, value: hex64(word(DATA_HIGH), word(DATA_LOW)) };
}

const hex64 = (high: number, low: number): string => `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`;
