import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ChromeTrace } from '../../../src/trace/chrome-trace.js';
import { exitEvent, hardwareExit, madeUpRun } from './events.js';
import { faultsOf, readTrace, type TraceEvent } from './trace-event-format.js';

const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-trace-'));
afterAll(() => rmSync(directory, { recursive: true }));
const ROOT = new URL('../../..', import.meta.url).pathname;
const FILE = join(directory, 'trace.json');

function written(fill: (trace: ChromeTrace) => void, mostEvents?: number): TraceEvent[] {
  const trace = new ChromeTrace(FILE, mostEvents === undefined ? {} : { mostEvents });
  fill(trace);
  trace.close();
  const text = readFileSync(FILE, 'utf8');
  expect(text.endsWith('\n]\n')).toBe(true);
  const events = readTrace(text);
  expect(faultsOf(events)).toEqual([]);
  return events;
}

const slices = (events: readonly TraceEvent[]) => events.filter(({ ph }) => ph === 'X');
const trackOf = (events: readonly TraceEvent[], { pid, tid }: TraceEvent) =>
  events.find((event) => event.name === 'thread_name' && event.pid === pid && event.tid === tid)?.args.name;

describe('a trace', () => {
  it('has a slice for each mode, to the nanosecond', () => {
    const events = written((trace) => trace.add(exitEvent()));
    expect(slices(events).map((event) => [trackOf(events, event), event.name, event.ts, event.dur])).toEqual([
      ['root operation, ring 0 (kernel, KVM)', 'KVM_RUN called', 1, 0.1],
      ['non-root operation (guest)', 'IO_INSTRUCTION', 1.1, 0.3],
      ['root operation, ring 0 (kernel, KVM)', 'after VM exit IO_INSTRUCTION', 1.4, 0.1],
      ['root operation, ring 3 (vmlaunch)', 'IO write 0x3f8 (uart)', 1.5, 0.5],
    ]);
    expect(slices(events).at(1)?.args).toMatchObject({ rip: '0x100010', info1: '0x3f80000', 'led to': 'IO' });
    expect(slices(events).at(-1)?.args).toMatchObject({
      reason: 'IO',
      address: '0x3f8',
      value: '0x41',
      device: 'uart',
    });
  });

  it('has one track inside KVM_RUN where the kernel’s side is missing', () => {
    const events = written((trace) => trace.add(exitEvent({ hardware: undefined })));
    expect(slices(events).map((event) => [trackOf(events, event), event.dur])).toEqual([
      ['inside KVM_RUN (non-root and kernel)', 0.5],
      ['root operation, ring 3 (vmlaunch)', 0.5],
    ]);
  });

  it('keeps nanoseconds after days', () => {
    const enteredNs = 40 * 86_400e9 + 7;
    const event = exitEvent({ enteredNs, returnedNs: enteredNs + 1, handledNs: enteredNs + 3, hardware: undefined });
    written((trace) => trace.add(event));
    expect(readFileSync(FILE, 'utf8')).toContain('"ts":3456000000000.007,"dur":0.001');
  });

  it('of several vCPUs has a process for each, and marks injected interrupts', () => {
    const events = written((trace) => {
      for (const event of madeUpRun(100, 12)) trace.add(event);
    });
    const names = events.filter(({ name }) => name === 'process_name').map(({ args }) => args.name);
    expect(new Set(names)).toEqual(new Set(Array.from({ length: 12 }, (_, cpu) => `vCPU ${cpu}`)));
    expect(new Set(events.map(({ tid }) => tid)).size).toBe(12 * 3);
    expect(events.filter(({ name }) => name === 'interrupt 0x30 injected')).toHaveLength(12 * 20);
    expect(slices(events).filter(({ args }) => args['led to'] === 'kept by KVM')).toHaveLength(12 * 20);
  });

  it('shows what KVM kept after the last return', () => {
    const events = written((trace) => {
      trace.add(exitEvent());
      trace.kept([hardwareExit({ enteredNs: 3_000, exitedNs: 3_250, reason: 'HLT' })], 0);
    });
    expect(slices(events).at(-1)).toMatchObject({ name: 'HLT', ts: 3, dur: 0.25, args: { 'led to': 'kept by KVM' } });
  });

  it('tells lost exits', () => {
    const events = written((trace) => {
      trace.add(exitEvent());
      trace.add(exitEvent({ number: 8, enteredNs: 5_000, returnedNs: 5_100, handledNs: 5_200, hardware: [] }));
    });
    expect(events).toContainEqual(expect.objectContaining({ name: '7 exits lost', ph: 'i', ts: 5 }));
  });

  it('is bounded, and says what it left out', () => {
    const events = written((trace) => {
      for (const event of madeUpRun(1000)) trace.add(event);
    }, 40);
    expect(slices(events).length).toBeLessThanOrEqual(40);
    const whole = slices(events).filter(({ args }) => args.exit !== undefined).length;
    expect(events.at(-1)).toMatchObject({ ph: 'i', s: 'g', args: { leftOut: 1000 - whole } });
  });

  it('is good up to the last flush without its end', () => {
    const trace = new ChromeTrace(FILE);
    for (const event of madeUpRun(10)) trace.add(event);
    trace.flush();
    const text = readFileSync(FILE, 'utf8');
    expect(text.trimEnd().endsWith(']')).toBe(false);
    expect(faultsOf(readTrace(text))).toEqual([]);
    expect(slices(readTrace(text)).filter(({ args }) => args.exit !== undefined)).toHaveLength(10);
    trace.close();
  });

  it('is good after its writer was killed, but for a line that was not written to its end', async () => {
    const program = `
      import { ChromeTrace } from ${JSON.stringify(join(ROOT, 'dist/trace/chrome-trace.js'))};
      const trace = new ChromeTrace(${JSON.stringify(FILE)});
      const event = ${JSON.stringify({ ...exitEvent({ hardware: undefined, access: undefined }), rip: undefined })};
      for (let number = 0; ; number++) {
        const enteredNs = number * 1000;
        trace.add({ ...event, rip: 0x1000n, number, enteredNs, returnedNs: enteredNs + 500, handledNs: enteredNs + 900 });
      }`;
    rmSync(FILE, { force: true });
    const writer = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' });
    await expect
      .poll(() => statSync(FILE, { throwIfNoEntry: false })?.size ?? 0, { timeout: 20_000 })
      .toBeGreaterThan(1e6);
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const lines = readFileSync(FILE, 'utf8').split('\n');
    const whole = lines.at(-1)?.endsWith('}') ? lines : lines.slice(0, -1);
    const events = readTrace(whole.join('\n'));
    expect(faultsOf(events)).toEqual([]);
    expect(slices(events).length).toBeGreaterThan(1000);
  });

  it('that cannot be written is told in one line', () => {
    expect(() => new ChromeTrace(join(directory, 'no/such/place'))).toThrow(
      expect.objectContaining({ code: 'FILE_UNREADABLE', message: expect.stringContaining('no/such/place') }),
    );
    const full = new ChromeTrace('/dev/full');
    full.add(exitEvent());
    expect(() => full.close()).toThrow(/\/dev\/full cannot be written: ENOSPC/);
  });

  it('of many exits needs no more memory', () => {
    const before = process.memoryUsage().heapUsed;
    const trace = new ChromeTrace('/dev/null', { mostEvents: Number.POSITIVE_INFINITY });
    let peak = 0;
    let at = 0;
    for (const event of madeUpRun(50_000)) {
      trace.add(event);
      if (++at % 1_000 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed);
    }
    trace.close();
    expect(peak - before).toBeLessThan(32 << 20);
  });
});

