import type { TimedStamp } from '../guest-clock.js';
import { ioQualification } from '../io-qualification.js';
import type { Access, HardwareExit } from '../model.js';
import type { GuestStep } from '../stamps.js';
import type { CodePlace, GuestSource } from './guest-source.js';
import type { PrintfStep, Rest, StepExit, StepName } from './result.js';
import type { Piece } from './timeline.js';

/** A piece of output on its way from the console's ring to the host. Times of the recording's clock. */
export interface HostWrite {
  /** Of the whole output, the first byte in it. */
  readonly offset: number;
  readonly bytes: number;
  readonly startNs: number;
  readonly endNs: number;
}

export interface ChainInput {
  readonly pieces: readonly Piece[];
  readonly stamps: readonly TimedStamp[];
  readonly code: GuestSource;
  readonly writes: readonly HostWrite[];
  /** Whether the guest's way into its kernel is UD2. */
  readonly byTrap: boolean;
  /** Code from here on is ring 3's. */
  readonly programStart: number;
}

export interface Chain {
  readonly steps: readonly PrintfStep[];
  readonly rest: Rest;
  readonly spanNs: number;
}

/** What the guest does from a stamp on. */
const AFTER_STAMP: Readonly<Record<GuestStep, StepName>> = {
  programStarted: 'formats',
  printfCalled: 'formats',
  printfBuffered: 'flushes',
  syscall: 'syscall',
  kernelEntered: 'kernelEntry',
  driverCalled: 'driverStarts',
  poll: 'in',
  polled: 'polled',
  out: 'out',
  outDone: 'nextCharacter',
  driverDone: 'driverReturns',
  kernelLeft: 'sysret',
  syscallReturned: 'libraryReturns',
  printfReturned: 'libraryReturns',
};
const COMPLETES: Readonly<Partial<Record<GuestStep, StepName>>> = { poll: 'inCompletes', out: 'outCompletes' };
const AFTER_HOP = {
  busEntered: 'device',
  consoleEntered: 'consoleRing',
  consoleLeft: 'deviceReturns',
  busLeft: 'toKvmRun',
} as const satisfies Record<string, StepName>;

/**
 * From the pieces of a run the steps from printf's call to its return: the first character's one by one, those of all
 * others added up, and the way back one by one again. Undefined where the guest stamped no whole printf.
 */
export function printfChain(input: ChainInput): Chain | undefined {
  const at = (step: GuestStep) => input.stamps.find((stamp) => stamp.step === step);
  const [called, returned, firstOut] = [at('printfCalled'), at('printfReturned'), at('outDone')];
  if (called === undefined || returned === undefined || firstOut === undefined) return undefined;
  const lastOut = input.stamps.findLast(({ step, ns }) => step === 'outDone' && ns < returned.ns) ?? firstOut;
  const pieces = input.pieces
    .filter(({ fromNs, toNs }) => fromNs < returned.ns && toNs > called.ns)
    .filter(({ fromNs, toNs, hardware }) => toNs > fromNs || hardware !== undefined)
    .map((piece) => ({ ...piece, fromNs: Math.max(piece.fromNs, called.ns), toNs: Math.min(piece.toNs, returned.ns) }));
  const isRest = ({ fromNs, toNs }: Piece) => fromNs >= firstOut.ns && toNs <= lastOut.ns;
  const between = pieces.filter(isRest);
  const steps = new Steps(input, called.ns);
  const before = pieces.filter(({ toNs }) => toNs <= firstOut.ns);
  const after = pieces.filter((piece) => piece.fromNs >= firstOut.ns && !isRest(piece));
  return {
    steps: [
      ...withHostWrite(
        before.map((piece) => steps.of(piece)),
        input.writes,
        called.ns,
      ),
      ...summed(between.map((piece) => steps.timesOf(piece))),
      ...after.map((piece) => steps.of(piece)),
    ],
    rest: {
      characters: input.stamps.filter(({ step, ns }) => step === 'outDone' && ns > firstOut.ns && ns <= lastOut.ns)
        .length,
      exits: between.filter(({ start }) => start.at === 'return').length,
    },
    spanNs: rounded(returned.ns - called.ns),
  };
}

