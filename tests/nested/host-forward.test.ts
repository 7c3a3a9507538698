import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { type ForwardOptions, runInHost } from '../../src/host/forward.js';
import { HOST_KINDS } from '../../src/host/kind.js';
import { emulators, openInput, ROOT, Sink } from './host-support.js';

const SPIN = { path: '/work/spin.bin', source: join(ROOT, 'build/guest-images/spin.bin') };
const RUN_SPIN = ['run', '/work/spin.bin', '--host', 'local', '--flat', 'protected', '--load-address', '0x100000'];
const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A signal that a command does not notice, and that does not end the process that runs these tests. */
const UNNOTICED = 'SIGWINCH';
const UNNOTICED_NUMBER = 28;

describe.each(HOST_KINDS)('[%s] forwarded command', (kind) => {
  async function forward(argv: readonly string[], options: Partial<ForwardOptions> = {}) {
    const [stdout, stderr] = [new Sink(), new Sink()];
    const stdin = openInput().end();
    const standard = { kind, argv, upload: [], download: [], clock: 'fixed', stdin, stdout, stderr } as const;
    const status = await runInHost({ ...standard, ...options });
    return { status, stdout: stdout.text(), stderr: stderr.text() };
  }

  it('gives status and output as if it ran here', async () => {
    expect(await forward(['--version'])).toEqual({ status: 0, stdout: '0.1.0\n', stderr: '' });
    const wrong = await forward(['no-such-command']);
    expect([wrong.status, wrong.stdout]).toEqual([2, '']);
    expect(wrong.stderr).toContain('no-such-command');
  });

  it('takes files along, and brings results out where there are any', async () => {
    const source = join(directory, `${kind}-in`);
    const [outside, missing] = [join(directory, `${kind}-out`), join(directory, `${kind}-missing`)];
    writeFileSync(source, 'contents');
    const download = [
      { inside: '/work/in', outside },
      { inside: '/work/missing', outside: missing },
    ];
    await forward(['--version'], { upload: [{ path: '/work/in', source }], download });
    expect(readFileSync(outside, 'utf8')).toBe('contents');
    expect(() => readFileSync(missing)).toThrow('ENOENT');
  });

  it('ends a command that takes too long with 124', async () => {
    expect((await forward(RUN_SPIN, { upload: [SPIN], timeoutS: 3 })).status).toBe(124);
    expect(emulators()).toEqual([]);
  });

  it('passes a signal on, and forces the end at the second', async () => {
    const stdout = new Sink();
    let status: number | undefined;
    const ended = forward(RUN_SPIN, { upload: [SPIN], signals: [UNNOTICED], stdout, timeoutS: 60 });
    void ended.then((outcome) => {
      status = outcome.status;
    });
    while (stdout.text() === '' && status === undefined) await sleep(5);
    process.kill(process.pid, UNNOTICED);
    await sleep(200); // nothing is to happen
    expect(status).toBe(undefined);
    process.kill(process.pid, UNNOTICED);
    expect((await ended).status).toBe(128 + UNNOTICED_NUMBER);
    expect(process.listenerCount(UNNOTICED)).toBe(0);
    expect(emulators()).toEqual([]);
  });

  it('ends when nobody reads its output', async () => {
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
    expect((await forward(['--version'], { stdout })).status).toBe(128 + 13);
  });
});
