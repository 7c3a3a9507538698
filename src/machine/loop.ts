import { KVM_EXIT_INTR, KVM_EXIT_IO, KVM_EXIT_MMIO } from '../kvm/abi/exits.js';
import { WRITES_WAIT } from '../kvm/coalesced.js';
import {
  EXIT_REASON_WORD,
  IO_COUNT_WORD,
  IO_DATA_OFFSET_WORD,
  IO_ONE_BYTE_IN,
  IO_ONE_BYTE_OUT,
  IO_WORD,
  MMIO_ADDRESS_WORD,
  MMIO_DATA_WORD,
  MMIO_IS_WRITE_WORD,
  MMIO_LENGTH_WORD,
  type RunPage,
} from '../kvm/exit.js';
import type { Bus } from './bus.js';
import { LOG_DATA, LOGGED_EXITS, logEnd, logMemoryIo, logOther, logPortIo, lowBytes } from './exit-log.js';

/** Everything that the loop touches. */
export interface LoopContext {
  /** KVM_RUN: undefined; or the negative errno; or WRITES_WAIT, where it made an exit too. */
  readonly run: () => number | undefined;
  readonly page: RunPage;
  readonly pio: Bus;
  readonly mmio: Bus;
  /** Exits by reason. */
  readonly counts: Float64Array;
  /** The last exits: `ControlBlock.exitLog`. */
  readonly log: Uint32Array;
  /** Called where KVM_RUN returned with an error, EINTR (a kick) for one. Returns whether to go on. */
  interrupted(errno: number): boolean;
  /** Called before an exit is handled, where writes came before it that KVM wrote down. */
  carryOutWrites(): void;
  /** Called for every exit that is not port I/O or MMIO. Returns whether to go on. */
  otherExit(): boolean;
  /** Set where something is to be done once the exit has been handled. */
  attention: boolean;
  /** Does that. Returns whether to go on. */
  attend(): boolean;
}

// This module's own constants: an imported one is looked up anew by every unoptimized instruction that names it.
const REASON = EXIT_REASON_WORD;
const IO = IO_WORD;
const COUNT = IO_COUNT_WORD;
const DATA_OFFSET = IO_DATA_OFFSET_WORD;
const ONE_BYTE_OUT = IO_ONE_BYTE_OUT;
const ONE_BYTE_IN = IO_ONE_BYTE_IN;
const REASON_IO = KVM_EXIT_IO;
const DATA = LOG_DATA;
/**
 * The log's size: an exit's number in its round is its entry. And few: where V8 has compiled a round while one runs, it
 * soon begins to compile the round once more, to replace the one that still runs.
 */
const EXITS_OF_A_ROUND = LOGGED_EXITS;

/**
 * Makes the function that runs a vCPU until something ends it: the hot path. It allocates nothing and makes one addon
 * call an exit.
 *
 * Its shape is V8's. What `round` touches are constants of one closure, made once a thread: so the optimizer compiles
 * their addresses in. It does that only for a function that is entered anew, hence rounds and not one loop. Before
 * (the first thousands of exits) a property costs 30 instructions, an element of a typed array 80, a call 300.
 */
export function makeLoop(context: LoopContext): () => void {
  const { run, page, pio, counts, log } = context;
  const { words, bytes } = page;
  const round = (): boolean => {
    for (let entry = 0; entry < EXITS_OF_A_ROUND; entry++) {
      const result = run();
      if (result !== undefined && !goOnAfter(context, result)) return end(context, entry - 1);
      const reason = words[REASON] ?? 0;
      counts[reason] = (counts[reason] ?? 0) + 1;
      if (reason === REASON_IO) {
        const io = words[IO] ?? 0;
        if ((io & 0xffff) === ONE_BYTE_OUT && words[COUNT] === 1) {
          const byte = bytes[words[DATA_OFFSET] ?? 0] ?? 0;
          log[entry] = io;
          log[entry + DATA] = byte;
          // What `pio.write` begins with: a call less.
          const { last } = pio;
          const offset = (io >>> 16) - last.start;
          if (offset >= 0 && offset < last.size) last.registers.write(offset, byte, 1);
          else pio.write(io >>> 16, byte, 1);
        } else if ((io & 0xffff) === ONE_BYTE_IN && words[COUNT] === 1) {
          const { last } = pio;
          const offset = (io >>> 16) - last.start;
          const byte = offset >= 0 && offset < last.size ? last.registers.read(offset, 1) : pio.read(io >>> 16, 1);
          bytes[words[DATA_OFFSET] ?? 0] = byte;
          log[entry] = io;
          log[entry + DATA] = byte;
        } else {
          portIo(page, pio);
          logPortIo(log, entry, page);
        }
      } else if (!otherThanPortIo(context, reason, entry)) return end(context, entry);
      if (context.attention === true && !context.attend()) return complete(context, entry);
    }
    return true;
  };
  return () => {
    while (round());
  };
}

/**
 * KVM_RUN was interrupted, and made no exit: goes on until one is made. Or it made one after writes that wait: those are
 * carried out. Returns false where the vCPU is to end.
 */
function goOnAfter(context: LoopContext, result: number): boolean {
  for (let again: number | undefined = result; again !== undefined; again = context.run()) {
    if (again === WRITES_WAIT) {
      context.carryOutWrites();
      return true;
    }
    if (!context.interrupted(-again)) return false;
  }
  return true;
}

/** Returns whether to go on. */
function otherThanPortIo(context: LoopContext, reason: number, entry: number): boolean {
  if (reason === KVM_EXIT_MMIO) {
    memoryIo(context, entry);
    return true;
  }
  logOther(context.log, entry, reason);
  return reason === KVM_EXIT_INTR || context.otherExit();
}

/** Port I/O: `count` accesses of `size` bytes (string I/O has more than one), each carried out anew. */
export function portIo(page: RunPage, pio: Bus): void {
  const { ioPort: port, ioSize: size, ioIsOut: isOut, bytes } = page;
  let at = page.ioDataOffset;
  for (let left = page.ioCount; left > 0; left--, at += size) {
    if (isOut) pio.writeBytes(port, bytes, at, size);
    else pio.readBytes(port, bytes, at, size);
  }
}

/** MMIO of 1 to 8 bytes: of 1, 2 and 4 the bus is asked once. */
function memoryIo({ page, mmio, log }: LoopContext, entry: number): void {
  const { words, bytes, mmioDataOffset } = page;
  const address = (words[MMIO_ADDRESS_WORD + 1] ?? 0) * 0x100000000 + (words[MMIO_ADDRESS_WORD] ?? 0);
  const length = words[MMIO_LENGTH_WORD] ?? 0;
  const isWrite = ((words[MMIO_IS_WRITE_WORD] ?? 0) & 0xff) !== 0;
  if (length === 4 || length === 2 || length === 1) {
    if (isWrite) mmio.write(address, lowBytes(words[MMIO_DATA_WORD] ?? 0, length), length);
    else words[MMIO_DATA_WORD] = mmio.read(address, length);
  } else if (isWrite) mmio.writeBytes(address, bytes, mmioDataOffset, length);
  else mmio.readBytes(address, bytes, mmioDataOffset, length);
  logMemoryIo(log, entry, words, length, isWrite);
}

/** The access of the last exit is complete only at the next KVM_RUN, which does nothing else here. */
function complete(context: LoopContext, exit: number): false {
  context.page.immediateExit = 1;
  context.run();
  return end(context, exit);
}

function end({ log }: LoopContext, lastExit: number): false {
  logEnd(log, lastExit);
  return false;
}
