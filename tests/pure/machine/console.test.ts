import { once } from 'node:events';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Console } from '../../../src/machine/console.js';

let wakes = 0;
let chunks: Uint8Array[] = [];
let line = new Console(
  () => {},
  () => {},
);

beforeEach(() => {
  wakes = 0;
  chunks = [];
  line = new Console(
    () => wakes++,
    (chunk) => chunks.push(chunk),
  );
});

/** Bytes of every value, in an order that shows a lost or doubled one. */
const pattern = (length: number) => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

/** As the vCPU's thread sends: waits for room, and sends word where that is wanted. */
async function send(bytes: Uint8Array): Promise<void> {
  for (const byte of bytes) {
    if (!line.outputRing.push(byte)) {
      line.outputHasCome();
      while (!line.outputRing.push(byte)) await turn();
    }
    if (line.outputRing.wordWanted) line.outputHasCome();
  }
}

/** As the vCPU's thread takes input: what is there now, at most `limit` bytes. */
function take(limit: number): number[] {
  const taken: number[] = [];
  while (taken.length < limit) {
    const byte = line.inputRing.shift();
    if (byte < 0) break;
    taken.push(byte);
    if (line.inputRing.length <= line.inputRing.capacity / 2 && line.inputRing.wordWanted) line.inputHasRoom();
  }
  return taken;
}

async function takeExactly(length: number): Promise<Buffer> {
  const taken: number[] = [];
  while (taken.length < length) {
    taken.push(...take(length - taken.length));
    await turn();
  }
  return Buffer.from(taken);
}

/** Reads all output to its end, so slowly that the writer is ahead. */
async function readSlowly(): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const chunk of line.output) {
    read.push(chunk as Uint8Array);
    for (let i = 0; i < 20; i++) await turn();
  }
  return Buffer.concat(read);
}

describe('output', () => {
  it('reaches a slow reader exactly, many rings full of it', async () => {
    const sent = pattern(line.outputRing.capacity * 5 + 123);
    const read = readSlowly();
    await send(sent);
    line.finish();
    expect((await read).equals(sent)).toBe(true);
    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  it('comes without an end to wait for: each prompt is passed on while the guest waits', async () => {
    for (const text of ['login: ', 'Password: ', '# ']) {
      const data = once(line.output, 'data');
      await send(Buffer.from(text));
      expect(String((await data)[0])).toBe(text);
    }
  });

  it('that nobody reads fills the ring and makes the guest wait, and is there for a later reader', async () => {
    const sent = pattern(line.outputRing.capacity);
    await send(sent);
    expect(line.outputRing.push(0)).toBe(false);
    const read = readSlowly();
    await send(Buffer.from('more'));
    line.finish();
    expect((await read).equals(Buffer.concat([sent, Buffer.from('more')]))).toBe(true);
  });

  it('that stands in the ring at the end comes before the end, whether or not word was sent', async () => {
    for (const byte of Buffer.from('last words')) line.outputRing.push(byte);
    line.finish();
    line.finish();
    expect(String(await readSlowly())).toBe('last words');
    expect(line.outputRing.length).toBe(0);
  });

  it('is seen by the watcher at a flush, though nobody reads', () => {
    for (const byte of Buffer.from('panic')) line.outputRing.push(byte);
    line.flush();
    expect(Buffer.concat(chunks).toString()).toBe('panic');
  });
});

describe('in the course of time output', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  /** The guest sends 16 bytes each so many milliseconds; returns how many were passed on together. */
  async function trickle(everyMs: number, forMs: number): Promise<number[]> {
    line.output.resume();
    for (let ms = 0; ms < forMs; ms += everyMs) {
      await send(pattern(16));
      await vi.advanceTimersByTimeAsync(everyMs);
    }
    return chunks.map(({ length }) => length);
  }

  it('that comes after a silence is passed on at once', async () => {
    expect(await trickle(10, 100)).toEqual(Array.from({ length: 10 }, () => 16));
  });

  it('that trickles is collected, also where each look for more finds none', async () => {
    const sizes = await trickle(4, 2000);
    expect(sizes[0]).toBe(16);
    expect(sizes.length).toBeLessThan(50);
    expect(Math.max(...sizes)).toBe((100 / 4) * 16);
  });
});

describe('output of another thread', () => {
  /** As a vCPU's thread: sends so many bytes, and a message for each word that is wanted. */
  function flood(length: number): Worker {
    const at = (file: string) => JSON.stringify(new URL(`../../../dist/${file}`, import.meta.url).href);
    const program = `
      const { parentPort, workerData } = require('node:worker_threads');
      (async () => {
        const { ByteRing } = await import(${at('memory/ring.js')});
        const { makeSender } = await import(${at('machine/console-sender.js')});
        const sender = makeSender(new ByteRing(workerData), {
          sendWord: () => parentPort.postMessage('word'), isStopped: () => false, threads: 1,
        });
        for (let i = 0; i < ${length}; i++) sender.write((i * 7 + (i >> 8)) & 0xff);
        parentPort.postMessage('end');
      })();`;
    return new Worker(program, { eval: true, workerData: line.outputRing.buffer });
  }

  it('10 MiB reach a reader that sleeps, to the byte, with few messages', async () => {
    const length = 10 << 20;
    let words = 0;
    const worker = flood(length).on('message', (message) => {
      if (message === 'end') return line.finish();
      words++;
      line.outputHasCome();
    });
    const read: Uint8Array[] = [];
    for await (const chunk of line.output) {
      read.push(chunk as Uint8Array);
      await sleep(2);
    }
    await worker.terminate();
    expect(Buffer.concat(read).equals(pattern(length))).toBe(true);
    // One where the ring was empty, one where it was full.
    expect(words).toBeLessThan((3 * length) / line.outputRing.capacity);
  });
});

describe('input', () => {
  it('is bounded: what the guest does not take waits with the writer', async () => {
    const sent = pattern(line.inputRing.capacity + 1);
    let done = false;
    line.input.write(sent, () => {
      done = true;
    });
    expect(line.inputRing.length).toBe(line.inputRing.capacity);
    for (let i = 0; i < 10; i++) await turn();
    expect(done).toBe(false);
    expect((await takeExactly(sent.length)).equals(sent)).toBe(true);
    expect(done).toBe(true);
  });

  it('holds its writer back, and tells it when to go on', async () => {
    const sent = pattern(line.input.writableHighWaterMark * 2);
    expect(line.input.write(sent)).toBe(false);
    const drained = once(line.input, 'drain');
    expect((await takeExactly(sent.length)).equals(sent)).toBe(true);
    await drained;
    expect(line.input.writableNeedDrain).toBe(false);
  });

  it('in many writes comes in order', async () => {
    const sent = pattern(20_000);
    for (let at = 0; at < sent.length; at += 777) line.input.write(sent.subarray(at, at + 777));
    expect((await takeExactly(sent.length)).equals(sent)).toBe(true);
  });

  it('wakes the guest once for each piece that was put in', () => {
    line.input.write('abc');
    expect(wakes).toBe(1);
    expect(Buffer.from(take(10)).toString()).toBe('abc');
    line.inputHasRoom();
    expect(wakes).toBe(1);
  });

  it('that a machine has no more use for ends: no writer waits for ever', async () => {
    line.input.write(pattern(line.inputRing.capacity * 3));
    line.finish();
    line.input.end('late');
    await once(line.input, 'finish');
    expect(line.inputRing.length).toBe(line.inputRing.capacity);
  });
});
