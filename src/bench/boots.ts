/** Boots as a suite measures them: from the start of an engine to a word of its guest, by the host's clock. */
import type { Start } from './engine.js';
import { parseBenchOutput } from './guest-output.js';

export interface Boot {
  readonly name: string;
  readonly kind: 'boot';
  /** What its figure shows, in one line. */
  readonly shows: string;
  /** Boots of the same start are measured by one launch. */
  readonly start: Start;
  /** It is not made in every round, but where it fits into the time that is left. */
  readonly isLong?: true;
  /** About as long as so many iterations of a workload take, where nothing else tells what it would take. */
  readonly like?: { readonly workload: string; readonly iterations: number };
  /** The place in the guest's output behind the byte that ends it; undefined where it did not come to that. */
  endIn(text: string): number | undefined;
}

const HELLO: Start = { guest: 'hello' };
/** What Linux's /init says first. */
export const LINUX_LINE = 'init';

export const BOOTS: readonly Boot[] = [
  {
    name: 'boot.first-instruction',
    kind: 'boot',
    shows: "from the engine's start to the first byte, which the image's first instructions send",
    start: HELLO,
    endIn: (text) => parseBenchOutput(text, []).bootAt,
  },
  {
    name: 'boot.hello',
    kind: 'boot',
    shows: "from the engine's start to the last line of a guest that has nothing to do",
    start: HELLO,
    endIn: (text) => parseBenchOutput(text, []).endAt,
  },
  {
    name: 'boot.linux',
    kind: 'boot',
    shows: "from the engine's start to /init of Debian's kernel",
    start: { guest: 'linux' },
    isLong: true,
    // On the host svm with its kvm: 7.5 s, at 3.04 ns an iteration.
    like: { workload: 'cpu.integer', iterations: 2.5e9 },
    endIn: (text) => {
      const line = new RegExp(`^${LINUX_LINE}\\r?\\n`, 'm').exec(text);
      return line === null ? undefined : line.index + line[0].length;
    },
  },
];
