/**
 * A page of the kernel's trace buffer, as `trace_pipe_raw` gives it (Linux, include/linux/ring_buffer.h and
 * kernel/trace/ring_buffer.c): a header, and events one after another, each with the time since the one before it.
 */
import { VmError } from '../errors.js';
import { parseFields } from './trace-format.js';

/** Byte offsets, from the running kernel's `header_page`. */
export interface PageLayout {
  readonly timestamp: number;
  readonly commit: number;
  readonly data: number;
  /** Of the whole page. */
  readonly size: number;
}

/** ring_buffer_event: type_len in the low 5 bits, time_delta in the other 27; u32 array[] follows. */
const HEADER_BYTES = 4;
const TYPE_MASK = 0x1f;
const DELTA_SHIFT = 5;
/** What an extended time has above `time_delta`. */
const EXTENDED = 2 ** 27;
const TYPE_LONG = 0;
const TYPE_PADDING = 29;
const TYPE_TIME_EXTEND = 30;
const TYPE_TIME_STAMP = 31;
/** A padding with a time is an event that was taken back; since 0 has another meaning, 1 stands for it. */
const TAKEN_BACK_WITHOUT_TIME = 1;
/** In `commit`, above the length: RB_MISSED_EVENTS and RB_MISSED_STORED. The buffer's statistics say how many. */
const LENGTH_MASK = 0x3fff_ffff;

/** @param text of `header_page` */
export function parsePageLayout(text: string): PageLayout {
  const fields = parseFields(text);
  const [timestamp, commit, data] = ['timestamp', 'commit', 'data'].map((name) => fields.get(name));
  if (timestamp === undefined || commit === undefined || data === undefined) {
    throw new VmError('KVM_TRACE_UNAVAILABLE', 'the kernel’s header_page does not describe the pages of its trace');
  }
  return { timestamp: timestamp.offset, commit: commit.offset, data: data.offset, size: data.offset + data.size };
}

/**
 * Calls `visit` for each record of a page: its first byte, the one after its last, and its time.
 * @param page starts with the page; @param length how much of it was read
 * @throws VmError BUG where the page is no page: every event lies inside, and after the one before
 */
export function eachRecord(
  page: DataView,
  length: number,
  layout: PageLayout,
  visit: (at: number, end: number, ticks: number) => void,
): void {
  if (length < layout.data) throw broken('it ends in its header');
  const end = layout.data + (page.getUint32(layout.commit, true) & LENGTH_MASK);
  if (end > length) throw broken('it is longer than a page');
  let ticks = page.getUint32(layout.timestamp, true) + page.getUint32(layout.timestamp + 4, true) * 2 ** 32;
  for (let at = layout.data; at < end; ) {
    const body = at + HEADER_BYTES;
    const header = page.getUint32(at, true);
    const type = header & TYPE_MASK;
    const delta = header >>> DELTA_SHIFT;
    if (type > TYPE_LONG && type < TYPE_PADDING) {
      at = body + type * 4;
      if (at > end) throw broken('an event ends outside');
      ticks += delta;
      visit(body, at, ticks);
      continue;
    }
    if (type === TYPE_PADDING && delta === 0) return; // nothing more on this page
    if (body + 4 > end) throw broken('an event ends outside');
    const word = page.getUint32(body, true);
    if (type === TYPE_TIME_EXTEND || type === TYPE_TIME_STAMP) {
      const extended = word * EXTENDED + delta;
      ticks = type === TYPE_TIME_STAMP ? extended : ticks + extended;
      at = body + 4;
      continue;
    }
    at = body + word; // it counts its own bytes
    if (word < 4 || at > end) throw broken('an event ends outside');
    if (type === TYPE_PADDING) {
      if (delta !== TAKEN_BACK_WITHOUT_TIME) ticks += delta;
      continue;
    }
    ticks += delta;
    visit(body + 4, at, ticks);
  }
}

const broken = (why: string) => new VmError('BUG', `a page of the kernel’s trace makes no sense: ${why}`);
