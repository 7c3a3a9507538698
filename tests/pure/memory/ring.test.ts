import { beforeEach, describe, expect, it } from 'vitest';
import { ByteRing, ringBuffer } from '../../../src/memory/ring.js';

const CAPACITY = 8;

let producer = new ByteRing(ringBuffer(CAPACITY));
let consumer = producer;

beforeEach(() => {
  producer = new ByteRing(ringBuffer(CAPACITY));
  consumer = new ByteRing(producer.buffer);
});

const bytes = (...values: number[]) => Uint8Array.from(values);

/** Moves both counts on, as that many bytes through the ring would. */
function startAt(count: number): void {
  new Int32Array(producer.buffer, 0, 2).fill(count | 0);
}

describe('a ring', () => {
  it('is empty at first', () => {
    expect([producer.capacity, producer.length, consumer.shift()]).toEqual([CAPACITY, 0, -1]);
    expect(consumer.takeAll()).toEqual(bytes());
  });

  it('gives bytes of every value in order to another view of the same memory', () => {
    for (let value = 0; value < 256; value++) {
      expect(producer.push(value)).toBe(true);
      expect(consumer.length).toBe(1);
      expect(consumer.shift()).toBe(value);
    }
    expect(consumer.shift()).toBe(-1);
  });

  it('takes its capacity and not a byte more', () => {
    for (let i = 0; i < CAPACITY; i++) expect(producer.push(i)).toBe(true);
    expect(producer.push(99)).toBe(false);
    expect(producer.pushAll(bytes(99))).toBe(0);
    expect(producer.length).toBe(CAPACITY);
    expect(consumer.shift()).toBe(0);
    expect(producer.push(8)).toBe(true);
    expect(consumer.takeAll()).toEqual(bytes(1, 2, 3, 4, 5, 6, 7, 8));
  });

  it.each([0, 1, 5, 7, 0x7fff_fffc, 0xffff_fffb, 0xffff_ffff])('goes round from a count of %i', (count) => {
    startAt(count);
    expect(producer.pushAll(bytes(1, 2, 3, 4, 5, 6))).toBe(6);
    expect([consumer.shift(), consumer.shift()]).toEqual([1, 2]);
    expect(producer.pushAll(bytes(7, 8, 9, 10, 11, 12))).toBe(4);
    expect(producer.length).toBe(CAPACITY);
    expect(producer.push(99)).toBe(false);
    expect(consumer.takeAll()).toEqual(bytes(3, 4, 5, 6, 7, 8, 9, 10));
    expect(consumer.length).toBe(0);
  });

  it('gives what it gives as a copy', () => {
    producer.pushAll(bytes(1, 2, 3, 4, 5, 6, 7, 8));
    const taken = consumer.takeAll();
    producer.pushAll(bytes(9, 9, 9, 9, 9, 9, 9, 9));
    expect(taken).toEqual(bytes(1, 2, 3, 4, 5, 6, 7, 8));
  });

  it('keeps its counts apart from its bytes', () => {
    producer.askForWord();
    for (let i = 0; i < 5; i++) producer.push(0xff);
    expect(consumer.takeAll()).toEqual(bytes(0xff, 0xff, 0xff, 0xff, 0xff));
    expect(producer.wordWanted).toBe(true);
  });
});

describe('word', () => {
  it('is wanted once for each time it is asked for, by the other side', () => {
    expect(producer.wordWanted).toBe(false);
    consumer.askForWord();
    consumer.askForWord();
    expect([producer.wordWanted, producer.wordWanted]).toEqual([true, false]);
    consumer.askForWord();
    expect(producer.wordWanted).toBe(true);
  });
});

describe('a producer that waits for room', () => {
  it('does not sleep where there is room', () => {
    producer.pushAll(new Uint8Array(CAPACITY - 1));
    // Without an end to the wait, sleeping would be for ever.
    producer.waitForRoom(Number.POSITIVE_INFINITY);
    expect(producer.push(1)).toBe(true);
  });

  it('wakes after its time where nobody takes anything', () => {
    producer.pushAll(new Uint8Array(CAPACITY));
    producer.waitForRoom(1);
    expect(producer.push(1)).toBe(false);
  });
});
