import { describe, expect, it, vi } from 'vitest';
import type { CaseEvent, CaseInfo } from '../../machine/case.js';
import { Session, type StartRunner } from '../../machine/session.js';

const cases: CaseInfo[] = ['a', 'b', 'c'].map((name) => ({ name, flavours: ['svm'], timeoutS: 30, long: [] }));

/** A runner that does for each case what its script says; 'crash' ends it there with status 139. */
function scripted(script: Readonly<Record<string, 'pass' | 'fail' | 'crash' | 'stop'>>) {
  const calls: string[][] = [];
  const start: StartRunner = async (names, onOutput, onErrorOutput) => {
    calls.push([...names]);
    const print = (event: CaseEvent) => onOutput(Buffer.from(`${JSON.stringify(event)}\n`));
    for (const name of names) {
      if (script[name] === 'stop') return 1;
      print({ event: 'start', name });
      if (script[name] === 'crash') {
        onErrorOutput(Buffer.from('Segmentation fault'));
        return 139;
      }
      if (script[name] === 'fail') print({ event: 'end', name, ms: 1, ok: false, error: 'wrong' });
      else print({ event: 'end', name, ms: 1, ok: true });
    }
    return 0;
  };
  return { calls, start };
}

async function results(start: StartRunner) {
  const session = new Session(cases, start, async () => {});
  const end = await session.run();
  const ends = await Promise.all(cases.map(({ name }) => session.result(name)));
  return { end, errors: ends.map((result) => (result.ok ? '' : result.error)) };
}

describe('a session of cases', () => {
  it('runs all in one runner', async () => {
    const { calls, start } = scripted({ b: 'fail' });
    expect(await results(start)).toEqual({ end: 0, errors: ['', 'wrong', ''] });
    expect(calls).toEqual([['a', 'b', 'c']]);
  });

  it('goes on after a case that takes its runner down, which fails with how it ended', async () => {
    const { calls, start } = scripted({ a: 'crash' });
    const { end, errors } = await results(start);
    expect(end).toBe(0);
    expect(errors).toEqual([expect.stringMatching(/status 139\nSegmentation fault/), '', '']);
    expect(calls).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
  });

  it('tells of a runner that was killed for a time-out', async () => {
    const start: StartRunner = async (names, onOutput) => {
      onOutput(Buffer.from(`${JSON.stringify({ event: 'start', name: names[0] })}\n`));
      return 137;
    };
    const { errors } = await results(start);
    for (const error of errors) expect(error).toMatch(/longer than its time-out/);
  });

  it('fails what a runner that ends early leaves, and does not try for ever', async () => {
    const { calls, start } = scripted({ b: 'stop' });
    const { end, errors } = await results(start);
    expect(end).toBe(1);
    expect(errors[0]).toBe('');
    expect(errors.slice(1)).toEqual([expect.stringMatching(/^not run/), expect.stringMatching(/^not run/)]);
    expect(calls).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
  });

  it('fails all where no runner can be started', async () => {
    const { errors } = await results(() => Promise.reject(new Error('no host')));
    for (const error of errors) expect(error).toMatch(/no host/);
  });

  it('puts lines together that come in pieces', async () => {
    const start: StartRunner = async (names, onOutput) => {
      const text = names
        .flatMap((name) => [
          { event: 'start', name },
          { event: 'end', name, ms: 1, ok: false, error: '→ é' },
        ])
        .map((event) => `${JSON.stringify(event)}\n`)
        .join('');
      for (const byte of Buffer.from(text)) onOutput(Uint8Array.of(byte));
      return 0;
    };
    expect((await results(start)).errors).toEqual(['→ é', '→ é', '→ é']);
  });

  it('gives a host up that says nothing any more, and fails what it was to run', async () => {
    vi.useFakeTimers();
    try {
      let dead: (how: string) => void = () => {};
      const start: StartRunner = (names, onOutput) => {
        onOutput(Buffer.from(`${JSON.stringify({ event: 'start', name: names[0] })}\n`));
        return new Promise((resolve) => {
          dead = resolve;
        });
      };
      const session = new Session(cases.slice(0, 1), start, async () => dead('the host is gone'));
      const ended = session.run();
      await vi.advanceTimersByTimeAsync(200_000);
      expect(await ended).toBe('the host is gone');
      expect(await session.result('a')).toMatchObject({ ok: false, error: expect.stringMatching(/the host is gone/) });
    } finally {
      vi.useRealTimers();
    }
  });
});
