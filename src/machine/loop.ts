import { KVM_EXIT_INTR, KVM_EXIT_IO, KVM_EXIT_MMIO } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import type { Bus } from './bus.js';

/** Everything that the loop touches. */
export interface LoopContext {
  /** KVM_RUN: undefined, or the negative errno. */
  readonly run: () => number | undefined;
  readonly page: RunPage;
  readonly pio: Bus;
  readonly mmio: Bus;
  /** Exits by reason. */
  readonly counts: Float64Array;
  /** Called where KVM_RUN returned with an error, EINTR (a kick) for one. Returns whether to go on. */
  interrupted(errno: number): boolean;
  /** Called for every exit that is not port I/O or MMIO. Returns whether to go on. */
  otherExit(reason: number): boolean;
  /** Set by a device that ends the machine. */
  ended: boolean;
}

/** Runs a vCPU until something ends it: the hot path. It allocates nothing and makes one addon call an exit. */
export function runLoop(context: LoopContext): void {
  const { run, page, pio, mmio, counts } = context;
  for (;;) {
    const errno = run();
    if (errno !== undefined) {
      if (context.interrupted(-errno)) continue;
      return;
    }
    const reason = page.exitReason;
    counts[reason] = (counts[reason] ?? 0) + 1;
    if (reason === KVM_EXIT_IO) portIo(page, pio);
    else if (reason === KVM_EXIT_MMIO) memoryIo(page, mmio);
    else if (reason !== KVM_EXIT_INTR && !context.otherExit(reason)) return;
    if (context.ended) return complete(context);
  }
}

/** Port I/O: `count` accesses of `size` bytes (string I/O has more than one), each carried out anew. */
export function portIo(page: RunPage, pio: Bus): void {
  const { ioPort: port, ioSize: size, bytes } = page;
  let at = page.ioDataOffset;
  if (size === 1 && page.ioCount === 1) {
    if (page.ioIsOut) pio.write(port, bytes[at] ?? 0, 1);
    else bytes[at] = pio.read(port, 1);
    return;
  }
  const isOut = page.ioIsOut;
  for (let left = page.ioCount; left > 0; left--, at += size) {
    if (isOut) pio.writeBytes(port, bytes, at, size);
    else pio.readBytes(port, bytes, at, size);
  }
}

/** MMIO of 1 to 8 bytes. */
export function memoryIo(page: RunPage, mmio: Bus): void {
  if (page.mmioIsWrite) mmio.writeBytes(page.mmioAddress, page.bytes, page.mmioDataOffset, page.mmioLength);
  else mmio.readBytes(page.mmioAddress, page.bytes, page.mmioDataOffset, page.mmioLength);
}

/** The access of the last exit is complete only at the next KVM_RUN, which does nothing else here. */
function complete({ run, page }: LoopContext): void {
  page.immediateExit = 1;
  run();
}
