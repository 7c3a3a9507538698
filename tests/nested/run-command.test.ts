import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { HOST_KINDS, type HostKind } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { Run, run } from './command.js';
import { ROOT } from './host-support.js';

const PROTECTED = ['--flat', 'protected', '--load-address', '0x100000'];
const image = (name: string) => path.join(ROOT, 'build/guest-images', `${name}.bin`);

const flat = (kind: HostKind, name: string) => [image(name), ...PROTECTED, '--host', kind];

describe.each(HOST_KINDS)('[%s] vmlaunch run', (kind) => {
  beforeAll(async () => {
    await prepareHost(kind, () => {});
  });

  it('gives what a flat guest writes, byte for byte, and the status of isa-debug-exit', async () => {
    expect(await run(flat(kind, 'hello'))).toMatchObject({ status: 1, stdout: 'hello from protected mode\n' });
  });

  it('tells a triple fault by status 14', async () => {
    expect(await run(flat(kind, 'triple-fault'))).toMatchObject({ status: 14, stdout: 'triple fault\n' });
  });
});

describe('[svm] vmlaunch run', () => {
  it.each([
    ['reset-kbd', 10, 'reset by the keyboard controller\n'],
    ['halt', 16, 'halting for ever\n'],
    ['poweroff', 0, 'power off\n'],
  ])('%s ends with status %i', async (name, status, stdout) => {
    expect(await run(flat('svm', name))).toMatchObject({ status, stdout });
  });

  it('runs a real-mode guest, which halts for ever', async () => {
    const argv = [image('hello-real'), '--flat', 'real', '--host', 'svm'];
    expect(await run(argv)).toMatchObject({ status: 16, stdout: 'hello from real mode\n' });
  });

  it('brings standard input to the guest, typed once it is ready', async () => {
    using echo = new Run(flat('svm', 'echo'), { stdin: 'pipe' });
    await echo.hasSaid('ready\n');
    echo.process.stdin?.end('Piped 42 {~}\n\x04');
    expect(await echo.ended()).toMatchObject({ status: 1, stdout: 'ready\nPIPED 42 {~}\n' });
  });

  it('ends a guest whose time is over, with status 124', async () => {
    // The time begins when the host goes on: on a busy machine it may be over before the guest's first line.
    const { status, stdout } = await run([...flat('svm', 'spin'), '--timeout', '8']);
    expect(status).toBe(124);
    expect('spinning\n'.startsWith(stdout)).toBe(true);
  });

  it('ends a guest that spins on SIGINT, with status 130', async () => {
    using spin = new Run(flat('svm', 'spin'));
    await spin.hasSaid('spinning\n');
    spin.process.kill('SIGINT');
    expect(await spin.ended()).toMatchObject({
      status: 130,
      stdout: 'spinning\n',
      stderr: expect.stringContaining('stopped by SIGINT'),
    });
  });
});
