/**
 * What a device is, seen from the bus, and what it may ask of the machine. A device knows its registers by their
 * offset within its range; it knows no bus address, no ioctl and no thread.
 */

/** Registers behind port I/O or MMIO. The bus calls with a size of 1, 2 or 4 bytes and never beyond the range. */
export interface Registers {
  /** The register's value, an unsigned number of `size` bytes. */
  read(offset: number, size: number): number;
  write(offset: number, value: number, size: number): void;
}

/**
 * A device that lets writes to some of its registers come late, many at once, before the next other access. They leave
 * the interrupt line alone: `settle` follows that access, and sets it.
 */
export interface TakesLateWrites {
  /** Carries out the first `count` of the values, all written to one register. */
  writeLate(offset: number, values: Uint32Array, count: number): void;
  settle(): void;
}

/** An interrupt line, level-triggered as seen by the device: it stays as set. Setting the same level twice is free. */
export interface InterruptLine {
  set(level: boolean): void;
}

/** Where a device's output bytes go (a serial line's far end, the debug console). */
export interface ByteSink {
  write(byte: number): void;
  /** The first `count` of the values, a byte each. */
  writeAll(values: Uint32Array, count: number): void;
}

/** Where a device's input bytes come from: bounded, filled by another thread. */
export interface ByteSource {
  /** The next byte, or -1 where there is none now. */
  next(): number;
  /** Whether `next` would give a byte. */
  readonly ready: boolean;
}

/** Guest RAM, as a device that does DMA reaches it. An address or a length from the guest is hostile until checked. */
export interface DmaMemory {
  /** Whether all of [address, address + length) is RAM. */
  contains(address: number, length: number): boolean;
  /** Copies guest memory into `to`. Throws where any of it is not RAM. */
  read(address: number, to: Uint8Array): void;
  /** Copies `bytes` into guest memory. Throws where any of it would not be RAM. */
  write(address: number, bytes: Uint8Array): void;
}

/** How a machine ends, as a device can see it. */
export type DeviceEnd =
  | { readonly reason: 'power-off' }
  | { readonly reason: 'reset'; readonly by: string }
  | { readonly reason: 'debug-exit'; readonly status: number }
  | { readonly reason: 'panic'; readonly by: string };

/** Ends the machine. The access that asked for it completes first. */
export interface EndSink {
  end(end: DeviceEnd): void;
}

/** Time as a device sees it. */
export interface Clock {
  /** Nanoseconds since an arbitrary start, monotonic; a fraction is possible. */
  now(): number;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  wallMs(): number;
}

/**
 * Calls its device back. A device has no thread: the machine calls `expire()`, holding the device's lock, when the time
 * that was set last has come, or a little later.
 */
export interface Timer {
  /** On the device's wall clock (`Clock.wallMs`); Infinity: never. It replaces what was set before. */
  set(wallMs: number): void;
}

/** Calls its device's `delayOver()` a little later, as soon as a vCPU can be interrupted for it. */
export interface Delay {
  /** In so many nanoseconds, in place of a call that is still due. */
  start(ns: number): void;
}

/** A device with a timer. It may be called too early or without need: the device looks at its clock. */
export interface Timed {
  expire(): void;
}
