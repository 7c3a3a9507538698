import { beforeEach, describe, expect, it } from 'vitest';
import {
  KVM_EXIT_IO,
  KVM_EXIT_IO_IN,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
} from '../../../src/kvm/abi/exits.js';
import { encode, type PartialValue } from '../../../src/kvm/abi/layout.js';
import { kvmRun } from '../../../src/kvm/abi/run.js';
import { RunPage } from '../../../src/kvm/exit.js';
import { Bus } from '../../../src/machine/bus.js';
import { EXIT_LOG_WORDS, readExitLog } from '../../../src/machine/exit-log.js';
import { type LoopContext, makeLoop } from '../../../src/machine/loop.js';

const PORT = 0x3f8;
const DATA = 4096;
const EINTR = 4;

type Step = PartialValue<typeof kvmRun> | typeof EINTR;

let page: RunPage;
let calls: (readonly [string, number, number, number?])[];
let context: LoopContext;

/** A loop over a KVM_RUN that makes these exits one after another, then is kicked and stops. */
function runOver(steps: readonly Step[], change: Partial<LoopContext> = {}): void {
  let next = 0;
  context = {
    run: () => {
      const step = steps[next++];
      if (step === undefined || step === EINTR) return -EINTR;
      encode(kvmRun, step, page.bytes);
      return undefined;
    },
    page,
    pio: bus('port', PORT),
    mmio: bus('MMIO', 0xd0000000),
    counts: new Float64Array(64),
    log: new Uint32Array(EXIT_LOG_WORDS),
    interrupted: () => next <= steps.length,
    otherExit: () => false,
    carryOutWrites: () => void calls.push(['carry out', 0, 0]),
    attention: false,
    attend: () => false,
    ...change,
  };
  makeLoop(context)();
}

function bus(name: string, start: number): Bus {
  const made = new Bus(name, { unclaimed: () => calls.push(['unclaimed', 0, 0]) });
  const registers = {
    read: (offset: number, size: number) => {
      calls.push([`${name} in`, offset, size]);
      return 0x5a;
    },
    write: (offset: number, value: number, size: number) => void calls.push([`${name} out`, offset, size, value]),
  };
  made.add({ name, start, size: 4, width: 4 }, registers);
  return made;
}

const io = (direction: number, size: number, count: number, port = PORT): Step => ({
  exitReason: KVM_EXIT_IO,
  exit: { io: { direction, size, port, count, dataOffset: BigInt(DATA) } },
});

beforeEach(() => {
  page = new RunPage(new Uint8Array(new SharedArrayBuffer(3 * 4096)));
  calls = [];
});

