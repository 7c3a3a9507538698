import type { IoQualification } from '../io-qualification.js';
import { characterOf, type StringIoFacts, stringIoFacts } from './facts.js';
import type { Words } from './words.js';

export const ENGLISH: Words = {
  colon: ': ',
  comma: ', ',
  aside: (text) => ` (${text})`,
  title: 'The life and death of a printf',
  summary: (byTrap) =>
    `From the call in ring 3 of the guest to the character on the host, and back. ${byTrap ? 'UD2 stands for SYSCALL, which does not leave ring 3 on this KVM. ' : ''}All times were measured in this run.`,
  host: 'Host',
  modes: {
    nonRootRing3: { name: 'non-root operation, ring 3', who: 'the program and its C library' },
    nonRootRing0: { name: 'non-root operation, ring 0', who: "the guest's kernel" },
    rootRing0: { name: 'root operation, ring 0', who: "the host's kernel, KVM" },
    rootRing3: { name: 'root operation, ring 3', who: 'vmlaunch' },
    inside: { name: 'inside KVM_RUN', who: 'guest and KVM, not told apart' },
  },
  timesOfRun: "the guest's whole run",
  steps: {
    formats: ({ value }) => `printf: the library puts the text into its buffer, ${value} bytes`,
    flushes: ({ value }) => `The line has ended: the library flushes its ${value} bytes`,
    syscall: ({ value }) => `write: the library makes system call ${value}`,
    kernelEntry: () => "The guest's kernel is entered, and finds what the call wants",
    driverStarts: ({ value }) => `The UART's driver is called for ${value} bytes`,
    in: () => 'The driver polls: IN from the line status register (LSR)',
    inCompletes: () => 'IN is complete: al has the status',
    polled: () => 'The transmitter is empty: the driver takes the next byte',
    out: ({ value }) => `OUT${value === undefined ? '' : ` of ${characterOf(value)}`} to the UART's data register`,
    outCompletes: () => 'OUT is complete',
    nextCharacter: () => 'The driver goes on',
    driverReturns: () => "The driver returns to the kernel's write",
    sysret: ({ value }) => `The kernel returns ${value} to the program`,
    libraryReturns: () => 'The library goes on, and printf returns',
    kvmHandlesExit: () => 'KVM has no such device: KVM_RUN returns with KVM_EXIT_IO',
    kvmKeepsExit: ({ exit }) =>
      exit?.reason === 'EPT_VIOLATION' || exit?.reason === 'npf'
        ? 'First touch of a page: KVM gives the guest memory there'
        : 'KVM deals with it itself',
    kvmEnters: () => 'KVM completes the access, and enters the guest',
    accessToReturn: () => 'The access leaves the guest; KVM_RUN returns with KVM_EXIT_IO',
    callToStamp: () => 'KVM completes the access, and the guest goes on',
    toTypeScript: () => 'Return to TypeScript: the loop looks at kvm_run',
    device: () => 'The bus finds the UART: its register is accessed',
    consoleRing: () => "The byte goes into the console's ring; word to the main thread",
    deviceReturns: () => 'The UART has sent its byte',
    toKvmRun: () => 'The loop calls KVM_RUN again',
    mainThread: () => 'The main thread waits for more, and takes what has come',
    hostWrite: ({ value }) => `write(2) to standard output: ${value} bytes`,
  },
  resumed: 'goes on',
  crossings: {
    vmExit: 'VM exit',
    vmEntry: 'VM entry',
    intoKernel: 'SYSCALL',
    trapIntoKernel: 'exception #UD',
    outOfKernel: 'SYSRET',
    runReturns: 'KVM_RUN returns',
    runCalled: 'ioctl KVM_RUN',
  },
  qualification: (io) => qualification(io),
  mainThread: 'main thread, beside',
  rest: (characters, exits) => `The other ${characters} characters go the same way, by ${exits} returns of KVM_RUN:`,
  wayBack: 'The way back',
  sum: (steps, span) =>
    `The steps add up to ${steps}; from printf's call to its return it is ${span} by the guest's TSC.`,
  clock: ({ source, tscOffset, lowNs, highNs, correctionNs, accesses, errorNs }, show) => {
    const bounds = `${accesses} port accesses, which cannot exit before their instruction nor go on before the entry, bound its error to ${show(lowNs)} … ${show(highNs)}`;
    const kvms = `Clock: guest TSC = host TSC + (${tscOffset}), as KVM says`;
    if (source === 'kvm') return `${kvms}. ${bounds}: it fits, and is wrong by ${show(errorNs)} at most.`;
    if (source === 'none')
      return `${tscOffset === undefined ? 'Clock: KVM names no TSC offset' : kvms}. No offset fits all port accesses: times of guest and host cannot be compared.`;
    return `${tscOffset === undefined ? 'Clock: KVM names no TSC offset' : `${kvms}, which is not so`}. ${bounds}: the middle was taken, ${show(correctionNs)}, and is wrong by ${show(errorNs)} at most.`;
  },
  hardwareMissing: (why) => `VM exits and entries are not shown one by one: ${why}.`,
  softwareHost: 'This host is a processor in software: its times stand for no hardware.',
  cold: 'The first exits are slow, since V8 has compiled nothing yet; the sums show what the later ones take.',
  variants: 'Four ways to print the line',
  way: ({ buffering, io }) =>
    `${buffering === 'line' ? 'line-buffered' : 'unbuffered'}, ${io === 'byte' ? 'bytes' : 'strings'}`,
  variantColumns: {
    source: 'source',
    exits: 'exits',
    hardware: 'VM exits',
    syscalls: 'calls',
    in: 'IN',
    out: 'OUT',
    outExits: 'by OUT',
    time: 'time',
    ratio: 'ratio',
  },
  page: {
    processor: 'processor',
    printed: 'printed',
    modes: 'Four modes',
    mode: 'mode',
    who: 'who runs there',
    chain: 'From the call to the host and back',
    keys: 'Click a step, or press Enter on it, and it opens. Arrow keys go from step to step.',
    clock: 'Time',
    footer:
      'Made by vmlaunch. Terms as in Intel’s SDM, volume 3: VMX root and non-root operation, VM entry, VM exit; on AMD, host and guest mode.',
    yes: 'yes',
    no: 'no',
    facts: {
      duration: 'duration',
      start: 'after the call',
      times: 'times',
      source: 'source',
      line: 'its line',
      instruction: 'instruction',
      registers: 'registers',
      reason: 'exit reason',
      qualification: 'exit qualification',
      vectoring: 'IDT-vectoring info',
      direction: 'direction',
      size: 'size of access',
      string: 'string instruction',
      operand: 'operand',
      immediate: 'immediate',
      port: 'port',
      decodedBy: 'decoded by',
      sdm: 'SDM volume 3, “Exit Qualification for I/O Instructions”',
      apm: 'APM volume 2, “IOIO Intercept Information”',
      bytes: (count) => `${count} ${count === 1 ? 'byte' : 'bytes'}`,
    },
  },
  variantNotes: (variants) => [
    'Each way is a run of its own: by lines or not, OUT of each byte or OUTS of strings. source: exits of the whole guest that its source predicts; exits: returns of KVM_RUN; VM exits: with those that KVM kept to itself. The rest is of the line alone: system calls, IN, and OUT or OUTS instructions, returns by these, the time from the call to the return.',
    ...stringIoNotes(stringIoFacts(variants)),
  ],
};

