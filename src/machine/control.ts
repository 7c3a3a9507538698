import { bytes, f64, i32, type StructOf, struct, u32 } from '../memory/struct.js';
import { EXIT_LOG_WORDS } from './exit-log.js';

/** Exit reasons that are counted one by one; KVM has about 40. */
export const REASONS = 64;

/**
 * What the threads of a machine share about one vCPU. The vCPU thread counts and answers here; the main thread asks.
 * `command`, `state`, `pause` and `parked` are used with Atomics, through `ControlBlock`.
 */
const vcpuControl = struct({
  command: i32,
  state: i32,
  tid: i32,
  answers: u32,
  mpState: u32,
  interruptFlag: u32,
  pause: i32,
  parked: i32,
  insideTicks: f64,
  unclaimedPio: f64,
  unclaimedMmio: f64,
  startTicks: f64,
  endTicks: f64,
  startNs: f64,
  endNs: f64,
  byReason: bytes(REASONS * 8),
  exitLog: bytes(EXIT_LOG_WORDS * 4),
});

/** What the main thread wants of a vCPU thread. Stopping wins over asking, and is never taken back. */
export const COMMAND_NONE = 0;
export const COMMAND_INSPECT = 1;
export const COMMAND_STOP = 2;

/**
 * starting → running → ended, one way. A thread is kicked only while running: before, it looks at the command by
 * itself; afterwards there may be no such thread.
 */
export const STATE_STARTING = 0;
export const STATE_RUNNING = 1;
export const STATE_ENDED = 2;

const COMMAND = 0;
const STATE = 1;
const ANSWERS = 3;
const PAUSE = 6;
const PARKED = 7;
/** Byte offset of `insideTicks`: after eight 32-bit fields. */
const INSIDE_TICKS = 32;

export class ControlBlock {
  readonly fields: StructOf<typeof vcpuControl>;
  /** Exits by reason, indexed by KVM_EXIT_*. */
  readonly byReason: Float64Array;
  /** The last exits, for `readExitLog`. */
  readonly exitLog: Uint32Array;
  readonly #cells: Int32Array;

  static makeBuffer(): SharedArrayBuffer {
    return new SharedArrayBuffer(vcpuControl.size);
  }

  constructor(readonly buffer: SharedArrayBuffer) {
    this.fields = vcpuControl.over(buffer);
    this.#cells = new Int32Array(buffer);
    const { byReason, exitLog } = this.fields;
    this.byReason = new Float64Array(buffer, byReason.byteOffset, REASONS);
    this.exitLog = new Uint32Array(buffer, exitLog.byteOffset, EXIT_LOG_WORDS);
  }

  /** The eight bytes where the ticks inside KVM_RUN are added up. */
  get insideTicks(): Uint8Array {
    return new Uint8Array(this.buffer, INSIDE_TICKS, 8);
  }

  /** All exits so far. */
  get exits(): number {
    return this.byReason.reduce((sum, count) => sum + count, 0);
  }

  get command(): number {
    return Atomics.load(this.#cells, COMMAND);
  }

  requestStop(): void {
    Atomics.store(this.#cells, COMMAND, COMMAND_STOP);
    this.endPause();
  }

  /** Has the vCPU thread stay out of KVM_RUN: it parks once it has been kicked. */
  requestPause(): void {
    Atomics.store(this.#cells, PAUSE, 1);
  }

  /** Lets it go on. */
  endPause(): void {
    Atomics.store(this.#cells, PAUSE, 0);
    Atomics.notify(this.#cells, PAUSE);
  }

  /**
   * Whether the vCPU is out of KVM_RUN, and stays out until `endPause`. One that has not started, or has ended, is: a
   * thread looks for a pause after it has said that it runs, and before its first KVM_RUN.
   */
  get isParked(): boolean {
    return this.state !== STATE_RUNNING || Atomics.load(this.#cells, PARKED) === 1;
  }

  get isPauseWanted(): boolean {
    return Atomics.load(this.#cells, PAUSE) === 1;
  }

  /** The vCPU thread: waits out a pause, having told of it by `announce`. A stop ends it. */
  park(announce: () => void): void {
    do {
      Atomics.store(this.#cells, PARKED, 1);
      announce();
      while (this.isPauseWanted && this.command !== COMMAND_STOP) Atomics.wait(this.#cells, PAUSE, 1);
      Atomics.store(this.#cells, PARKED, 0);
      // The next pause may have begun before that, and taken this thread for parked.
    } while (this.isPauseWanted && this.command !== COMMAND_STOP);
  }

  requestInspection(): void {
    Atomics.compareExchange(this.#cells, COMMAND, COMMAND_NONE, COMMAND_INSPECT);
  }

  /** The vCPU thread: the inspection's result is in the fields. */
  answerInspection(): void {
    Atomics.compareExchange(this.#cells, COMMAND, COMMAND_INSPECT, COMMAND_NONE);
    Atomics.add(this.#cells, ANSWERS, 1);
  }

  get answers(): number {
    return Atomics.load(this.#cells, ANSWERS);
  }

  get state(): number {
    return Atomics.load(this.#cells, STATE);
  }

  set state(state: number) {
    Atomics.store(this.#cells, STATE, state);
    Atomics.notify(this.#cells, STATE);
  }

  /** Sleeps until the state is no longer `state`, or the time is over. */
  waitWhile(state: number, timeoutMs: number): void {
    Atomics.wait(this.#cells, STATE, state, timeoutMs);
  }
}
