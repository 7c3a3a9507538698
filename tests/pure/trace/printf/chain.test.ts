import { describe, expect, it } from 'vitest';
import { checkClock, stampedAccesses } from '../../../../src/trace/guest-clock.js';
import { type Chain, printfChain } from '../../../../src/trace/printf/chain.js';
import { timeline } from '../../../../src/trace/printf/timeline.js';
import { type MadeUpOptions, madeUpCode, madeUpPrintf, PROGRAM_START } from './made-up.js';

interface Options extends MadeUpOptions {
  /** When the main thread begins to write. */
  readonly writtenNs?: number;
}

function chainOf(characters: number, { writtenNs = 50_000, ...options }: Options = {}): Chain {
  const { events, stamps, hops } = madeUpPrintf(characters, options);
  const pieces = timeline(events, { stamps, hops, programStart: PROGRAM_START });
  const writes = [{ offset: 0, bytes: characters, startNs: writtenNs, endNs: writtenNs + 1_000 }];
  const chain = printfChain({ pieces, stamps, code: madeUpCode(), writes, byTrap: false, programStart: PROGRAM_START });
  if (chain === undefined) throw new Error('there is no chain');
  return chain;
}

describe('[pure] the pieces of a run', () => {
  it('follow one another without a gap, from the first entry to the last exit', () => {
    for (const hasKernelSide of [true, false]) {
      const { events, stamps, hops } = madeUpPrintf(3, { hasKernelSide });
      const pieces = timeline(events, { stamps, hops, programStart: PROGRAM_START });
      expect(pieces[0]?.fromNs).toBe(events[0]?.enteredNs);
      expect(pieces.at(-1)?.toNs).toBe(events.at(-1)?.handledNs);
      expect(pieces.slice(1).map(({ fromNs }) => fromNs)).toEqual(pieces.slice(0, -1).map(({ toNs }) => toNs));
    }
  });
});

describe('[pure] the chain of a printf', () => {
  it('adds up to the time from the call to the return', () => {
    for (const hasKernelSide of [true, false]) {
      const { steps, spanNs } = chainOf(4, { hasKernelSide });
      const sum = steps.reduce((total, { thread, ns }) => total + (thread === 'vcpu' ? ns : 0), 0);
      expect(sum).toBe(spanNs);
      expect(spanNs).toBeGreaterThan(5_000);
      expect(steps.filter(({ ns }) => ns < 0)).toEqual([]);
    }
  });

  it('has each hop of the first character, in the mode where it is', () => {
    const { steps } = chainOf(1);
    expect(steps.map(({ mode, what }) => `${mode} ${what}`)).toEqual([
      'nonRootRing3 formats',
      'nonRootRing3 flushes',
      'nonRootRing3 syscall',
      'rootRing0 kvmKeepsExit',
      'nonRootRing0 kernelEntry',
      'nonRootRing0 kernelEntry',
      'nonRootRing0 driverStarts',
      'nonRootRing0 in',
      'rootRing0 kvmHandlesExit',
      'rootRing3 toTypeScript',
      'rootRing3 device',
      'rootRing3 toKvmRun',
      'rootRing0 kvmEnters',
      'nonRootRing0 inCompletes',
      'nonRootRing0 polled',
      'nonRootRing0 out',
      'rootRing0 kvmHandlesExit',
      'rootRing3 toTypeScript',
      'rootRing3 device',
      'rootRing3 consoleRing',
      'rootRing3 mainThread',
      'rootRing3 hostWrite',
      'rootRing3 deviceReturns',
      'rootRing3 toKvmRun',
      'rootRing0 kvmEnters',
      'nonRootRing0 outCompletes',
      'nonRootRing0 nextCharacter',
      'nonRootRing0 driverReturns',
      'nonRootRing0 sysret',
      'nonRootRing3 libraryReturns',
    ]);
  });

  it('has the source, the instruction and its registers', () => {
    const { steps } = chainOf(1);
    const step = (name: string) => steps.find(({ what }) => what === name);
    expect(step('syscall')).toMatchObject({
      source: { file: 'printf/program/stdio.c', line: 2 },
      disassembly: 'syscall',
      registers: { rax: '0x1', rdx: '0x1' },
    });
    expect(step('in')).toMatchObject({ rip: '0x1000', disassembly: 'in al,dx', registers: { dx: '0x3fd' } });
    expect(step('in')?.exit).toMatchObject({
      reason: 'IO_INSTRUCTION',
      info1: '0x3fd0008',
      io: { write: false, port: 0x3fd },
    });
    expect(step('out')).toMatchObject({
      source: { text: 'out8(UART_DATA, byte);' },
      disassembly: 'out dx,al',
      registers: { dx: '0x3f8', al: '0x68' },
      value: 0x68,
    });
    expect(step('sysret')).toMatchObject({ disassembly: 'o64 sysret', registers: { rax: '0x1' } });
    expect(step('kvmKeepsExit')).toMatchObject({ rip: '0x1030', exit: { reason: 'EPT_VIOLATION' } });
    expect(step('hostWrite')).toMatchObject({ thread: 'main', ns: 1_000, value: 1 });
  });

  it('has no wait for a main thread that was faster than the way back from the ring', () => {
    const ring = chainOf(1).steps.find(({ what }) => what === 'consoleRing');
    const calledNs = madeUpPrintf(1).stamps.find(({ step }) => step === 'printfCalled')?.ns ?? 0;
    const { steps } = chainOf(1, { writtenNs: calledNs + (ring?.startNs ?? 0) + 1 });
    const find = (name: string) => steps.find(({ what }) => what === name);
    expect(ring?.ns).toBeGreaterThan(1);
    expect(find('hostWrite')?.startNs).toBe((ring?.startNs ?? 0) + 1);
    expect(find('mainThread')).toMatchObject({ startNs: find('hostWrite')?.startNs, ns: 0 });
  });

  it('adds up the characters after the first', () => {
    const { steps, rest } = chainOf(5);
    expect(rest).toEqual({ characters: 4, exits: 8 });
    const sums = steps.filter(({ summed }) => summed !== undefined);
    expect(sums.find(({ what }) => what === 'out')).toMatchObject({ summed: 4, ns: 400 });
    expect(sums.find(({ what }) => what === 'kvmHandlesExit')).toMatchObject({ summed: 8, ns: 800 });
    expect(chainOf(1).rest).toEqual({ characters: 0, exits: 0 });
  });

  it('without the side of the hardware tells guest and kernel apart where a stamp does', () => {
    const { steps } = chainOf(1, { hasKernelSide: false });
    const inside = steps.filter(({ mode }) => mode === 'inside').map(({ what }) => what);
    expect(inside).toEqual(['accessToReturn', 'callToStamp', 'accessToReturn', 'callToStamp']);
    expect(steps.find(({ what }) => what === 'accessToReturn')).toMatchObject({ disassembly: 'in al,dx' });
    expect(steps.some(({ mode }) => mode === 'rootRing0')).toBe(false);
  });

  it('is not there where the guest stamped no printf', () => {
    const input = {
      pieces: [],
      stamps: [],
      code: madeUpCode(),
      writes: [],
      byTrap: false,
      programStart: PROGRAM_START,
    };
    expect(printfChain(input)).toBeUndefined();
  });
});

