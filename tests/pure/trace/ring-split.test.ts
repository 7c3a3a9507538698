import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../src/memory/guest-memory.js';
import { RingSplit, ringTimes } from '../../../src/trace/ring-split.js';
import { STEPS } from '../../../src/trace/stamps.js';
import { type MadeUp, type MadeUpOptions, madeUpPrintf, PROGRAM_START } from './printf/made-up.js';

const AT = 0x1000;

function memoryOf({ stamps }: MadeUp, count = stamps.length): GuestMemory {
  const buffer = new SharedArrayBuffer(0x20000);
  const view = new DataView(buffer);
  view.setUint32(AT + 4, count, true);
  stamps.forEach(({ step, tsc, rip }, index) => {
    const at = AT + 16 + index * 32;
    const number = Object.entries(STEPS).find(([, name]) => name === step)?.[0];
    view.setBigUint64(at, tsc, true);
    view.setBigUint64(at + 8, rip, true);
    view.setUint32(at + 16, Number(number), true);
  });
  return new GuestMemory([{ start: 0, size: buffer.byteLength, buffer, offset: 0 }]);
}

function split(options: MadeUpOptions, count?: number, tscOffset: bigint | undefined = 0n) {
  const run = madeUpPrintf(3, options);
  const sink = new RingSplit();
  for (const event of run.events) sink.add(event);
  const place = { memory: memoryOf(run, count), address: AT, toNs: (tsc: number) => tsc, tscOffset };
  return sink.result({ ...place, programStart: PROGRAM_START });
}

describe('[pure] a guest’s time by ring', () => {
  it('is split by its stamps, and adds up to its time', () => {
    const { events, stamps } = madeUpPrintf(3);
    const whole = events
      .flatMap(({ hardware = [] }) => hardware)
      .reduce((sum, { enteredNs = 0, exitedNs }) => sum + exitedNs - enteredNs, 0);
    const times = ringTimes(events, stamps, PROGRAM_START);
    expect(times.nonRootRing3 + times.nonRootRing0).toBe(whole);
    expect(times.nonRootRing3).toBe(600);
    expect(split({})).toEqual(times);
  });

  it('does not depend on KVM’s offset', () => {
    expect(split({ lateNs: 4_000 })).toEqual(split({}));
    expect(split({ lateNs: 4_000 }, undefined, undefined)).toEqual(split({}));
  });

  it('is not known without the side of the hardware, or from a damaged table', () => {
    expect(split({ hasKernelSide: false })).toBeUndefined();
    expect(split({}, 0xffff)).toBeUndefined();
    expect(split({}, 0)).toBeUndefined();
  });
});
