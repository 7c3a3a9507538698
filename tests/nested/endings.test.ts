import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Host } from '../../src/host/host.js';
import { HOST_KINDS, type HostKind } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { FLOOD_BYTES, FLOOD_SHORT_BYTES, floodBytes } from '../machine/guests.js';
import { emulators, ROOT, run } from './host-support.js';

/** A guest that runs until it is ended, on both hosts: one that spins would do on svm only. */
const IDLE = { image: 'halt-idle', text: 'idle\n' } as const;
const BIN = join(ROOT, 'dist/cli/bin.js');
const FLAT = ['--flat', 'protected', '--load-address', '0x100000'];
const MINUTE = 60_000;

/** `vmlaunch run` as a user starts it, with a directory for temporary files of its own. */
class Command implements Disposable {
  readonly process: ChildProcess;
  readonly temporary = mkdtempSync(join(tmpdir(), 'vmlaunch-test-'));
  readonly #chunks: Buffer[] = [];
  #stderr = '';

  constructor(kind: HostKind, image: string, options: readonly string[] = [], stdout: number | 'pipe' = 'pipe') {
    const argv = [BIN, 'run', join(ROOT, 'build/guest-images', `${image}.bin`), ...FLAT, '--host', kind, ...options];
    const env = { ...process.env, TMPDIR: this.temporary };
    this.process = spawn(process.execPath, argv, { env, stdio: ['ignore', stdout, 'pipe'] });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
  }

  /** Reads all output, and takes its time over each piece. */
  async read(delayMs = 0): Promise<Buffer> {
    for await (const chunk of this.process.stdout ?? []) {
      this.#chunks.push(chunk as Buffer);
      if (delayMs > 0) await sleep(delayMs);
    }
    return Buffer.concat(this.#chunks);
  }

  /** Reads on until the guest has written so. */
  async hasSaid(text: string): Promise<void> {
    const reading = this.read();
    const ended = reading.then((all) => Promise.reject(new Error(`it wrote only "${all}": ${this.#stderr}`)));
    ended.catch(() => {});
    while (!Buffer.concat(this.#chunks).includes(text)) await Promise.race([sleep(5), ended]);
  }

  async emulator(): Promise<number> {
    return vi.waitFor(() => {
      const [pid] = emulators(this.process.pid);
      if (pid === undefined) throw new Error('no emulator runs');
      return pid;
    }, MINUTE);
  }

  async ended(): Promise<{ status: number | NodeJS.Signals; stderr: string }> {
    const [status, signal] = (await once(this.process, 'close')) as [number | null, NodeJS.Signals];
    return { status: status ?? signal, stderr: this.#stderr };
  }

  /** Resolves when nothing of it is left: no process with its environment, no file. */
  async isGone(): Promise<void> {
    await vi.waitFor(() => expect([...this.#processes(), ...readdirSync(this.temporary)]).toEqual([]), MINUTE);
  }

  #processes(): string[] {
    return readdirSync('/proc').filter(
      (pid) => /^\d+$/.test(pid) && environment(pid).includes(`TMPDIR=${this.temporary}`),
    );
  }

  [Symbol.dispose](): void {
    this.process.kill('SIGKILL');
    rmSync(this.temporary, { recursive: true });
  }
}

function environment(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return []; // it has ended meanwhile
  }
}

beforeAll(async () => {
  for (const kind of HOST_KINDS) await prepareHost(kind, () => {});
});

describe.each(HOST_KINDS)('[%s] vmlaunch run', (kind) => {
  it('says in one line that its host was killed, with status 4', async () => {
    using command = new Command(kind, IDLE.image);
    await command.hasSaid(IDLE.text);
    process.kill(await command.emulator(), 'SIGKILL');
    expect(await command.ended()).toEqual({
      status: 4,
      stderr: `vmlaunch: the nested host ${kind} ended unexpectedly (SIGKILL).\n`,
    });
    await command.isGone();
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends by %s with status %i, and leaves nothing', async (signal, status) => {
    using command = new Command(kind, IDLE.image);
    await command.hasSaid(IDLE.text);
    command.process.kill(signal);
    expect(await command.ended()).toEqual({ status, stderr: `vmlaunch: stopped by ${signal}\n` });
    await command.isGone();
  });

  it('takes its host along when it is killed', async () => {
    using command = new Command(kind, IDLE.image);
    await command.hasSaid(IDLE.text);
    command.process.kill('SIGKILL');
    expect((await command.ended()).status).toBe('SIGKILL');
    await command.isGone();
  });

  it('ends with 124 when its time is over before its host has started, and leaves nothing', async () => {
    using command = new Command(kind, IDLE.image, ['--timeout', '0.01']);
    expect([(await command.read()).toString(), await command.ended()]).toEqual(['', { status: 124, stderr: '' }]);
    await command.isGone();
  });

  it('ends by a signal that comes while its host starts, and leaves nothing', async () => {
    using command = new Command(kind, IDLE.image);
    await command.emulator();
    command.process.kill('SIGINT');
    expect([(await command.read()).toString(), await command.ended()]).toEqual(['', { status: 130, stderr: '' }]);
    await command.isGone();
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
  /** An exit of a guest costs 50 µs and more there, and a byte costs an exit. */
  const long = process.env.VMLAUNCH_LONG === '1' ? undefined : 'takes minutes: only with npm run test:long';

  async function reachesSlowReader(image: string, length: number, delayMs: number): Promise<void> {
    using command = new Command('svm', image);
    const [output, { status }] = await Promise.all([command.read(delayMs), command.ended()]);
    expect([status, output.length]).toEqual([1, length]);
    expect(output.equals(Buffer.from(floodBytes(length)))).toBe(true);
  }

  it('that nobody takes does not outlast a time-out', async () => {
    using pipe = new FullPipe();
    using command = new Command('svm', IDLE.image, ['--timeout', '15'], pipe.fd);
    const { status, stderr } = await command.ended();
    expect(status).toBe(124);
    expect(stderr).toMatch(
      /^vmlaunch: the machine ended: timeout\nwhy: its time was over\nconsole: .*\nvCPU 0 .*halted/,
    );
    await command.isGone();
  });

  it('that loses its reader ends the command on a KVM of its own as SIGPIPE would', async () => {
    await using host = await Host.start(await prepareHost('svm', () => {}));
    const guest = `build/guest-images/flood-short.bin ${FLAT.join(' ')}`;
    const command = `cd /vmlaunch; (node dist/cli/bin.js run ${guest} --host local; echo $? > /tmp/status) | head -c 1; cat /tmp/status`;
    const { stdout, stderr } = await run(host, command);
    expect([stdout.toString('latin1', 1), stderr]).toEqual(['141\n', 'vmlaunch: stopped by SIGPIPE\n']);
  });

  it('reaches a slow reader to the byte: 256 KiB', () => reachesSlowReader('flood-short', FLOOD_SHORT_BYTES, 100));

  it('reaches a slow reader to the byte: 10 MiB', { timeout: 60 * MINUTE }, async ({ skip }) => {
    if (long !== undefined) skip(long);
    await reachesSlowReader('flood', FLOOD_BYTES, 100);
  });
});
