import type { ExitEvent, HardwareExit, ModeTimes, Span } from './model.js';

/** Where the CPU is, by the names of `ModeTimes`. */
export type Mode = 'nonRoot' | 'rootRing0' | 'inside' | 'rootRing3';

/** A stretch of time in one mode. */
export interface Segment {
  readonly mode: Mode;
  readonly fromNs: number;
  readonly toNs: number;
  /** Index of the hardware exit that ended it (non-root operation) or that it follows (the kernel); -1: none. */
  readonly hardware: number;
}

/** The way of one exit through the modes, from KVM_RUN's call until the handler was done: disjoint and in order. */
export function segmentsOf(event: ExitEvent): Segment[] {
  const line = insideRun(event.enteredNs, event.returnedNs, event.hardware);
  const { returnedNs, handledNs } = event;
  line.segments.push({ mode: 'rootRing3', fromNs: returnedNs, toNs: Math.max(returnedNs, handledNs), hardware: -1 });
  return line.segments;
}

/** The same for the end of a vCPU: hardware exits that no return of KVM_RUN followed, and the KVM_RUN they were in. */
export function segmentsOfKept(hardware: readonly HardwareExit[] | undefined, run?: Span): Segment[] {
  const [first] = hardware ?? [];
  if (run === undefined) {
    if (first === undefined) return [];
    const line = new Line(first.enteredNs ?? first.exitedNs, Number.POSITIVE_INFINITY);
    line.hardware(hardware ?? []);
    return line.segments;
  }
  return insideRun(run.fromNs, run.toNs, hardware).segments;
}

/** From KVM_RUN's call until it returned. */
function insideRun(fromNs: number, toNs: number, hardware: readonly HardwareExit[] | undefined): Line {
  const line = new Line(fromNs, toNs);
  if (hardware === undefined) line.to('inside', toNs, -1);
  else {
    line.hardware(hardware);
    line.to('rootRing0', toNs, hardware.length - 1);
  }
  return line;
}

/** `ModeTimes` while it grows. */
export type ModeSums = { -readonly [Field in keyof ModeTimes]?: ModeTimes[Field] };

/** Adds segments' lengths to times by mode. */
export function addTimes(times: ModeSums, segments: readonly Segment[]): void {
  for (const { mode, fromNs, toNs } of segments) times[mode] = (times[mode] ?? 0) + toNs - fromNs;
}

/** Grows by what comes next. The kernel's times are on our clock but for some jitter: they are kept within our own. */
class Line {
  readonly segments: Segment[] = [];
  #nowNs: number;
  readonly #endNs: number;

  constructor(startNs: number, endNs: number) {
    this.#nowNs = startNs;
    this.#endNs = endNs;
  }

  hardware(exits: readonly HardwareExit[]): void {
    exits.forEach(({ enteredNs, exitedNs }, index) => {
      if (enteredNs !== undefined) this.to('rootRing0', enteredNs, index - 1);
      this.to(enteredNs === undefined ? 'inside' : 'nonRoot', exitedNs, index);
    });
  }

  /** Empty stretches are left out, but for those that a hardware exit ended. */
  to(mode: Mode, timeNs: number, hardware: number): void {
    const toNs = Math.min(Math.max(timeNs, this.#nowNs), this.#endNs);
    const endedByExit = mode !== 'rootRing0' && hardware >= 0;
    if (toNs > this.#nowNs || endedByExit) this.segments.push({ mode, fromNs: this.#nowNs, toNs, hardware });
    this.#nowNs = toNs;
  }
}
