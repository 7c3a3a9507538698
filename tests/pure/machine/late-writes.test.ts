import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encode } from '../../../src/kvm/abi/layout.js';
import { kvmCoalescedMmio } from '../../../src/kvm/abi/run.js';
import { LateWrites, lateWritesCell } from '../../../src/machine/late-writes.js';
import { LateWritesWatch } from '../../../src/machine/late-writes-watch.js';
import { Lock } from '../../../src/memory/lock.js';

const RING = 2 * 4096;
const HEADER_BYTES = 8;
const UART = 0x3f8;
const OTHER = 0x5c0;

/** KVM's side of the ring, in a run page of zeros. */
class Kvm {
  readonly page = new Uint8Array(new SharedArrayBuffer(3 * 4096));
  readonly #indices = new Uint32Array(this.page.buffer, RING, 2);

  write(port: number, bytes: readonly number[], isPio = true): void {
    const last = this.#indices[1] ?? 0;
    const data = Uint8Array.of(...bytes, ...new Uint8Array(8 - bytes.length));
    const entry = { physAddr: BigInt(port), len: bytes.length, pio: isPio ? 1 : 0, data };
    this.page.set(encode(kvmCoalescedMmio, entry), RING + HEADER_BYTES + kvmCoalescedMmio.size * last);
    this.#indices[1] = last + 1;
  }
}

function rig() {
  const kvm = new Kvm();
  const calls: string[] = [];
  const device = (name: string) => ({
    writeLate: (offset: number, values: Uint32Array, count: number) =>
      void calls.push(`${name}+${offset}: ${[...values.subarray(0, count)]}`),
    settle: () => void calls.push(`${name} settles`),
  });
  const lock = () => new Lock(new Int32Array(new SharedArrayBuffer(4)), 0);
  const ports = [
    { port: UART, size: 1, device: device('uart'), lock: lock() },
    { port: OTHER, size: 4, device: device('other'), lock: lock() },
  ];
  const late = new LateWrites(kvm.page, ports, lateWritesCell());
  return { kvm, calls, late };
}

describe('LateWrites', () => {
  it('gives each device its writes, in the order in which the guest made them', () => {
    const { kvm, calls, late } = rig();
    kvm.write(UART, [1]);
    kvm.write(UART, [2]);
    kvm.write(OTHER + 2, [0x34, 0x12]);
    kvm.write(UART, [3]);
    late.carryOut();
    expect(calls).toEqual(['uart+0: 1,2', 'other+2: 4660', 'uart+0: 3']);
    expect(late.ring.isEmpty).toBe(true);
  });

  it('lets the devices set their lines once, and only where writes were carried out', () => {
    const { kvm, calls, late } = rig();
    late.settle();
    expect(calls).toEqual([]);
    kvm.write(UART, [1]);
    late.carryOut();
    late.settle();
    late.settle();
    expect(calls).toEqual(['uart+0: 1', 'uart settles', 'other settles']);
  });

  it('drops what is nobody’s', () => {
    const { kvm, calls, late } = rig();
    kvm.write(UART + 1, [1]);
    kvm.write(OTHER + 2, [1, 2, 3, 4]);
    kvm.write(UART, [1], false);
    late.carryOut();
    expect([calls, late.ring.isEmpty]).toEqual([[], true]);
  });
});

describe('LateWritesWatch', () => {
  const ring = { isEmpty: true, position: 0 };
  let calls: string[] = [];
  let watch = makeWatch();

  function makeWatch(): LateWritesWatch {
    const vm = {
      registerCoalescedPio: (port: number, size: number) => void calls.push(`open ${port.toString(16)}+${size}`),
      unregisterCoalescedPio: () => void calls.push('close'),
    };
    return new LateWritesWatch(vm, ring, [{ port: UART, size: 1 }], () => calls.push('kick'));
  }

  beforeEach(() => {
    vi.useFakeTimers();
    calls = [];
    Object.assign(ring, { isEmpty: true, position: 0 });
    watch = makeWatch();
  });

  afterEach(() => {
    watch.end();
    vi.useRealTimers();
  });

  /** The guest writes once between every two looks. */
  function streams(ms: number): void {
    for (let i = 0; i < ms; i++) {
      ring.position++;
      vi.advanceTimersByTime(1);
    }
  }

  it('opens at a flood of output, in pieces as they are taken, and not at lines with pauses between', () => {
    for (let i = 0; i < 10; i++) {
      watch.outputTaken(80);
      vi.advanceTimersByTime(1000);
    }
    expect(calls).toEqual([]);
    watch.outputTaken(80);
    vi.advanceTimersByTime(20);
    watch.outputTaken(80);
    watch.outputTaken(80);
    expect(calls).toEqual(['open 3f8+1']);
  });

  it('stays open while writes come, and closes when none have come for a while', () => {
    watch.outputTaken(200);
    streams(2000);
    vi.advanceTimersByTime(200);
    expect(calls).toEqual(['open 3f8+1']);
    vi.advanceTimersByTime(1000);
    expect(calls).toEqual(['open 3f8+1', 'close']);
    expect(vi.getTimerCount()).toBe(0);
  });

  /** The guest writes and waits: the kicked vCPU carries that out, and the guest writes again. */
  function waitsForInterrupts(ms: number): void {
    const kicks = () => calls.filter((call) => call === 'kick').length;
    for (let i = 0, seen = kicks(); i < ms; i++) {
      if (kicks() > seen) ring.position += 2;
      seen = kicks();
      ring.isEmpty = false;
      vi.advanceTimersByTime(1);
    }
  }

  it('kicks the vCPUs where writes stand in the ring, and goes on', () => {
    watch.outputTaken(200);
    Object.assign(ring, { isEmpty: false, position: 5 });
    vi.advanceTimersByTime(60);
    expect(calls).toEqual(['open 3f8+1', 'kick']);
    ring.isEmpty = true;
    streams(2000);
    expect(calls).toEqual(['open 3f8+1', 'kick']);
  });

  it('closes where they stand again and again, kicks once more, and waits for a greater flood', () => {
    watch.outputTaken(200);
    waitsForInterrupts(500);
    expect(calls).toEqual(['open 3f8+1', 'kick', 'kick', 'kick', 'close', 'kick']);
    ring.isEmpty = true;
    watch.outputTaken(200);
    expect(calls.length).toBe(6);
    watch.outputTaken(56);
    expect(calls.at(-1)).toBe('open 3f8+1');
  });

  it('takes less of a flood again after one that ended well', () => {
    watch.outputTaken(200);
    waitsForInterrupts(500);
    ring.isEmpty = true;
    watch.outputTaken(256);
    vi.advanceTimersByTime(1000);
    expect(calls.at(-1)).toBe('close');
    watch.outputTaken(130);
    expect(calls.at(-1)).toBe('open 3f8+1');
  });

  it('puts its look off while output is taken, and finds what stands after it', () => {
    watch.outputTaken(200);
    streams(200);
    ring.isEmpty = false;
    for (let i = 0; i < 20; i++) {
      watch.outputTaken(80);
      vi.advanceTimersByTime(60);
    }
    expect(calls).toEqual(['open 3f8+1']);
    vi.advanceTimersByTime(70);
    expect(calls).toEqual(['open 3f8+1', 'kick']);
  });

  it('does nothing once the machine ends', () => {
    watch.outputTaken(200);
    watch.end();
    watch.outputTaken(200);
    expect([calls, vi.getTimerCount()]).toEqual([['open 3f8+1'], 0]);
  });
});
