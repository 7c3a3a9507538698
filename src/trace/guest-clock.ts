import type { ExitEvent } from './model.js';
import type { GuestStep, Stamp } from './stamps.js';

/** A stamp on the recording's clock. */
export interface TimedStamp extends Stamp {
  readonly ns: number;
}

/** A port access of the guest: what it stamped before and after, and the exits between. */
export interface StampedAccess {
  readonly before: TimedStamp;
  readonly after: TimedStamp;
  /** More than one for string I/O that KVM hands over element by element. */
  readonly events: readonly ExitEvent[];
}

/** How guest and host times were brought together, and how far that can be wrong. */
export interface ClockCheck {
  /** 'kvm': by KVM's TSC offset, which fits. 'causality': by the bounds, since it does not fit. 'none': nothing fits. */
  readonly source: 'kvm' | 'causality' | 'none';
  /** Ticks that KVM adds to the host's TSC, as it says; absent where it does not. */
  readonly tscOffset?: number;
  /**
   * What may be taken from the guest's times, as KVM's offset gives them, without an exit before its instruction or an
   * entry after the next one.
   */
  readonly lowNs: number;
  readonly highNs: number;
  /** What was taken. */
  readonly correctionNs: number;
  /** Guest times are at most so far off beside host times. */
  readonly errorNs: number;
  /** Accesses that bounded it. */
  readonly accesses: number;
}

const POLL_PORT = 0x3fd;
const DATA_PORT = 0x3f8;
/** The stamp after the access, by the one before it. */
const ENDS: Readonly<Partial<Record<GuestStep, GuestStep>>> = { poll: 'polled', out: 'outDone' };

/** Brings each stamped access together with its exits, by their order alone: no clock is asked. */
export function stampedAccesses(stamps: readonly TimedStamp[], events: readonly ExitEvent[]): StampedAccess[] {
  const found: StampedAccess[] = [];
  const isOf = (event: ExitEvent | undefined, write: boolean, port: number): event is ExitEvent =>
    event?.access?.bus === 'pio' && event.access.write === write && event.access.address === port;
  let next = events.findIndex((event) => isOf(event, false, POLL_PORT));
  if (next < 0) return found;
  stamps.forEach((before, index) => {
    const after = stamps[index + 1];
    if (after === undefined || ENDS[before.step] !== after.step) return;
    const start = next;
    if (before.step === 'poll') next += isOf(events[next], false, POLL_PORT) ? 1 : 0;
    else while (isOf(events[next], true, DATA_PORT)) next++;
    if (next > start) found.push({ before, after, events: events.slice(start, next) });
  });
  return found;
}

/**
 * Says by what guest times may be off beside host times: no exit comes before the instruction that makes it, and none of
 * the guest's instructions before the entry.
 * @param following the exit after each, for the entry that led to it, by its number
 */
export function checkClock(
  accesses: readonly StampedAccess[],
  following: (event: ExitEvent) => ExitEvent | undefined,
  tscOffset: bigint | undefined,
): ClockCheck {
  let lowNs = Number.NEGATIVE_INFINITY;
  let highNs = Number.POSITIVE_INFINITY;
  let bounded = 0;
  for (const { before, after, events } of accesses) {
    const [first] = events;
    const last = events.at(-1);
    const next = last && following(last);
    if (first === undefined || last === undefined || next === undefined) continue;
    bounded++;
    lowNs = Math.max(lowNs, before.ns - exitNs(first));
    highNs = Math.min(highNs, after.ns - entryNs(next));
  }
  const fits = lowNs <= highNs;
  const isKvms = tscOffset !== undefined && lowNs <= 0 && highNs >= 0;
  const correctionNs = isKvms || !fits || bounded === 0 ? 0 : (lowNs + highNs) / 2;
  return {
    source: bounded === 0 || !fits ? 'none' : isKvms ? 'kvm' : 'causality',
    ...(tscOffset === undefined ? {} : { tscOffset: Number(tscOffset) }),
    lowNs,
    highNs,
    correctionNs,
    errorNs: Math.max(highNs - correctionNs, correctionNs - lowNs),
    accesses: bounded,
  };
}

/** When the access left the guest: the last hardware exit of the run, else the return of KVM_RUN, which is later. */
const exitNs = ({ hardware, returnedNs }: ExitEvent): number => hardware?.at(-1)?.exitedNs ?? returnedNs;

/** When the guest went on: the first hardware entry, else the call of KVM_RUN, which is earlier. */
const entryNs = ({ hardware, enteredNs }: ExitEvent): number => hardware?.[0]?.enteredNs ?? enteredNs;