/** Nanoseconds with three places: a tick is less. */
const rounded = (ns: number): number => Math.round(ns * 1000) / 1000;

/** What the main thread does with the first character, after the step that brought it there. */
function withHostWrite(steps: readonly PrintfStep[], writes: readonly HostWrite[], calledNs: number): PrintfStep[] {
  const at = steps.findLastIndex(({ what }) => what === 'consoleRing');
  const ring = steps[at];
  const write = writes.find(({ offset, bytes }) => offset === 0 && bytes > 0);
  if (ring === undefined || write === undefined) return [...steps];
  const beside = { mode: 'rootRing3', thread: 'main' } as const;
  const startNs = rounded(write.startNs - calledNs);
  // On a busy host the main thread may have it before the vCPU's thread, put aside meanwhile, is back from the ring.
  const inRing = Math.min(ring.startNs + ring.ns, startNs);
  return [
    ...steps.slice(0, at + 1),
    { ...beside, what: 'mainThread', startNs: inRing, ns: rounded(startNs - inRing) },
    { ...beside, what: 'hostWrite', startNs, ns: rounded(write.endNs - write.startNs), value: write.bytes },
    ...steps.slice(at + 1),
  ];
}

/** Steps of the same kind added up, each kind where it came first. */
function summed(steps: readonly PrintfStep[]): PrintfStep[] {
  const sums = new Map<string, PrintfStep & { summed: number }>();
  for (const { mode, what, ns, startNs, thread, exit } of steps) {
    const key = `${mode} ${what}${what === 'kvmKeepsExit' ? exit?.reason : ''}`;
    const before = sums.get(key);
    const kept = what === 'kvmKeepsExit' && exit ? { exit } : {};
    const sum = before ?? { mode, what, ns: 0, startNs, thread, summed: 0, ...kept };
    sums.set(key, { ...sum, ns: rounded(sum.ns + ns), summed: sum.summed + 1 });
  }
  return [...sums.values()];
}

class Steps {
  constructor(
    private readonly input: ChainInput,
    private readonly calledNs: number,
  ) {}

  /** What a sum needs. */
  timesOf(piece: Piece): PrintfStep {
    const { mode, fromNs, toNs, hardware } = piece;
    return {
      mode,
      what: nameOf(piece),
      ns: rounded(toNs - fromNs),
      startNs: rounded(fromNs - this.calledNs),
      thread: 'vcpu',
      ...(hardware ? { exit: exitOf(hardware) } : {}),
    };
  }

  of(piece: Piece): PrintfStep {
    const { mode, stamp, hardware } = piece;
    const times = this.timesOf(piece);
    const { what } = times;
    const isGuests = mode === 'nonRootRing3' || mode === 'nonRootRing0' || what === 'accessToReturn';
    return {
      ...times,
      ...(isGuests && piece.start.at === 'entry' && piece.start.kept !== undefined ? { resumed: true } : {}),
      ...(isGuests && stamp ? this.#guestPart(what, stamp, piece) : {}),
      ...(what === 'kvmKeepsExit' && hardware ? codeOf(this.input.code.at(hardware.rip)) : {}),
    };
  }

  #guestPart(what: StepName, stamp: TimedStamp, piece: Piece): Partial<PrintfStep> {
    const place = this.#placeOf(what, stamp, piece);
    const registers = this.#registers(what, stamp, piece.event.access);
    const value = VALUE_MATTERS.has(what) ? { value: Number(this.#valueOf(what, stamp)) } : {};
    return { ...value, ...codeOf(place), ...(registers && !isOther(what, place) ? { registers } : {}) };
  }

  #placeOf(what: StepName, { rip }: TimedStamp, { event, hardware, start, mode }: Piece): CodePlace {
    const { code, byTrap, programStart } = this.input;
    if (what === 'accessToReturn') return code.at(event.rip);
    // An exit in the kernel is past SYSCALL, which is what the step is about.
    const isPast = mode === 'nonRootRing3' && hardware !== undefined && hardware.rip < programStart;
    if (hardware !== undefined && !isPast) return code.at(hardware.rip);
    if (what === 'syscall') return code.find(rip, byTrap ? 'ud2' : 'syscall') ?? code.announcedAt(rip);
    if (what === 'sysret') return code.findFrom('system_call_entry', 'sysret') ?? code.announcedAt(rip);
    return start.at === 'entry' && start.kept ? code.at(start.kept.rip) : code.announcedAt(rip);
  }

  /** Of 'formats' the stamp that ends it tells how many bytes there are; of others their own does. */
  #valueOf(what: StepName, stamp: TimedStamp): bigint {
    return what === 'formats' ? (this.#next(stamp, 'printfBuffered')?.value ?? 0n) : stamp.value;
  }

  #next(after: TimedStamp, step: GuestStep): TimedStamp | undefined {
    const { stamps } = this.input;
    return stamps.slice(stamps.indexOf(after)).find((stamp) => stamp.step === step);
  }

