/** What stands around a device in its tests: a line, sinks, a source and a clock that the test drives. */
import type {
  ByteSink,
  ByteSource,
  Clock,
  Delay,
  DeviceEnd,
  EndSink,
  InterruptLine,
  Registers,
  Timer,
} from '../../../src/devices/device.js';

/** Remembers the level, and how often it rose: what an edge-triggered interrupt controller would see. */
export class RecordedLine implements InterruptLine {
  level = false;
  edges = 0;

  set(level: boolean): void {
    if (level && !this.level) this.edges++;
    this.level = level;
  }
}

export class RecordedBytes implements ByteSink {
  readonly bytes: number[] = [];

  write(byte: number): void {
    this.bytes.push(byte);
  }

  writeAll(values: Uint32Array, count: number): void {
    for (const value of values.subarray(0, count)) this.write(value);
  }

  get text(): string {
    return Buffer.from(this.bytes).toString('latin1');
  }
}

export class QueuedBytes implements ByteSource {
  readonly waiting: number[] = [];

  push(text: string): void {
    this.waiting.push(...Buffer.from(text, 'latin1'));
  }

  next(): number {
    return this.waiting.shift() ?? -1;
  }

  get ready(): boolean {
    return this.waiting.length > 0;
  }
}

/** A delay that is over when the test says so. */
export class RecordedDelay implements Delay {
  /** What was asked for and is not over, in nanoseconds. */
  waiting: number | undefined;

  start(ns: number): void {
    this.waiting = ns;
  }
}

export class RecordedEnds implements EndSink {
  readonly ends: DeviceEnd[] = [];

  end(end: DeviceEnd): void {
    this.ends.push(end);
  }
}

export class SetClock implements Clock {
  ns = 0;
  ms = 0;

  now(): number {
    return this.ns;
  }

  wallMs(): number {
    return this.ms;
  }
}

/** Remembers when it shall ring. */
export class SetTimer implements Timer {
  due = Number.POSITIVE_INFINITY;

  set(wallMs: number): void {
    this.due = wallMs;
  }
}

/** Byte-wide access by name of the port, as a driver writes it. */
export const inb = (device: Registers, offset = 0): number => device.read(offset, 1);
export const outb = (device: Registers, offset: number, value: number): void => device.write(offset, value, 1);

/** A seeded pseudo-random generator (xorshift32): unsigned 32-bit numbers. */
export function random(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
