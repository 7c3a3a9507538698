import { describe, expect, it } from 'vitest';
import { eachRecord, parsePageLayout } from '../../../src/kvm/ring-page.js';
import { random } from '../boot/bzimage.js';
import { HEADER_PAGE, Page } from './trace-pages.js';

const LAYOUT = parsePageLayout(HEADER_PAGE);
const DATA = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** Each record's time and bytes. */
function recordsOf({ bytes }: Page, length = bytes.length): [number, number[]][] {
  const found: [number, number[]][] = [];
  eachRecord(new DataView(bytes.buffer), length, LAYOUT, (at, end, ticks) => {
    found.push([ticks, [...bytes.subarray(at, end)]]);
  });
  return found;
}

describe('parsePageLayout', () => {
  it('reads the kernel’s words', () => {
    expect(LAYOUT).toEqual({ timestamp: 0, commit: 8, data: 16, size: 4096 });
  });

  it('refuses others', () => {
    expect(() => parsePageLayout('field: u64 timestamp;	offset:0;	size:8;	signed:0;')).toThrow(/header_page/);
  });
});

describe('eachRecord', () => {
  it('adds up times from the page’s, beyond 32 bits', () => {
    const page = new Page(2 ** 40 + 5).add(0, DATA).add(7, DATA.subarray(4));
    expect(recordsOf(page)).toEqual([
      [2 ** 40 + 5, [...DATA]],
      [2 ** 40 + 12, [5, 6, 7, 8]],
    ]);
  });

  it('reads a record that has its length in a word', () => {
    const data = new Uint8Array(200).fill(9);
    expect(recordsOf(new Page(100).add(1, data).add(1, DATA, true))).toEqual([
      [101, [...data]],
      [102, [...DATA]],
    ]);
  });

  it('knows times that do not fit an event, and such as stand alone', () => {
    const page = new Page(100).raw(30, 3, 2).add(1, DATA).raw(31, 9, 4).add(0, DATA);
    expect(recordsOf(page).map(([ticks]) => ticks)).toEqual([100 + 2 * 2 ** 27 + 3 + 1, 4 * 2 ** 27 + 9]);
  });

  it('steps over what was taken back, whose time counts unless it is 1', () => {
    const page = new Page(100).raw(29, 1, 8, 0).raw(29, 20, 12, 0, 0).add(3, DATA);
    expect(recordsOf(page).map(([ticks]) => ticks)).toEqual([123]);
  });

  it('ends at a padding without a time, and at the commit', () => {
    expect(recordsOf(new Page(0).add(1, DATA).raw(29, 0).add(1, DATA))).toHaveLength(1);
    expect(recordsOf(new Page(0).add(1, DATA).add(1, DATA).commit(12))).toHaveLength(1);
    expect(recordsOf(new Page(0))).toEqual([]);
  });

  it('takes the flags of missed events for no length', () => {
    expect(recordsOf(new Page(0).add(1, DATA).commit(0xc000_0000 + 12))).toHaveLength(1);
  });

  it.each([
    ['shorter than its header', new Page(0), 15],
    ['not whole', new Page(0).add(1, DATA), 20],
    ['committed beyond its end', new Page(0).commit(4081), 4096],
    ['ended by half an event', new Page(0).add(1, DATA).commit(8), 4096],
    ['ended by half a header', new Page(0).add(1, DATA).commit(14), 4096],
    ['ended by half a time', new Page(0).raw(30, 1), 4096],
    ['without length', new Page(0).raw(0, 1, 0), 4096],
    ['of a length beyond its end', new Page(0).raw(0, 1, 0xffff_fffc), 4096],
    ['of a padding beyond its end', new Page(0).raw(29, 1, 4096), 4096],
  ])('refuses a page that is %s', (_, page, length) => {
    expect(() => recordsOf(page, length)).toThrow(expect.objectContaining({ code: 'BUG' }));
  });

  it('comes to an end on any page', () => {
    const next = random(11);
    for (let i = 0; i < 2000; i++) {
      const page = new Page(0);
      for (let at = 16; at < 512; at++) page.bytes[at] = next(next(2) === 0 ? 256 : 32);
      page.commit(496);
      try {
        recordsOf(page);
      } catch (error) {
        expect(error).toMatchObject({ code: 'BUG' });
      }
    }
  });
});
