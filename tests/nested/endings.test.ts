import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../../src/host/host.js';
import { HOST_KINDS, type HostKind } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { FLOOD_BYTES, FLOOD_SHORT_BYTES, floodBytes } from '../machine/guests.js';
import { Run } from './command.js';
import { ROOT, run } from './host-support.js';

/** A guest that runs until it is ended. */
const IDLE = { image: 'halt-idle', text: 'idle\n' } as const;
const FLAT = ['--flat', 'protected', '--load-address', '0x100000'];
const MINUTE = 60_000;

const guest = (kind: HostKind, image: string) => [
  join(ROOT, 'build/guest-images', `${image}.bin`),
  ...FLAT,
  '--host',
  kind,
];

beforeAll(async () => {
  for (const kind of HOST_KINDS) await prepareHost(kind, () => {});
});

describe.each(HOST_KINDS)('[%s] vmlaunch run', (kind) => {
  it('says in one line that its host was killed, with status 4', async () => {
    using command = new Run(guest(kind, IDLE.image));
    await command.hasSaid(IDLE.text);
    process.kill(await command.emulator(), 'SIGKILL');
    expect(await command.ended()).toMatchObject({
      status: 4,
      stderr: `vmlaunch: the nested host ${kind} ended unexpectedly (SIGKILL).\n`,
    });
    await command.scratch.isEmpty();
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends by %s with status %i, and leaves nothing', async (signal, status) => {
    using command = new Run(guest(kind, IDLE.image));
    await command.hasSaid(IDLE.text);
    command.process.kill(signal);
    expect(await command.ended()).toMatchObject({ status, stderr: `vmlaunch: stopped by ${signal}\n` });
    await command.scratch.isEmpty();
  });

  it('takes its host along when it is killed', async () => {
    using command = new Run(guest(kind, IDLE.image));
    await command.hasSaid(IDLE.text);
    command.process.kill('SIGKILL');
    expect((await command.ended()).status).toBe('SIGKILL');
    await command.scratch.isEmpty();
  });

  it('ends with 124 when its time is over before its host has started, and leaves nothing', async () => {
    using command = new Run([...guest(kind, IDLE.image), '--timeout', '0.01']);
    expect(await command.ended()).toEqual({ status: 124, stdout: '', stderr: '' });
    await command.scratch.isEmpty();
  });

  it('ends by a signal that comes while its host starts, and leaves nothing', async () => {
    using command = new Run(guest(kind, IDLE.image));
    await command.emulator();
    command.process.kill('SIGINT');
    expect(await command.ended()).toEqual({ status: 130, stdout: '', stderr: '' });
    await command.scratch.isEmpty();
  });
});

/** A pipe with no more room, whose reader stands still. */
class FullPipe implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'vmlaunch-test-'));
  readonly fd: number;

  constructor() {
    const name = join(this.#directory, 'pipe');
    execFileSync('mkfifo', [name]);
    this.fd = openSync(name, constants.O_RDWR | constants.O_NONBLOCK);
    expect(() => {
      for (;;) writeSync(this.fd, Buffer.alloc(4096));
    }).toThrow('EAGAIN');
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
    rmSync(this.#directory, { recursive: true });
  }
}

describe('[svm] output of vmlaunch run', () => {
  /** An exit of a guest costs 50 µs and more there, and sixteen bytes cost one. */
  const long = process.env.VMLAUNCH_LONG === '1' ? undefined : 'takes minutes: only with npm run test:long';

  async function reachesSlowReader(image: string, length: number, delayMs: number): Promise<void> {
    using command = new Run(guest('svm', image), { delayMs });
    const { status, stdout } = await command.ended();
    expect([status, stdout.length]).toEqual([1, length]);
    expect(Buffer.from(stdout, 'latin1').equals(Buffer.from(floodBytes(length)))).toBe(true);
  }

  it('that nobody takes does not outlast a time-out', async () => {
    using pipe = new FullPipe();
    using command = new Run([...guest('svm', IDLE.image), '--timeout', '15'], { stdout: pipe.fd });
    const { status, stderr } = await command.ended();
    expect(status).toBe(124);
    expect(stderr).toMatch(
      /^vmlaunch: the machine ended: timeout\nwhy: its time was over\nconsole: .*\nvCPU 0 .*halted/,
    );
    await command.scratch.isEmpty();
  });

  it('that loses its reader ends the command on a KVM of its own as SIGPIPE would', async () => {
    await using host = await Host.start(await prepareHost('svm', () => {}));
    const flood = `build/guest-images/flood-short.bin ${FLAT.join(' ')}`;
    const command = `cd /vmlaunch; (node dist/bundle/vmlaunch.cjs run ${flood} --host local; echo $? > /tmp/status) | head -c 1; cat /tmp/status`;
    const { stdout, stderr } = await run(host, command);
    expect([stdout.toString('latin1', 1), stderr]).toEqual(['141\n', 'vmlaunch: stopped by SIGPIPE\n']);
  });

  it('reaches a slow reader to the byte: 256 KiB', () => reachesSlowReader('flood-short', FLOOD_SHORT_BYTES, 100));

  it('reaches a slow reader to the byte: 10 MiB', { timeout: 60 * MINUTE }, async ({ skip }) => {
    if (long !== undefined) skip(long);
    await reachesSlowReader('flood', FLOOD_BYTES, 100);
  });
});