describe('the rules', () => {
  const good = () => written((trace) => trace.add(exitEvent()));
  const broken = (change: (event: TraceEvent, index: number) => object) =>
    faultsOf(good().map((event, index) => ({ ...event, ...change(event, index) })));

  it.each<[string, (event: TraceEvent) => object]>([
    ['a missing name', () => ({ name: undefined })],
    ['a negative time', () => ({ ts: -1 })],
    ['a missing time', () => ({ ts: undefined })],
    ['a missing thread', () => ({ tid: undefined })],
    ['a slice without a length', () => ({ dur: undefined })],
    ['a slice of negative length', ({ ph }) => (ph === 'X' ? { dur: -0.5 } : {})],
    ['an unknown phase', () => ({ ph: 'Q' })],
    ['a mark without scope', ({ ph }) => (ph === 'X' ? { ph: 'i' } : {})],
    ['unknown metadata', ({ ph }) => (ph === 'M' ? { name: 'track_name' } : {})],
    ['crossing slices', ({ ph, ts }) => (ph === 'X' ? { pid: 1, tid: 10, dur: 0.45, ts } : {})],
  ])('refuse %s', (_what, change) => {
    expect(broken(change)).not.toEqual([]);
  });

  it('refuse an event that is cut off', () => {
    good();
    const text = readFileSync(FILE, 'utf8');
    expect(() => readTrace(text.slice(0, text.length - 30))).toThrow();
    expect(() => readTrace('{}')).toThrow();
  });
});