function qualification({ write, size, string, rep, port, operand }: IoQualification): string {
  const name = `${rep ? 'REP ' : ''}${write ? 'OUT' : 'IN'}${string ? 'S' : ''}`;
  const from = operand === undefined ? '' : operand === 'dx' ? ' in DX' : ', immediate';
  return `${name}, ${size} ${size === 1 ? 'byte' : 'bytes'}, port 0x${port.toString(16)}${from}`;
}

function stringIoNotes({ instructions, exits, pollsSaved, keptIoExits }: StringIoFacts): string[] {
  const saves =
    exits > instructions
      ? `String I/O saves no exit by OUT: ${instructions} OUTS instructions made ${exits} exits, one for each byte. OUTS reads memory, so KVM emulates it, and its emulator hands it over element by element.`
      : `String I/O saves exits by OUT here: ${instructions} OUTS instructions made ${exits}.`;
  const kept =
    keptIoExits === null || keptIoExits === 0
      ? ''
      : ` And ${keptIoExits} VM exits more came of it that KVM kept: REP OUTS is executed once more when no element is left.`;
  const polls =
    pollsSaved > 0 ? ` What it does save is ${pollsSaved} IN: the driver polls once for each FIFO of 16 bytes.` : '';
  return [`${saves}${kept}${polls}`, BUFFERING];
}

const BUFFERING = 'Buffering saves system calls, and no exit: SYSCALL and SYSRET stay inside the guest.';