  #registers(what: StepName, stamp: TimedStamp, access: Access | undefined): PrintfStep['registers'] {
    switch (what) {
      case 'syscall': {
        const bytes = this.#next(stamp, 'driverCalled');
        return { rax: hex(stamp.value), ...(bytes ? { rdx: hex(bytes.value) } : {}) };
      }
      case 'sysret':
        return { rax: hex(stamp.value) };
      case 'polled':
        return { al: hex(stamp.value) };
      case 'in':
      case 'out':
      case 'accessToReturn':
        return access && { dx: hex(access.address), ...(access.write ? { al: hex(access.value) } : {}) };
      default:
        return undefined;
    }
  }
}

const codeOf = ({ rip, source, instruction }: CodePlace): Pick<PrintfStep, 'rip' | 'source' | 'disassembly'> => ({
  rip: hex(rip),
  ...(source ? { source } : {}),
  ...(instruction ? { disassembly: instruction.text } : {}),
});

/** Another instruction of the step than that whose registers are known. */
const isOther = (what: StepName, { instruction }: CodePlace): boolean =>
  (what === 'syscall' && !/^(syscall|ud2)$/.test(instruction?.text ?? '')) ||
  ((what === 'in' || what === 'out') && !/\b(in|out|outsb) /.test(`${instruction?.text} `));

/** Where the stamp's value is shown beside the step. */
const VALUE_MATTERS: ReadonlySet<StepName> = new Set([
  'formats',
  'flushes',
  'syscall',
  'driverStarts',
  'out',
  'sysret',
]);

function nameOf({ mode, start, stamp, hardware, event }: Piece): StepName {
  if (mode === 'rootRing3') return start.at === 'hop' ? AFTER_HOP[start.hop] : 'toTypeScript';
  if (mode === 'rootRing0') {
    if (start.at !== 'exit') return 'kvmEnters';
    return start.kept ? 'kvmKeepsExit' : 'kvmHandlesExit';
  }
  if (mode === 'inside') return start.at === 'entry' ? 'callToStamp' : 'accessToReturn';
  const step = stamp?.step ?? 'programStarted';
  // A `rep outs` exits anew at each element: it is complete where none follows.
  const isAnother = hardware !== undefined && hardware === event.hardware?.at(-1);
  const completes = start.at === 'entry' && start.kept === undefined && !isAnother ? COMPLETES[step] : undefined;
  // An exit on the way between the rings has told that it is past the instruction.
  if (step === 'syscall' && mode === 'nonRootRing0') return 'kernelEntry';
  if (step === 'kernelLeft' && mode === 'nonRootRing3') return 'libraryReturns';
  return completes ?? AFTER_STAMP[step];
}

function exitOf({ reason, info1, info2 }: HardwareExit): StepExit {
  const io = ioQualification(reason, info1);
  return { reason, info1: hex(info1), info2: hex(info2), ...(io ? { io } : {}) };
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
