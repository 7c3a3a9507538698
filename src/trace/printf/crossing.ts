import type { PrintfStep } from './result.js';
import type { ChainMode } from './timeline.js';
import type { Crossing } from './words.js';

const isGuests = (mode: ChainMode): boolean => mode === 'nonRootRing3' || mode === 'nonRootRing0';

/** What leads from one step of the vCPU's thread to the next; undefined where the mode stays, or what leads on is in a step. */
export function crossingBetween(from: PrintfStep, to: PrintfStep, byTrap: boolean): Crossing | undefined {
  if (from.mode === to.mode) return undefined;
  if (isGuests(from.mode) && isGuests(to.mode)) {
    if (to.mode === 'nonRootRing3') return 'outOfKernel';
    return byTrap ? 'trapIntoKernel' : 'intoKernel';
  }
  if (to.mode === 'rootRing3') return 'runReturns';
  if (from.mode === 'rootRing3') return 'runCalled';
  if (from.mode === 'rootRing0') return 'vmEntry';
  return to.mode === 'rootRing0' ? 'vmExit' : undefined;
}
