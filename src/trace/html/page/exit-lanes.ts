import type { ExitEvent, HardwareExit } from '../../model.js';
import { type Mode, type Segment, segmentsOf, segmentsOfKept } from '../../segments.js';
import { exitWords, MODE_WORDS } from '../../words.js';
import type { ExitTable } from '../exit-table.js';
import type { Colour, Lane, Marks } from './lane.js';
import { Slices } from './slices.js';

const COLOURS: Readonly<Record<Mode, Colour>> = {
  nonRoot: 'nonroot',
  inside: 'inside',
  rootRing0: 'ring0',
  rootRing3: 'ring3',
};
const ORDER: readonly Mode[] = ['nonRoot', 'inside', 'rootRing0', 'rootRing3'];

/** What a slice is of: the exit, or what KVM kept after the vCPU's last return. */
export interface SliceOrigin {
  readonly exit: ExitEvent | undefined;
  readonly hardware: HardwareExit | undefined;
  /** Whether the hardware exit led to the return. */
  readonly led: boolean;
}

export interface ExitLane extends Lane {
  readonly cpu: number;
  readonly mode: Mode;
  origin(slice: number): SliceOrigin;
}

/** The lanes of all vCPUs: of each one a mode, where it has slices. */
export function exitLanes(table: ExitTable): ExitLane[] {
  const cpus = new Map<number, Map<Mode, LaneBuilder>>();
  const builder = (cpu: number, mode: Mode): LaneBuilder => {
    const modes = cpus.get(cpu) ?? new Map<Mode, LaneBuilder>();
    cpus.set(cpu, modes);
    const found = modes.get(mode) ?? new LaneBuilder(table, cpu, mode);
    modes.set(mode, found);
    return found;
  };
  const expected = new Map<number, number>();
  for (let index = 0; index < table.length; index++) {
    const event = table.exit(index);
    const { cpu, number, continued, hardware = [], enteredNs } = event;
    if (number > (expected.get(cpu) ?? 0)) builder(cpu, 'rootRing3').mark('×', enteredNs);
    expected.set(cpu, number + 1);
    const led = continued ? -1 : hardware.length - 1;
    for (const segment of segmentsOf(event)) builder(cpu, segment.mode).add(segment, index, hardware, led);
  }
  table.tails.forEach(({ cpu, from, to }, index) => {
    const hardware = table.hardware(from, to);
    for (const segment of segmentsOfKept(hardware)) builder(cpu, segment.mode).add(segment, -1 - index, hardware, -1);
  });
  return [...cpus]
    .sort(([a], [b]) => a - b)
    .flatMap(([, modes]) => ORDER.flatMap((mode) => modes.get(mode)?.build() ?? []));
}

const MARK_WORDS: Readonly<Record<Marks['glyph'], string>> = {
  '▼': 'interrupt injected at a VM entry',
  '▲': 'VM exit that led to a return to vmlaunch',
  '△': 'VM exit that KVM kept',
  '×': 'exits lost before this one',
};

class LaneBuilder {
  readonly #table: ExitTable;
  readonly #cpu: number;
  readonly #mode: Mode;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  /** Index of the exit; below 0 that of the tail, from -1 down. */
  readonly #exits: number[] = [];
  readonly #hardware: number[] = [];
  readonly #marks = new Map<Marks['glyph'], number[]>();

  constructor(table: ExitTable, cpu: number, mode: Mode) {
    this.#table = table;
    this.#cpu = cpu;
    this.#mode = mode;
  }

  add({ fromNs, toNs, hardware: at }: Segment, exit: number, hardware: readonly HardwareExit[], led: number): void {
    this.#starts.push(fromNs);
    this.#ends.push(toNs);
    this.#exits.push(exit);
    this.#hardware.push(at);
    if (this.#mode === 'rootRing0' || this.#mode === 'rootRing3' || at < 0) return;
    this.mark(at === led ? '▲' : '△', toNs);
    if ((hardware[at]?.injected.length ?? 0) > 0) this.mark('▼', fromNs);
  }

  mark(glyph: Marks['glyph'], time: number): void {
    const times = this.#marks.get(glyph) ?? [];
    this.#marks.set(glyph, times);
    times.push(time);
  }

  build(): ExitLane {
    const exits = Int32Array.from(this.#exits);
    const hardware = Int32Array.from(this.#hardware);
    const mode = this.#mode;
    const origin = (slice: number) => originOf(this.#table, exits[slice] ?? 0, hardware[slice] ?? -1);
    return {
      group: `vCPU ${this.#cpu}`,
      title: MODE_WORDS[mode],
      colour: COLOURS[mode],
      cpu: this.#cpu,
      mode,
      slices: new Slices(this.#starts, this.#ends),
      marks: [...this.#marks].map(([glyph, times]) => ({
        glyph,
        words: MARK_WORDS[glyph],
        times: Float64Array.from(times),
      })),
      origin,
      label: (slice) => sliceWords(mode, origin(slice)),
    };
  }
}

function originOf(table: ExitTable, index: number, at: number): SliceOrigin {
  if (index >= 0) {
    const exit = table.exit(index);
    const { hardware = [], continued } = exit;
    return { exit, hardware: hardware[at], led: !continued && at === hardware.length - 1 };
  }
  const tail = table.tails[-1 - index];
  const [hardware] = tail === undefined || at < 0 ? [] : table.hardware(tail.from + at, tail.from + at + 1);
  return { exit: undefined, hardware, led: false };
}

/** A slice in a few words: the hardware's reason, or what we did. */
export function sliceWords(mode: Mode, { exit, hardware }: SliceOrigin): string {
  if (mode === 'rootRing3') return exit === undefined ? '' : exitWords(exit);
  if (mode === 'rootRing0') return hardware === undefined ? 'KVM_RUN called' : `after ${hardware.reason}`;
  return hardware?.reason ?? (exit === undefined ? '' : `until the return with ${exit.reason}`);
}
