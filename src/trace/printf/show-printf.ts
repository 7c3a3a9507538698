import { readFileSync } from 'node:fs';
import { VmError } from '../../errors.js';
import { flavourName, softwareHost } from '../../kvm/flavour.js';
import { stampedAccesses } from '../guest-clock.js';
import { ioQualification } from '../io-qualification.js';
import type { ModeTimes } from '../model.js';
import type { ModeSums } from '../segments.js';
import { printfChain } from './chain.js';
import { type PrintfGuest, type PrintfRun, programStart, runPrintf } from './printf-run.js';
import type { PrintfResult, PrintfVariant } from './result.js';
import type { Piece } from './timeline.js';

type Way = Pick<PrintfVariant, 'buffering' | 'io'>;

/** The first is the run that the steps are shown of. */
const WAYS: readonly Way[] = [
  { buffering: 'line', io: 'byte' },
  { buffering: 'line', io: 'string' },
  { buffering: 'none', io: 'byte' },
  { buffering: 'none', io: 'string' },
];

/** As the source says: kernel.c's head comment. */
const UART_SETUP_OUTS = 7;
const END_OUTS = 1;
const FIFO_BYTES = 16;

/** All exits of the guest that prints a line of so many bytes: one IN for each piece of output, and one OUT a byte. */
export function expectedExits(lineBytes: number, { buffering, io }: Way): number {
  const piece = buffering === 'line' && io === 'string' ? FIFO_BYTES : 1;
  return UART_SETUP_OUTS + Math.ceil(lineBytes / piece) + lineBytes + END_OUTS;
}

const wordsOf = ({ buffering, io }: Way, byTrap: boolean): string[] => [
  ...(buffering === 'none' ? ['unbuffered'] : []),
  ...(io === 'string' ? ['string'] : []),
  ...(byTrap ? ['trap'] : []),
];

/**
 * Runs the printf guest in all ways, and makes of what was measured what is shown.
 * @param fd where the first run's output goes
 * @throws VmError as `runPrintf`
 */
export async function showPrintf(guest: PrintfGuest, fd: number): Promise<PrintfResult> {
  const flavour = flavourName();
  const byTrap = flavour === 'kvm_pvm'; // its SYSCALL does not leave ring 3
  const [first, ...others] = WAYS as [Way, ...Way[]];
  const shown = await runPrintf(guest, wordsOf(first, byTrap), fd, (run) => {
    const { pieces, stamps, code, writes, clock, output, kernelMissing } = run;
    const chain = printfChain({ pieces, stamps, code, writes, byTrap, programStart: programStart(guest.lines) });
    if (chain === undefined) throw new VmError('STAMPS_INVALID', 'the guest stamped no whole printf');
    return { ...chain, clock, output, kernelMissing, modes: modeTimes(pieces), variant: variantOf(first, run) };
  });
  const variants = [shown.variant];
  for (const way of others) {
    variants.push(await runPrintf(guest, wordsOf(way, byTrap), undefined, (run) => variantOf(way, run)));
  }
  const { steps, rest, spanNs, clock, output, kernelMissing, modes } = shown;
  return {
    host: softwareHost() ?? 'local',
    flavour,
    processor: processor(),
    ...(kernelMissing === undefined ? {} : { kernelMissing }),
    byTrap,
    output,
    clock,
    spanNs,
    steps,
    rest,
    modes,
    variants: variants.map((variant) => ({ ...variant, ratio: variant.ns / (variants[0]?.ns ?? variant.ns) })),
  };
}

function variantOf(way: Way, run: PrintfRun): PrintfVariant {
  const { events, stamps, output, kept, kernelMissing } = run;
  const accesses = stampedAccesses(stamps, events);
  const count = (step: string) => stamps.filter((stamp) => stamp.step === step).length;
  const timeOf = (step: string) => stamps.find((stamp) => stamp.step === step)?.ns ?? 0;
  const outs = accesses.filter(({ before }) => before.step === 'out');
  const isWhole = kernelMissing === undefined;
  return {
    ...way,
    expectedExits: expectedExits(output.length, way),
    exits: events.length,
    hardwareExits: isWhole ? kept.length + events.reduce((sum, { hardware = [] }) => sum + hardware.length, 0) : null,
    syscalls: count('syscallReturned'), // exit's, the last one, does not return
    polls: count('poll'),
    outInstructions: count('out'),
    outExits: outs.reduce((sum, access) => sum + access.events.length, 0),
    keptIoExits: isWhole ? keptIoExits(run) : null,
    ns: Math.round(timeOf('printfReturned') - timeOf('printfCalled')),
    ratio: 1,
  };
}

function keptIoExits({ events, kept }: PrintfRun): number {
  const all = [...events.flatMap(({ hardware = [] }) => hardware.slice(0, -1)), ...kept];
  return all.filter(({ reason, info1 }) => ioQualification(reason, info1) !== undefined).length;
}

/** Of the whole run, the guest's time by ring. */
function modeTimes(pieces: readonly Piece[]): ModeTimes {
  const sums: ModeSums = {};
  for (const { mode, fromNs, toNs } of pieces) sums[mode] = (sums[mode] ?? 0) + toNs - fromNs;
  const { nonRootRing3 = 0, nonRootRing0 = 0 } = sums;
  const nonRoot = nonRootRing3 + nonRootRing0;
  return { rootRing3: 0, ...sums, ...(sums.inside === undefined ? { nonRoot } : {}) };
}

/** What the host's processor calls itself. */
function processor(): string {
  try {
    return /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim() ?? '';
  } catch {
    return '';
  }
}
