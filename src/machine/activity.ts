import { KVM_MP_STATE_HALTED, KVM_MP_STATE_RUNNABLE } from '../kvm/abi/constants.js';
import { exitLabel } from '../kvm/exit-words.js';
import type { ControlBlock } from './control.js';

const LOOK_MS = 1000;

/** What a vCPU did in the last one to two seconds before it was stopped. */
export interface Activity {
  /**
   * `halted`: HLT, waiting for an interrupt. `spinning`: it ran and made no exit. `exiting`: it ran and made exits.
   * `not-started`: it waits for another CPU to start it.
   */
  readonly doing: 'halted' | 'spinning' | 'exiting' | 'not-started';
  /** RFLAGS.IF: halted without it, it waits for ever. */
  readonly interruptsOn: boolean;
  /** Milliseconds that were looked at. */
  readonly windowMs: number;
  /** Exits in them, by KVM's name of the reason without KVM_EXIT_. */
  readonly exits: Readonly<Record<string, number>>;
}

interface Look {
  readonly atMs: number;
  readonly counts: readonly Float64Array[];
}

/** Looks once a second at what the vCPUs have counted, so that an end can be told from what came shortly before. */
export class ActivityWatch {
  readonly #controls: readonly ControlBlock[];
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #last: Look;
  #beforeLast: Look;
  #end: Look | undefined;

  /** @param now milliseconds of some clock */
  constructor(controls: readonly ControlBlock[], now: () => number = () => performance.now()) {
    this.#controls = controls;
    this.#now = now;
    this.#last = this.#look();
    this.#beforeLast = this.#last;
  }

  start(): void {
    this.#last = this.#look();
    this.#beforeLast = this.#last;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  look(): void {
    this.#beforeLast = this.#last;
    this.#last = this.#look();
  }

  /** The vCPUs are about to stop, or have stopped: what they did until now is kept. The first call counts. */
  end(): void {
    clearInterval(this.#timer);
    this.#end ??= this.#look();
  }

  /** @param index of the vCPU; @param mpState its KVM_MP_STATE_* where it was stopped */
  of(index: number, mpState: number, interruptsOn: boolean): Activity {
    const end = this.#end ?? this.#look();
    const from = this.#beforeLast.counts[index] ?? new Float64Array();
    const exits: Record<string, number> = {};
    end.counts[index]?.forEach((count, reason) => {
      const made = count - (from[reason] ?? 0);
      if (made > 0) exits[exitLabel(reason)] = made;
    });
    const windowMs = Math.round(end.atMs - this.#beforeLast.atMs);
    return { doing: doing(mpState, exits), interruptsOn, windowMs, exits };
  }

  #look(): Look {
    return { atMs: this.#now(), counts: this.#controls.map(({ byReason }) => byReason.slice()) };
  }
}

function doing(mpState: number, exits: Readonly<Record<string, number>>): Activity['doing'] {
  if (mpState === KVM_MP_STATE_HALTED) return 'halted';
  if (mpState !== KVM_MP_STATE_RUNNABLE) return 'not-started';
  return Object.keys(exits).length === 0 ? 'spinning' : 'exiting';
}
