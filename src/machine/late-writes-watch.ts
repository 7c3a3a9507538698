import type { CoalescedRing } from '../kvm/coalesced.js';
import type { Vm } from '../kvm/vm.js';

/** So much output without a pause is a flood, and spares more exits than it costs to open and close. */
const FLOOD_BYTES = 128;
const FLOOD_MOST_BYTES = 0x8000;
const PAUSE_MS = 200;
/** Between looks: long enough for a write on a slow host, longer while all goes well. */
const LOOK_FIRST_MS = 16;
const LOOK_MOST_MS = 128;
/** So many looks in a row at which nothing had come since the last: the flood is over. */
const QUIET_LOOKS = 8;
/**
 * Strikes for writes that stand in the ring from one look to the next, of which each look without them takes one back:
 * a vCPU may have waited for its processor, but not so often.
 */
const STRIKES = 8;
const STRIKES_MOST = 20;

/** What the watch needs of `LatePorts`. */
export interface PortRange {
  readonly port: number;
  readonly size: number;
}

/**
 * The main thread's side of late writes: opens the ports, so that KVM takes writes down in place of an exit, while the
 * guest floods its console, and closes them after. A late write is carried out at the next exit. A guest that makes
 * none, since it waits for the interrupt by which the device tells that it is ready for more, or halts or spins with
 * its last words in the ring, is found by looking again and again, and its vCPUs are kicked; where that happens too
 * often the ports are closed, and next time it takes more of a flood to open them.
 */
export class LateWritesWatch {
  #isOpen = false;
  #floodBytes = FLOOD_BYTES;
  #bytes = 0;
  #lastOutputMs = 0;
  #position = 0;
  #lookMs = LOOK_FIRST_MS;
  #strikes = 0;
  #quietLooks = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param kick makes KVM_RUN return on every vCPU, which then carries out what waits */
  constructor(
    private readonly vm: Pick<Vm, 'registerCoalescedPio' | 'unregisterCoalescedPio'>,
    private readonly ring: Pick<CoalescedRing, 'isEmpty' | 'position'>,
    private readonly ports: readonly PortRange[],
    private readonly kick: () => void,
  ) {}

  /** So many bytes of output were taken at once. */
  outputTaken(bytes: number): void {
    const now = performance.now();
    this.#bytes = now - this.#lastOutputMs > PAUSE_MS ? bytes : this.#bytes + bytes;
    this.#lastOutputMs = now;
    if (this.#isOpen) return this.#putOffLook();
    if (this.#bytes < this.#floodBytes) return;
    for (const { port, size } of this.ports) this.vm.registerCoalescedPio(port, size);
    this.#isOpen = true;
    this.#lookMs = LOOK_FIRST_MS;
    this.#strikes = 0;
    this.#quietLooks = 0;
    this.#lookLater();
  }

  /** The vCPUs are about to stop: their threads carry out what waits as they end. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isOpen = true; // for good
  }

  #lookLater(): void {
    this.#position = this.ring.position;
    this.#timer = setTimeout(() => this.#look(), this.#lookMs);
    this.#timer.unref();
  }

  /** In a flood that goes well output is as good as a look, and spares the thread that wake-up. */
  #putOffLook(): void {
    if (this.#timer === undefined || this.#lookMs < LOOK_MOST_MS) return;
    clearTimeout(this.#timer);
    this.#goesWell();
    this.#lookLater();
  }

  #goesWell(): void {
    this.#quietLooks = 0;
    this.#strikes = Math.max(this.#strikes - 1, 0);
  }

  #look(): void {
    if (this.ring.position !== this.#position) {
      this.#goesWell();
      this.#lookMs = Math.min(this.#lookMs * 2, LOOK_MOST_MS);
    } else if (this.ring.isEmpty) {
      this.#quietLooks++;
    } else {
      this.#strikes += STRIKES;
      this.#lookMs = LOOK_FIRST_MS;
      this.kick();
    }
    if (this.#strikes < STRIKES_MOST && this.#quietLooks < QUIET_LOOKS) this.#lookLater();
    else this.#close();
  }

  #close(): void {
    this.#floodBytes =
      this.#strikes < STRIKES_MOST
        ? Math.max(this.#floodBytes / 2, FLOOD_BYTES)
        : Math.min(this.#floodBytes * 2, FLOOD_MOST_BYTES);
    for (const { port, size } of this.ports) this.vm.unregisterCoalescedPio(port, size);
    this.#isOpen = false;
    this.#bytes = 0;
    // What was written before KVM took the ports back is in the ring, and nothing comes after it.
    if (!this.ring.isEmpty) this.kick();
  }
}
