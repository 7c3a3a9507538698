import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { makePcMemory } from '../../../src/machine/pc.js';
import { ByteRing, ringBuffer } from '../../../src/memory/ring.js';
import { random } from '../devices/parts.js';
import { explained, type Model, type Stamped } from './linearizable.js';

/**
 * All vCPUs at the same devices at once, without a KVM: threads as the vCPUs' are, each with a PC of its own over the
 * same memory. A model of each device must explain what every read gave.
 */
const THREADS = 4;

/** Cells that the threads share beside the PC: a counter for stamps, who is ready, faults, levels of 16 lines. */
const STAMP = 0;
const READY = 1;
const FAULTS = 2;
const LEVELS = 3;
const CELLS = LEVELS + 16;

interface Access {
  readonly port: number;
  readonly size: number;
  /** What is written, or what a read gave. */
  readonly value: number;
  readonly isWrite: boolean;
}

interface Outcome {
  readonly threads: readonly (readonly Stamped<Access>[])[];
  /** How often an interrupt line was set to the level that it had. */
  readonly faults: number;
  readonly output: Buffer;
}

const PROGRAM = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { base, memory, ring, cells, threads, accesses, at } = workerData;
    const { Pc } = await import(base + 'machine/pc.js');
    const { makeSender } = await import(base + 'machine/console-sender.js');
    const { ByteRing } = await import(base + 'memory/ring.js');
    const irqLine = (irq, level) => {
      if (Atomics.exchange(cells, at.LEVELS + irq, level) === level) Atomics.add(cells, at.FAULTS, 1);
    };
    const nothing = () => {};
    const { pio } = new Pc(memory, {
      vm: { irqLine },
      console: makeSender(new ByteRing(ring), { sendWord: nothing, isStopped: () => false, threads }),
      input: { next: () => -1, ready: false },
      ends: { end: () => { throw new Error('the machine ended'); } },
      wakeTimers: nothing,
      unclaimed: { pio: nothing, mmio: nothing },
    });
    Atomics.add(cells, at.READY, 1);
    while (Atomics.load(cells, at.READY) < threads);
    const done = [];
    for (const access of accesses) {
      const { port, size, isWrite } = access;
      let { value } = access;
      const start = Atomics.add(cells, at.STAMP, 1);
      if (isWrite) pio.write(port, value, size);
      else value = pio.read(port, size);
      const end = Atomics.add(cells, at.STAMP, 1);
      done.push({ access: { port, size, isWrite, value }, start, end });
    }
    parentPort.postMessage(done);
  })();`;

/** Lets each thread make its accesses, all at once. */
async function together(accesses: readonly (readonly Access[])[]): Promise<Outcome> {
  const cells = new Int32Array(new SharedArrayBuffer(CELLS * 4));
  const ring = new ByteRing(ringBuffer(0x1000));
  const shared = {
    base: new URL('../../../dist/', import.meta.url).href,
    memory: makePcMemory(accesses.length),
    ring: ring.buffer,
    cells,
    threads: accesses.length,
    at: { STAMP, READY, FAULTS, LEVELS },
  };
  const workers = accesses.map((own) => new Worker(PROGRAM, { eval: true, workerData: { ...shared, accesses: own } }));
  const output: Uint8Array[] = [];
  let isDone = false;
  const results = Promise.all(
    workers.map(
      (worker) =>
        new Promise<Stamped<Access>[]>((resolve, reject) => worker.once('message', resolve).once('error', reject)),
    ),
  ).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    output.push(ring.takeAll());
    await Promise.race([sleep(1), results]);
  }
  const threads = await results;
  output.push(ring.takeAll());
  await Promise.all(workers.map((worker) => worker.terminate()));
  return { threads, faults: cells[FAULTS] ?? -1, output: Buffer.concat(output) };
}

/** Bytes that keep what is written, but for bits that cannot be set and such as always are. */
function registers(
  start: number,
  writable: readonly number[],
  always: readonly number[] = [],
): Model<number[], Access> {
  return (state, { port, size, value, isWrite }) => {
    const bytes = Array.from({ length: size }, (_, i) => port - start + i);
    if (isWrite) {
      const after = [...state];
      bytes.forEach((at, i) => {
        after[at] = (value >>> (8 * i)) & (writable[at] ?? 0);
      });
      return after;
    }
    const expected = bytes.map((at) => (state[at] ?? 0) | (always[at] ?? 0));
    return expected.every((byte, i) => ((value >>> (8 * i)) & 0xff) === byte) ? state : undefined;
  };
}

const COM1 = { start: 0x3f8, interruptEnable: 0x3f9, lineControl: 0x3fb, modemControl: 0x3fc, scratch: 0x3ff };
const uart = registers(COM1.start, [0, 0x0f, 0, 0x7f, 0x1f, 0, 0, 0xff]);
const PM = { start: 0x600, enable: 0x602, control: 0x604 };
/** ACPI 6.4, tables 4.12 and 4.13: BM_RLD and SLP_TYP are kept, SCI_EN is always on. */
const pm = registers(PM.start, [0, 0, 0x21, 0x07, 0x02, 0x1c, 0, 0], [0, 0, 0, 0, 1]);

/** State: the index, then the cells. */
const RTC = { index: 0x70, data: 0x71, cells: [0x50, 0x51, 0x52] };
const rtc: Model<readonly number[], Access> = ([index = 0, ...cells], { port, value, isWrite }) => {
  if (port === RTC.index) return [value, ...cells];
  const at = RTC.cells.indexOf(index);
  if (isWrite) return [index, ...cells.map((cell, i) => (i === at ? value : cell))];
  // Before an index is written, the data register is the clock's seconds.
  return at < 0 || cells[at] === value ? [index, ...cells] : undefined;
};

const read = (port: number, size = 1): Access => ({ port, size, value: 0, isWrite: false });
const write = (port: number, value: number, size = 1): Access => ({ port, size, value, isWrite: true });

/** As many accesses for each thread, each made by `choose` from a random number. */
function accesses(count: number, choose: (number: number) => Access, first: readonly Access[] = []): Access[][] {
  return Array.from({ length: THREADS }, (_, thread) => {
    const next = random(thread + 1);
    return [...(thread === 0 ? first : []), ...Array.from({ length: count }, () => choose(next()))];
  });
}

/** The number picks one, and gives 16 bits of its own for a value. */
const pick = (number: number, ...choices: readonly ((value: number) => Access)[]): Access => {
  const choice = choices[(number >>> 16) % choices.length];
  if (choice === undefined) throw new Error('no choices');
  return choice(number & 0xffff);
};

const lengths = (threads: readonly (readonly unknown[])[]): number[] => threads.map(({ length }) => length);

describe(`${THREADS} threads at the registers of one device`, () => {
  it('UART: each read gives what was written last, and its line is told of changes only', async () => {
    const choose = (number: number) =>
      pick(
        number,
        () => read(COM1.scratch),
        (value) => write(COM1.scratch, value & 0xff),
        () => read(COM1.lineControl),
        (value) => write(COM1.lineControl, value & 0x7f),
        () => read(COM1.interruptEnable),
        (value) => write(COM1.interruptEnable, value & 0x0f),
      );
    // OUT2 opens the gate of its interrupt.
    const { threads, faults } = await together(accesses(4000, choose, [write(COM1.modemControl, 0x08)]));
    expect(explained(threads, new Array(8).fill(0), uart)).toEqual(lengths(threads));
    expect(faults).toBe(0);
  });

  it('RTC: a read of the data register gives the cell whose index was written last, by whomever', async () => {
    const choose = (number: number) =>
      pick(
        number,
        (value) => write(RTC.index, RTC.cells[value % RTC.cells.length] ?? 0),
        (value) => write(RTC.data, value & 0xff),
        () => read(RTC.data),
      );
    const { threads } = await together(accesses(4000, choose));
    expect(explained(threads, [0, 0, 0, 0], rtc)).toEqual(lengths(threads));
  });

  it('ACPI PM: words and double words are not torn', async () => {
    const choose = (number: number) =>
      pick(
        number,
        (value) => write(PM.enable, value, 2),
        (value) => write(PM.enable, value & 0xff),
        (value) => write(PM.control, value & 0x1c02, 2),
        () => read(PM.enable, 2),
        () => read(PM.start, 4),
        () => read(PM.control, 2),
        () => read(PM.enable, 4),
      );
    const { threads, faults } = await together(accesses(4000, choose));
    expect(explained(threads, new Array(8).fill(0), pm)).toEqual(lengths(threads));
    expect(faults).toBe(0);
  });

  it('COM1 and the debug console together: no byte is lost, and each thread’s come in its order', async () => {
    const count = 5000;
    const own = Array.from({ length: THREADS }, (_, thread) =>
      Array.from({ length: count }, (_, i) => write(i % 3 === 0 ? 0xe9 : COM1.start, (thread << 6) | (i & 0x3f))),
    );
    const { output } = await together(own);
    for (const [thread, written] of own.entries()) {
      const seen = output.filter((byte) => byte >>> 6 === thread);
      expect([...seen]).toEqual(written.map(({ value }) => value));
    }
    expect(output.length).toBe(THREADS * count);
  });
});

describe('the model', () => {
  const at = (start: number, end: number, access: Access): Stamped<Access> => ({ access, start, end });
  const seen = (port: number, value: number, size = 1): Access => ({ port, size, value, isWrite: false });
  const zeros = new Array(8).fill(0);

  it('explains accesses that overlap, in either order', () => {
    const writer = [at(0, 5, write(COM1.scratch, 7))];
    for (const value of [0, 7]) {
      expect(explained([writer, [at(1, 2, seen(COM1.scratch, value))]], zeros, uart)).toEqual([1, 1]);
    }
  });

  it.each<[string, Stamped<Access>[][]]>([
    ['a value that nobody wrote', [[at(0, 1, write(COM1.scratch, 7))], [at(2, 3, seen(COM1.scratch, 6))]]],
    [
      'what was there before a write that had ended',
      [[at(0, 1, write(COM1.scratch, 7))], [at(2, 3, seen(COM1.scratch, 0))]],
    ],
    [
      'new, then old',
      [[at(0, 9, write(COM1.scratch, 7))], [at(1, 2, seen(COM1.scratch, 7)), at(3, 4, seen(COM1.scratch, 0))]],
    ],
  ])('does not explain %s', (_what, threads) => {
    expect(explained(threads, zeros, uart)).not.toEqual(lengths(threads));
  });

  it('does not explain a torn word', () => {
    const threads = [[at(0, 9, write(PM.enable, 0x0721, 2))], [at(1, 2, seen(PM.enable, 0x0021, 2))]];
    expect(explained(threads, zeros, pm)).not.toEqual([1, 1]);
  });
});
