import { duration } from '../html/format.js';
import type { PrintfVariant } from './result.js';

/** What string I/O made of the line that is printed at once. */
export interface StringIoFacts {
  readonly instructions: number;
  readonly exits: number;
  /** IN instructions that it had less than byte by byte. */
  readonly pollsSaved: number;
  readonly keptIoExits: number | null;
}

export function stringIoFacts(variants: readonly PrintfVariant[]): StringIoFacts {
  const of = (way: PrintfVariant['io']) => variants.find(({ buffering, io }) => buffering === 'line' && io === way);
  const [bytes, string] = [of('byte'), of('string')];
  return {
    instructions: string?.outInstructions ?? 0,
    exits: string?.outExits ?? 0,
    pollsSaved: (bytes?.polls ?? 0) - (string?.polls ?? 0),
    keptIoExits: string?.keptIoExits ?? null,
  };
}

/** A time that may not have been measured. */
export const measured = (ns: number | undefined): string => (ns === undefined ? '–' : duration(ns));

/** 'h', or 0x0a. */
export function characterOf(byte = 0): string {
  return byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `0x${byte.toString(16).padStart(2, '0')}`;
}
