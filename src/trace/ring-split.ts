import { VmError } from '../errors.js';
import type { GuestMemory } from '../memory/guest-memory.js';
import { checkClock, stampedAccesses, type TimedStamp } from './guest-clock.js';
import type { ExitEvent, ExitSink, ModeTimes } from './model.js';
import { timeline } from './printf/timeline.js';
import { readStamps } from './stamps.js';

/** A guest chooses how many exits it makes: its stamps have no room for so many. */
const MOST_EVENTS = 0x2000;

export type RingTimes = Required<Pick<ModeTimes, 'nonRootRing3' | 'nonRootRing0'>>;

/** Where the guest's stamps are, and what brings them to the recording's clock. */
export interface StampsPlace {
  readonly memory: GuestMemory;
  /** Guest-physical, of the symbol `stamps`. */
  readonly address: number;
  /** `Recording.toNs`. */
  readonly toNs: (tsc: number) => number;
  /** `Machine.tscOffset`. */
  readonly tscOffset: bigint | undefined;
  /** Code from here on is ring 3's: the symbol `program_code`. */
  readonly programStart: number;
}

/** Splits a guest's time by ring, where it stamps its own transitions as guest-images/printf does. With one vCPU. */
export class RingSplit implements ExitSink {
  readonly #events: ExitEvent[] = [];
  #isWhole = true;

  add(event: ExitEvent): void {
    if (this.#events.length < MOST_EVENTS && event.cpu === 0) this.#events.push(event);
    else this.#isWhole = false;
  }

  kept(): void {}

  /**
   * For the whole run, after the recording's end and before the machine is closed. Undefined where the kernel's side is
   * missing, there are too many exits, or the table of stamps is damaged, is not whole, or fits no clock.
   */
  result(place: StampsPlace): RingTimes | undefined {
    if (!this.#isWhole || this.#events.some(({ hardware }) => hardware === undefined)) return undefined;
    const stamps = timedStamps(place, this.#events);
    return stamps && ringTimes(this.#events, stamps, place.programStart);
  }
}

/** The same from stamps that are on the recording's clock. */
export function ringTimes(
  events: readonly ExitEvent[],
  stamps: readonly TimedStamp[],
  programStart: number,
): RingTimes {
  const times = { nonRootRing3: 0, nonRootRing0: 0 };
  for (const { mode, fromNs, toNs } of timeline(events, { stamps, hops: [], programStart })) {
    if (mode === 'nonRootRing3' || mode === 'nonRootRing0') times[mode] += toNs - fromNs;
  }
  return { nonRootRing3: Math.round(times.nonRootRing3), nonRootRing0: Math.round(times.nonRootRing0) };
}

function timedStamps(place: StampsPlace, events: readonly ExitEvent[]): TimedStamp[] | undefined {
  const { memory, address, toNs, tscOffset } = place;
  try {
    const { stamps, lost } = readStamps(memory, address);
    if (lost > 0 || stamps.length === 0) return undefined;
    const ofKvm = stamps.map((stamp) => ({ ...stamp, ns: toNs(Number(stamp.tsc - (tscOffset ?? 0n))) }));
    const clock = checkClock(stampedAccesses(ofKvm, events), (event) => events[event.number + 1], tscOffset);
    if (clock.source === 'none') return undefined;
    return ofKvm.map((stamp) => ({ ...stamp, ns: stamp.ns - clock.correctionNs }));
  } catch (error) {
    if (error instanceof VmError && error.kind === 'guest') return undefined;
    throw error;
  }
}
