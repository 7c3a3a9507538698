/**
 * What an engine is to start: the benchmark's guest with a command line; the same with nothing to do; or Debian's Linux
 * with an initramfs of ours. The last two are for the time that it takes: where a program is the engine, from its start.
 */
export type Start =
  | { readonly guest: 'bench'; readonly commandLine: string }
  | { readonly guest: 'hello' }
  | { readonly guest: 'linux' };

/** What runs the benchmark's guest: a virtual machine monitor, an emulator, or the processor itself. */
export interface Engine {
  /** "kvm", "qemu-tcg" … */
  readonly name: string;
  /** Workloads that would end or hang its guest here, and why. */
  readonly beyond?: ReadonlyMap<string, string>;
  /** Exits after which it handles one as fast as it ever will, where that is later than those of half a round. */
  readonly warmUpExits?: number;
  /** Its version, or why it cannot be used here. Asked once. */
  probe(): Promise<{ readonly version: string } | { readonly missing: string }>;
  /** Why it cannot start that; undefined where it can. Asked after `probe`. */
  refusalOf(start: Start): string | undefined;
  /**
   * Starts it, and waits until it has ended by itself or was ended: by `signal`, or because it
   * printed too much. It leaves no process behind. It rejects only for a bug.
   */
  launch(start: Start, signal: AbortSignal): Promise<Launch>;
}

/** What came of starting an engine once. */
export interface Launch {
  /** All that the guest sent to its serial port, a character for each byte (latin1). */
  readonly text: string;
  /** When its pieces came, in nanoseconds since the engine was started: piece `i` ends at place `ends[i]` of the text. */
  readonly ends: readonly number[];
  readonly timesNs: readonly number[];
  /** Why it did not end well: "ended with status 139 (SIGSEGV)". Undefined where it did. */
  readonly failure: string | undefined;
}

/** When the byte before a place in the text had come, in nanoseconds since the engine was started. */
export function arrivalOf({ ends, timesNs }: Pick<Launch, 'ends' | 'timesNs'>, place: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] ?? 0) >= place) high = middle;
    else low = middle + 1;
  }
  return timesNs[low] ?? Number.NaN;
}
