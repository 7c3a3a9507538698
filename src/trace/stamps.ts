import { VmError } from '../errors.js';
import type { GuestMemory } from '../memory/guest-memory.js';

/** The steps of guest-images/printf/stamps.h, by their numbers there. */
export const STEPS = {
  1: 'programStarted',
  2: 'printfCalled',
  3: 'printfBuffered',
  4: 'syscall',
  5: 'kernelEntered',
  6: 'driverCalled',
  7: 'poll',
  8: 'polled',
  9: 'out',
  10: 'outDone',
  11: 'driverDone',
  12: 'kernelLeft',
  13: 'syscallReturned',
  14: 'printfReturned',
} as const;

export type GuestStep = (typeof STEPS)[keyof typeof STEPS];

/** After these the guest is in ring 3, but for the instruction that leaves it. */
const IN_RING_3: ReadonlySet<GuestStep> = new Set([
  'programStarted',
  'printfCalled',
  'printfBuffered',
  'syscall',
  'syscallReturned',
  'printfReturned',
]);

/** A step that the guest took down. */
export interface Stamp {
  readonly step: GuestStep;
  /** The guest's TSC. */
  readonly tsc: bigint;
  readonly rip: bigint;
  /** What it means depends on the step: see stamps.h. */
  readonly value: bigint;
}

export interface Stamps {
  readonly stamps: readonly Stamp[];
  /** Steps for which the guest had no room. */
  readonly lost: number;
}

/** The ring from this stamp on, until the next. */
export const ringAfter = (step: GuestStep): 0 | 3 => (IN_RING_3.has(step) ? 3 : 0);

/** Of struct stamps and struct stamp. */
const COUNT = 4;
const LOST = 8;
const HEADER_BYTES = 16;
const ENTRY_BYTES = 32;
const MOST_STAMPS = 2048;

/**
 * Reads the table that a guest fills (guest-images/printf/stamps.h). The program in the guest can write there, so
 * nothing in it is trusted.
 * @param address guest-physical, of the symbol `stamps`
 * @throws VmError GUEST_ADDRESS_INVALID outside RAM, STAMPS_INVALID where it is no such table
 */
export function readStamps(memory: GuestMemory, address: number): Stamps {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  memory.read(address, new Uint8Array(header.buffer));
  const count = header.getUint32(COUNT, true);
  if (count > MOST_STAMPS) throw invalid(`it says that it has ${count} stamps, and has room for ${MOST_STAMPS}`);
  const entries = new DataView(new ArrayBuffer(count * ENTRY_BYTES));
  memory.read(address + HEADER_BYTES, new Uint8Array(entries.buffer));
  const stamps = Array.from({ length: count }, (_, index) => stampAt(entries, index));
  const back = stamps.findIndex(({ tsc }, index) => tsc < (stamps[index - 1]?.tsc ?? 0n));
  if (back >= 0) throw invalid(`stamp ${back} is earlier than the one before it`);
  return { stamps, lost: header.getUint32(LOST, true) };
}

function stampAt(entries: DataView, index: number): Stamp {
  const at = index * ENTRY_BYTES;
  const number = entries.getUint32(at + 16, true);
  const step = (STEPS as Readonly<Record<number, GuestStep>>)[number];
  if (step === undefined) throw invalid(`stamp ${index} is of a step ${number}, which there is not`);
  const [tsc, rip, value] = [at, at + 8, at + 24].map((offset) => entries.getBigUint64(offset, true));
  return { step, tsc: tsc ?? 0n, rip: rip ?? 0n, value: value ?? 0n };
}

const invalid = (what: string): VmError =>
  new VmError('STAMPS_INVALID', `the guest's table of steps is damaged: ${what}`);
