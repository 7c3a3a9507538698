import { describe, expect, it } from 'vitest';
import { checksumOf } from '../../../../src/bench/levels/parts.js';
import { Session, type SessionOptions } from '../../../../src/bench/levels/session.js';
import { FakeEngine, type FakeOptions, FakeTime } from './fake-engine.js';

const never = new AbortController().signal;

async function started(options: FakeOptions, more: Partial<SessionOptions> = {}) {
  const time = new FakeTime();
  const engine = new FakeEngine('fake', time, options);
  const session = await Session.start(() => engine.start(), {
    now: time.now,
    startLimitMs: 1000,
    answerLimitMs: 1000,
    signal: never,
    ...more,
  });
  return { time, engine, session };
}

async function ask(options: FakeOptions, more: Partial<SessionOptions> = {}) {
  const { session } = await started(options, more);
  if (!(session instanceof Session)) throw new Error(session.failure);
  return { session, answer: await session.ask('cpu', 1000) };
}

const right = checksumOf('cpu', 1000);

describe('a session with the program', () => {
  it('takes the time of its start, and of its answers by both clocks', async () => {
    const { session, answer } = await ask({ startNs: 5e6, clock: 0.5 });
    expect(session.startNs).toBe(5e6);
    expect(answer).toEqual({ outcome: 'ran', ns: 2000, ownAtNs: 2_502_000, hostAtNs: 5_004_000 });
    expect(session.failure).toBeUndefined();
  });

  it('passes over what a firmware and a kernel say before', async () => {
    const { session } = await ask({ greeting: '\x1bc\x1b[?7lSeaBIOS\r\n[    0.1] Linux\nlevels 12\n\nlevels 1\r\n' });
    expect(session.failure).toBeUndefined();
  });

  it.each([
    [`cpu 1000 00000000 5 9\n`, `its checksum is 00000000, and that of 1000 iterations is ${right}`],
    ['cpu failed no\x07 memory\n', 'no? memory'],
    [`cpu 1000 ${right}\n`, `its answer is none: cpu 1000 ${right}`],
    [`cpu 1000 ${right} -5 9\n`, `its answer is none: cpu 1000 ${right} -5 9`],
  ])('has a reason where the answer is %j, and goes on', async (line, why) => {
    const { session, answer } = await ask({ instead: (_part, asked) => (asked === 1 ? line : undefined) });
    expect(answer).toEqual({ outcome: 'failed', why });
    expect(session.failure).toBeUndefined();
    expect(await session.ask('files', 10)).toMatchObject({ outcome: 'ran' });
  });

  it.each([
    ['end', 'ended with status 139; its last line: begin cpu 1000'],
    ['silence', 'no answer for 0.05 s; its last line: levels 1'],
    ['cpu 1001 12345678 5\n', 'no answer for 0.05 s; its last line: cpu 1001 12345678 5'],
    ['half a li', 'no answer for 0.05 s; its last line: half a li'],
    ['x'.repeat(2 << 20), 'it prints without end'],
  ])('is over where there is no answer: %.20s', async (instead, why) => {
    const { session, answer } = await ask({ instead: () => instead }, { answerLimitMs: 50 });
    expect(answer).toEqual({ outcome: 'failed', why });
    expect(session.failure).toBe(why);
  });

  it('leaves nothing behind where the start fails', async () => {
    const { engine, session } = await started({ greeting: 'no such file\n' }, { startLimitMs: 50 });
    expect(session).toEqual({ failure: 'no answer for 0.05 s; its last line: no such file' });
    expect([engine.starts, engine.running]).toEqual([1, 0]);
  });

  it('is over where it is told to stop, be it starting or asked', async () => {
    const controller = new AbortController();
    const { session } = await started({ instead: () => 'silence' }, { signal: controller.signal });
    if (!(session instanceof Session)) throw new Error(session.failure);
    setImmediate(() => controller.abort(new Error('enough')));
    await expect(session.ask('cpu', 1)).rejects.toThrow('enough');
    await expect(started({}, { signal: controller.signal })).rejects.toThrow('enough');
  });
});
