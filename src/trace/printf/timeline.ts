import type { Hop } from '../../machine/hops.js';
import type { TimedStamp } from '../guest-clock.js';
import type { ExitEvent, HardwareExit } from '../model.js';
import { type Segment, segmentsOf } from '../segments.js';
import { ringAfter } from '../stamps.js';

/** Where a vCPU's thread is. 'inside': in KVM_RUN, where guest and kernel cannot be told apart. */
export type ChainMode = 'nonRootRing3' | 'nonRootRing0' | 'rootRing0' | 'rootRing3' | 'inside';

/** What begins a piece. */
export type PieceStart =
  | { readonly at: 'stamp' }
  /** KVM_RUN was called (rootRing0, inside), or the guest was entered, after that call or after an exit that KVM kept. */
  | { readonly at: 'entry'; readonly kept: HardwareExit | undefined }
  /** The guest was left: KVM goes on to the next entry, or to the return of KVM_RUN. */
  | { readonly at: 'exit'; readonly kept: boolean }
  /** KVM_RUN returned. */
  | { readonly at: 'return' }
  | { readonly at: 'hop'; readonly hop: Hop['name'] };

/** A stretch of a vCPU thread's time in one mode, without anything in between that was taken down. */
export interface Piece {
  readonly mode: ChainMode;
  readonly fromNs: number;
  readonly toNs: number;
  readonly start: PieceStart;
  /** The guest's last stamp before it; undefined before the first. */
  readonly stamp: TimedStamp | undefined;
  /** The exit that it leads to, or was handled in it. */
  readonly event: ExitEvent;
  /** The VM exit that ended it, or that KVM deals with in it. */
  readonly hardware: HardwareExit | undefined;
}

export interface TimedHop {
  readonly name: Hop['name'];
  readonly ns: number;
}

export interface TimelineInput {
  /** The guest's, oldest first. */
  readonly stamps: readonly TimedStamp[];
  /** Of the vCPU's thread, likewise. */
  readonly hops: readonly TimedHop[];
  /** Code from here on is ring 3's. */
  readonly programStart: number;
}

/**
 * One vCPU's run as pieces that follow one another without a gap, from its first KVM_RUN to its last exit.
 */
export function timeline(events: readonly ExitEvent[], { stamps, hops, programStart }: TimelineInput): Piece[] {
  const line = new Timeline(stamps, hops, programStart);
  for (const event of events) for (const segment of segmentsOf(event)) line.add(segment, event);
  return line.pieces;
}

class Timeline {
  readonly pieces: Piece[] = [];
  #stamp: TimedStamp | undefined;
  /** A guest's kernel comes before its program. */
  #ring: ChainMode = 'nonRootRing0';
  #nextStamp = 0;
  #nextHop = 0;

  constructor(
    private readonly stamps: readonly TimedStamp[],
    private readonly hops: readonly TimedHop[],
    private readonly programStart: number,
  ) {}

  add(segment: Segment, event: ExitEvent): void {
    if (segment.mode === 'rootRing3') this.#host(segment, event);
    else if (segment.mode === 'rootRing0') this.#kernel(segment, event);
    else this.#guest(segment, event);
  }

  #host({ fromNs, toNs }: Segment, event: ExitEvent): void {
    let start: PieceStart = { at: 'return' };
    let now = fromNs;
    for (let hop = this.hops[this.#nextHop]; hop && hop.ns <= toNs; hop = this.hops[++this.#nextHop]) {
      this.#push({ mode: 'rootRing3', fromNs: now, toNs: hop.ns, start, event, hardware: undefined });
      now = hop.ns;
      start = { at: 'hop', hop: hop.name };
    }
    this.#push({ mode: 'rootRing3', fromNs: now, toNs, start, event, hardware: undefined });
  }

  #kernel({ fromNs, toNs, hardware: index }: Segment, event: ExitEvent): void {
    const exits = event.hardware ?? [];
    const hardware = exits[index];
    const start: PieceStart =
      hardware === undefined ? { at: 'entry', kept: undefined } : { at: 'exit', kept: index < exits.length - 1 };
    this.#push({ mode: 'rootRing0', fromNs, toNs, start, event, hardware });
  }

  #guest({ mode, fromNs, toNs, hardware: index }: Segment, event: ExitEvent): void {
    const hardware = event.hardware?.[index];
    const isInside = mode === 'inside';
    let now = fromNs;
    const kept = event.hardware?.[index - 1];
    let start: PieceStart = { at: 'entry', kept };
    // Between two stamps the ring may have changed: the exit that KVM kept says where the guest goes on.
    if (kept !== undefined) this.#ring = kept.rip >= this.programStart ? 'nonRootRing3' : 'nonRootRing0';
    for (let next = this.stamps[this.#nextStamp]; next && next.ns <= toNs; next = this.stamps[++this.#nextStamp]) {
      // On the way from KVM_RUN to the first stamp the kernel had its part.
      const isMixed = isInside && start.at === 'entry';
      const at = Math.max(next.ns, now);
      this.#push({ mode: isMixed ? 'inside' : this.#ring, fromNs: now, toNs: at, start, event, hardware: undefined });
      this.#stamp = next;
      this.#ring = ringAfter(next.step) === 3 ? 'nonRootRing3' : 'nonRootRing0';
      now = at;
      start = { at: 'stamp' };
    }
    this.#push({ mode: isInside ? 'inside' : this.#ring, fromNs: now, toNs, start, event, hardware });
  }

  #push(piece: Omit<Piece, 'stamp'>): void {
    this.pieces.push({ ...piece, stamp: this.#stamp });
  }
}
