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
  readonly variantNotes: (variants: readonly PrintfVariant[]) => readonly string[];
}
