import type { ClockCheck } from '../guest-clock.js';
import type { IoQualification } from '../io-qualification.js';
import type { PrintfStep, PrintfVariant, StepName } from './result.js';
import type { ChainMode } from './timeline.js';

/** How one step comes after another in a different mode. */
export type Crossing =
  | 'vmExit'
  | 'vmEntry'
  | 'intoKernel'
  | 'trapIntoKernel'
  | 'outOfKernel'
  | 'runReturns'
  | 'runCalled';

/** All prose of text and page. What a function is given was measured. */
export interface Words {
  readonly title: string;
  readonly colon: string;
  readonly comma: string;
  /** In brackets. */
  readonly aside: (text: string) => string;
  readonly summary: (byTrap: boolean) => string;
  readonly host: string;
  readonly modes: Readonly<Record<ChainMode, { readonly name: string; readonly who: string }>>;
  readonly timesOfRun: string;
  readonly steps: Readonly<Record<StepName, (step: Pick<PrintfStep, 'value' | 'exit'>) => string>>;
  readonly resumed: string;
  readonly crossings: Readonly<Record<Crossing, string>>;
  readonly qualification: (io: IoQualification) => string;
  readonly mainThread: string;
  readonly rest: (characters: number, exits: number) => string;
  readonly wayBack: string;
  readonly sum: (steps: string, span: string) => string;
  readonly clock: (clock: ClockCheck, show: (ns: number) => string) => string;
  readonly hardwareMissing: (why: string, flavour: string) => string;
  readonly softwareHost: string;
  readonly cold: string;
  readonly variants: string;
  readonly way: (variant: Pick<PrintfVariant, 'buffering' | 'io'>) => string;
  readonly variantColumns: {
    readonly source: string;
    readonly exits: string;
    readonly hardware: string;
    readonly syscalls: string;
    readonly in: string;
    readonly out: string;
    readonly outExits: string;
    readonly time: string;
    readonly ratio: string;
  };
  /** Of the page alone. */
  readonly page: PageWords;
  readonly variantNotes: (variants: readonly PrintfVariant[]) => readonly string[];
}

export interface PageWords {
  readonly processor: string;
  readonly printed: string;
  readonly modes: string;
  readonly mode: string;
  readonly who: string;
  readonly chain: string;
  readonly keys: string;
  readonly clock: string;
  readonly footer: string;
  readonly yes: string;
  readonly no: string;
  /** Names of what is known of a step, and some values. */
  readonly facts: {
    readonly duration: string;
    readonly start: string;
    readonly times: string;
    readonly source: string;
    readonly line: string;
    readonly instruction: string;
    readonly registers: string;
    readonly reason: string;
    readonly qualification: string;
    readonly vectoring: string;
    readonly direction: string;
    readonly size: string;
    readonly string: string;
    readonly operand: string;
    readonly immediate: string;
    readonly port: string;
    readonly decodedBy: string;
    readonly sdm: string;
    readonly apm: string;
    readonly bytes: (count: number) => string;
  };
}
