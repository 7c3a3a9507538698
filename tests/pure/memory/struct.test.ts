import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { bytes, f64, i32, struct, u8, u16, u32 } from '../../../src/memory/struct.js';

const sample = struct({ tag: u8, count: u16, flags: u32, delta: i32, when: f64, fifo: bytes(5), last: u8 });

describe('a struct in shared memory', () => {
  it('keeps every field apart from its neighbours', () => {
    const state = sample.make();
    state.tag = 0x11;
    state.count = 0x2222;
    state.flags = 0x33333333;
    state.delta = -4;
    state.when = 5.5;
    state.fifo.fill(0x66);
    state.last = 0x77;
    expect({ ...sample.valuesOf(state), fifo: [...state.fifo] }).toEqual({
      tag: 0x11,
      count: 0x2222,
      flags: 0x33333333,
      delta: -4,
      when: 5.5,
      fifo: [0x66, 0x66, 0x66, 0x66, 0x66],
      last: 0x77,
    });
  });

  it('takes a value modulo the width of its field', () => {
    const state = sample.make();
    state.tag = 0x1ff;
    state.count = -1;
    state.flags = -1;
    state.delta = 0x80000000;
    expect(state.tag).toBe(0xff);
    expect(state.count).toBe(0xffff);
    expect(state.flags).toBe(0xffffffff);
    expect(state.delta).toBe(-0x80000000);
  });

  it('aligns each field to its own size, in the order given', () => {
    const buffer = new SharedArrayBuffer(sample.size);
    const state = sample.over(buffer);
    state.count = 0xabcd;
    state.when = 1;
    expect(new Uint16Array(buffer)[1]).toBe(0xabcd);
    expect(new Float64Array(buffer)[2]).toBe(1);
    expect(state.fifo.byteOffset).toBe(24);
  });

  it('has a size that lets one follow another', () => {
    expect(sample.size % 8).toBe(0);
    const buffer = new SharedArrayBuffer(2 * sample.size);
    const first = sample.over(buffer);
    const second = sample.over(buffer, sample.size);
    first.last = 1;
    second.tag = 2;
    second.last = 3;
    expect([first.tag, first.last, second.tag, second.last]).toEqual([0, 1, 2, 3]);
  });

  it('is one state however often it is laid, and laying it changes nothing', () => {
    const buffer = new SharedArrayBuffer(sample.size);
    sample.over(buffer).flags = 42;
    expect(sample.over(buffer).flags).toBe(42);
  });

  it('starts zeroed', () => {
    const state = sample.make();
    expect({ ...sample.valuesOf(state), fifo: [...state.fifo] }).toEqual({
      tag: 0,
      count: 0,
      flags: 0,
      delta: 0,
      when: 0,
      fifo: [0, 0, 0, 0, 0],
      last: 0,
    });
  });

  it('is copied whole by field name', () => {
    const from = sample.make();
    from.count = 9;
    from.fifo.set([1, 2, 3]);
    const to = sample.make();
    for (const name of Object.keys(sample.fields) as (keyof typeof from)[]) {
      const value = from[name];
      if (value instanceof Uint8Array) (to[name] as Uint8Array).set(value);
      else Object.assign(to, { [name]: value });
    }
    expect([to.count, ...to.fifo]).toEqual([9, 1, 2, 3, 0, 0]);
  });

  it('refuses a field that is not there, a buffer that is too small and an offset that is not aligned', () => {
    const state = sample.make();
    expect('missing' in state).toBe(false);
    expect(() => sample.over(new SharedArrayBuffer(8))).toThrow(RangeError);
    expect(() => sample.over(new SharedArrayBuffer(2 * sample.size), 4)).toThrow(RangeError);
  });

  it('is seen by another thread', async () => {
    const buffer = new SharedArrayBuffer(sample.size);
    const state = sample.over(buffer);
    state.count = 7;
    const worker = new Worker(
      `const { workerData } = require('node:worker_threads');
       const words = new Uint16Array(workerData);
       words[1] = words[1] * 6;`,
      { eval: true, workerData: buffer },
    );
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    expect(state.count).toBe(42);
  });
});