describe('[pure] the clocks of guest and host', () => {
  function check(lateNs: number, tscOffset: bigint | undefined, outs = 1) {
    const { events, stamps } = madeUpPrintf(4, { lateNs, outs });
    return checkClock(stampedAccesses(stamps, events), (event) => events[event.number + 1], tscOffset);
  }

  it('agree where KVM’s offset is right, within what the exits bound', () => {
    expect(check(0, 0n)).toEqual({
      source: 'kvm',
      tscOffset: 0,
      lowNs: -100,
      highNs: 100,
      correctionNs: 0,
      errorNs: 100,
      accesses: 8,
    });
  });

  it('are brought together by the bounds where it is not, or there is none', () => {
    expect(check(5_000, 0n)).toMatchObject({
      source: 'causality',
      lowNs: 4_900,
      highNs: 5_100,
      correctionNs: 5_000,
      errorNs: 100,
    });
    expect(check(-5_000, undefined)).toMatchObject({ source: 'causality', correctionNs: -5_000 });
    expect(check(-5_000, undefined)).not.toHaveProperty('tscOffset');
  });

  it('are not compared where nothing fits', () => {
    const { events, stamps } = madeUpPrintf(2);
    const drifting = stamps.map((stamp) => ({ ...stamp, ns: stamp.ns * 3 }));
    const clock = checkClock(stampedAccesses(drifting, events), (event) => events[event.number + 1], 0n);
    expect(clock).toMatchObject({ source: 'none', correctionNs: 0 });
    expect(checkClock([], () => undefined, 0n)).toMatchObject({ source: 'none', accesses: 0 });
  });

  it('bring an OUTS together with all its exits', () => {
    const { events, stamps } = madeUpPrintf(4, { outs: 4 });
    const accesses = stampedAccesses(stamps, events);
    expect(accesses.map(({ before, events: of }) => `${before.step} ${of.length}`)).toEqual(['poll 1', 'out 4']);
    expect(check(0, 0n, 4)).toMatchObject({ source: 'kvm' });
  });
});