describe('makeLoop', () => {
  it('hands a byte written, and a byte read, to the device', () => {
    page.bytes[DATA] = 0x41;
    runOver([io(KVM_EXIT_IO_OUT, 1, 1), io(KVM_EXIT_IO_IN, 1, 1, PORT + 2)]);
    expect(calls).toEqual([
      ['port out', 0, 1, 0x41],
      ['port in', 2, 1],
    ]);
    expect(page.bytes[DATA]).toBe(0x5a);
  });

  it('carries string I/O out element by element, in order', () => {
    page.bytes.set([1, 2, 3, 4, 5, 6], DATA);
    runOver([io(KVM_EXIT_IO_OUT, 2, 3), io(KVM_EXIT_IO_IN, 1, 3)]);
    expect(calls.map(([name, , size, value]) => [name, size, value])).toEqual([
      ['port out', 2, 0x0201],
      ['port out', 2, 0x0403],
      ['port out', 2, 0x0605],
      ['port in', 1, undefined],
      ['port in', 1, undefined],
      ['port in', 1, undefined],
    ]);
    expect([...page.bytes.subarray(DATA, DATA + 3)]).toEqual([0x5a, 0x5a, 0x5a]);
  });

  it('hands MMIO to its own bus', () => {
    const mmio = { physAddr: 0xd0000000n, data: Uint8Array.of(0x78, 0x56, 0x34, 0x12), len: 4, isWrite: 1 };
    runOver([{ exitReason: KVM_EXIT_MMIO, exit: { mmio } }]);
    expect(calls).toEqual([['MMIO out', 0, 4, 0x12345678]]);
  });

  it.each([
    { len: 1, steps: [[0, 1, 0xff]] },
    { len: 2, steps: [[0, 2, 0xfeff]] },
    {
      len: 3,
      steps: [
        [0, 2, 0xfeff],
        [2, 1, 0xfd],
      ],
    },
    { len: 4, steps: [[0, 4, 0xfcfdfeff]] },
    {
      len: 8,
      steps: [
        [0, 4, 0xfcfdfeff],
        [4, 4, 0xf8f9fafb],
      ],
    },
  ])('takes no more than $len bytes of MMIO, and logs them', ({ len, steps }) => {
    const data = Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8);
    const accesses: number[][] = [];
    const mmio = new Bus('MMIO address', { unclaimed: () => {} });
    const registers = {
      read: (offset: number, size: number) => {
        accesses.push([offset, size]);
        return 2 ** (8 * size) - 1;
      },
      write: (offset: number, value: number, size: number) => void accesses.push([offset, size, value]),
    };
    mmio.add({ name: 'wide', start: 0x80_d000_0000, size: 8, width: 4 }, registers);
    const exit = (isWrite: number): Step => ({
      exitReason: KVM_EXIT_MMIO,
      exit: { mmio: { physAddr: 0x80_d000_0000n, data, len, isWrite } },
    });
    runOver([exit(1), exit(0)], { mmio });
    expect(accesses).toEqual([...steps, ...steps.map((step) => step.slice(0, 2))]);
    expect([...page.bytes.subarray(page.mmioDataOffset, page.mmioDataOffset + len)]).toEqual(Array(len).fill(0xff));
    const written = data.slice(0, len).reverse();
    expect(readExitLog(context.log)).toEqual([
      {
        reason: 'MMIO',
        write: true,
        address: '0x80d0000000',
        size: len,
        value: `0x${Buffer.from(written).toString('hex')}`,
      },
      { reason: 'MMIO', write: false, address: '0x80d0000000', size: len, value: `0x${'ff'.repeat(len)}` },
    ]);
  });

  it('goes on for as long as it is let, past kicks, and counts every exit', () => {
    const exits: Step[] = Array.from({ length: 1000 }, () => io(KVM_EXIT_IO_OUT, 1, 1));
    runOver([...exits, EINTR, ...exits]);
    expect(calls.length).toBe(2000);
    expect(context.counts[KVM_EXIT_IO]).toBe(2000);
  });

  it('ends after the access that a device ends the machine by, which one more KVM_RUN completes', () => {
    const atOnce: number[] = [];
    const pio = new Bus('port', { unclaimed: () => {} });
    const registers = {
      read: () => 0,
      write: () => {
        context.attention = true;
      },
    };
    pio.add({ name: 'end', start: PORT, size: 1, width: 1 }, registers);
    const run = () => {
      atOnce.push(page.immediateExit);
      encode(kvmRun, io(KVM_EXIT_IO_OUT, 1, 1) as PartialValue<typeof kvmRun>, page.bytes);
      return undefined;
    };
    runOver([], { pio, run });
    expect(atOnce).toEqual([0, 1]);
  });

  it('keeps the last 16 exits, oldest first, whatever round they were in', () => {
    page.bytes[DATA] = 0x41;
    const ports = Array.from({ length: 150 }, (_, i) => PORT + (i % 4));
    runOver([...ports.slice(0, 70), EINTR, ...ports.slice(70)].map((at) => (at === EINTR ? EINTR : io(1, 1, 1, at))));
    const expected = ports
      .slice(-16)
      .map((port) => ({ reason: 'IO', write: true, port, size: 1, count: 1, value: 0x41 }));
    expect(readExitLog(context.log)).toEqual(expected);
  });

  it('keeps no kick among the last exits, so that a vCPU that is asked again and again does not lose them', () => {
    runOver([io(KVM_EXIT_IO_IN, 2, 1), ...Array.from({ length: 100 }, (): Step => EINTR)]);
    expect(readExitLog(context.log)).toEqual([
      { reason: 'IO', write: false, port: PORT, size: 2, count: 1, value: 0x5a },
    ]);
  });

  it('keeps what each kind of exit was about', () => {
    page.bytes.set([1, 2, 3, 4], DATA);
    const data = Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1);
    const mmio = { physAddr: 0xf_d000_0000n, data, len: 8, isWrite: 1 };
    runOver([
      io(KVM_EXIT_IO_OUT, 2, 2),
      { exitReason: KVM_EXIT_MMIO, exit: { mmio } },
      { exitReason: KVM_EXIT_MMIO, exit: { mmio: { physAddr: 0xd0000000n, data, len: 1, isWrite: 0 } } },
      { exitReason: KVM_EXIT_SHUTDOWN },
    ]);
    expect(readExitLog(context.log)).toEqual([
      { reason: 'IO', write: true, port: PORT, size: 2, count: 2, value: 0x0201 },
      { reason: 'MMIO', write: true, address: '0xfd0000000', size: 8, value: '0x102030405060708' },
      { reason: 'MMIO', write: false, address: '0xd0000000', size: 1, value: '0x5a' },
      { reason: 'SHUTDOWN' },
    ]);
  });

  it('has as many as there were, and none before the first', () => {
    const change = { interrupted: () => false };
    runOver([io(KVM_EXIT_IO_OUT, 1, 1)], change);
    expect(readExitLog(context.log)).toHaveLength(1);
    runOver([], change);
    expect(readExitLog(context.log)).toEqual([]);
  });
});
