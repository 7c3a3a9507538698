import { describe, expect, it } from 'vitest';
import { parsePageLayout } from '../../../src/kvm/ring-page.js';
import { makeDecoder } from '../../../src/kvm/trace-events.js';
import { parseFormat } from '../../../src/kvm/trace-format.js';
import { TraceReader } from '../../../src/kvm/trace-reader.js';
import { EXIT, HEADER_PAGE, Page, record, USERSPACE_EXIT } from './trace-pages.js';

const exit = (tid: number) => record(EXIT, { common_pid: tid, isa: 1, exit_reason: 30 });

/** A reader of processors whose pages the test puts there, at a time that it says. */
function setUp(processors: number) {
  const waiting = Array.from({ length: processors }, (): Page[] => []);
  const clock = { now: 1000 };
  let onRead = (_processor: number) => {};
  const reader = new TraceReader({
    processors: waiting.map((pages, index) => (target) => {
      onRead(index);
      const page = pages.shift();
      if (page === undefined) return 0;
      target.set(page.bytes);
      return page.bytes.length;
    }),
    layout: parsePageLayout(HEADER_PAGE),
    decoders: [
      makeDecoder('kvm_exit', parseFormat(EXIT)),
      makeDecoder('kvm_userspace_exit', parseFormat(USERSPACE_EXIT)),
    ],
    now: () => clock.now,
  });
  return {
    clock,
    put: (processor: number, page: Page) => waiting[processor]?.push(page),
    onRead: (handler: (processor: number) => void) => {
      onRead = handler;
    },
    drain: () => reader.drain().map(({ tid, tsc }) => [tid, tsc]),
  };
}

describe('TraceReader', () => {
  it('puts the events of all processors into one order', () => {
    const { put, drain } = setUp(3);
    put(0, new Page(10).add(0, exit(1)).add(20, exit(1)));
    put(0, new Page(40).add(0, exit(1)));
    put(2, new Page(20).add(0, exit(2)).add(15, exit(1)));
    expect(drain()).toEqual([
      [1, 10],
      [2, 20],
      [1, 30],
      [1, 35],
      [1, 40],
    ]);
    expect(drain()).toEqual([]);
  });

  it('keeps what is newer than its begin, so that an older one of a processor read before comes first', () => {
    const { put, drain, clock, onRead } = setUp(2);
    // While processor 1 is read, the thread goes on on processor 0, and then on processor 1.
    onRead((processor) => {
      if (processor !== 1 || clock.now !== 1000) return;
      put(0, new Page(1005).add(0, exit(1)));
      put(1, new Page(990).add(0, exit(1)).add(20, exit(1)));
      clock.now = 2000;
    });
    expect(drain()).toEqual([[1, 990]]);
    expect(drain()).toEqual([
      [1, 1005],
      [1, 1010],
    ]);
  });

  it('ends where a writer is faster than it', () => {
    const { put, drain, clock, onRead } = setUp(1);
    let time = 995;
    onRead(() => {
      time += 3;
      put(0, new Page(time).add(0, exit(1)));
    });
    expect(drain()).toEqual([[1, 998]]);
    clock.now = 1001;
    expect(drain()).toEqual([[1, 1001]]);
  });

  it('ends at a page without a record', () => {
    const { put, drain, onRead } = setUp(1);
    onRead(() => put(0, new Page(1)));
    expect(drain()).toEqual([]);
  });

  it('steps over events of kinds that it was not told of', () => {
    const { put, drain } = setUp(1);
    put(0, new Page(1).add(0, Uint8Array.of(99, 0, 0, 0)).add(1, exit(1)));
    expect(drain()).toEqual([[1, 2]]);
  });

  it('refuses a record that is too short for its kind', () => {
    const { put, drain } = setUp(1);
    put(0, new Page(1).add(0, exit(1).subarray(0, 60)));
    expect(drain).toThrow(expect.objectContaining({ code: 'BUG' }));
  });
});
