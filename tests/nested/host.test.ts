import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host, type PreparedHost } from '../../src/host/host.js';
import { HOST_KINDS } from '../../src/host/kind.js';
import { hostState, prepareHost } from '../../src/host/prepare.js';
import { emulators, OtherProcess, openInput, run, Sink } from './host-support.js';

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, index) => index);
const PARAMETER = { svm: 'npt', vtx: 'ept' } as const;
const VERSION = { argv: ['--version'], env: {}, cwd: '/work' };
const none = new Uint8Array();

describe.each(HOST_KINDS)('[%s] nested host', (kind) => {
  let prepared: PreparedHost;
  let shared: Host;

  beforeAll(async () => {
    prepared = await prepareHost(kind, () => {});
    shared = await Host.start(prepared);
  });
  afterAll(() => shared.close());

  it('is ready once it was prepared, which then takes no time', async () => {
    expect(hostState(kind)).toMatchObject({ ready: true, directory: prepared.directory });
    expect(await prepareHost(kind, (line) => expect.unreachable(line))).toEqual(prepared);
  });

  it.each([0, 7, 255])('gives exit status %i', async (status) => {
    const { status: got } = await run(shared, 'read n; exit $n', Buffer.from(`${status}\n`));
    expect(got).toBe(status);
  });

  it('has root, Node, /dev/kvm, tracefs and debugfs', async () => {
    const command =
      'id -u; node -p 6*7; test -c /dev/kvm && test -d /sys/kernel/tracing/events/kvm && test -d /sys/kernel/debug/kvm';
    const { status, stdout } = await run(shared, command);
    expect([status, stdout.toString()]).toEqual([0, '0\n42\n']);
  });

  it('keeps standard output and standard error apart', async () => {
    const { stdout, stderr } = await run(shared, 'echo out; echo err >&2');
    expect([stdout.toString(), stderr]).toEqual(['out\n', 'err\n']);
  });

  it('brings every byte there and back, given whole and as a stream', async () => {
    const random = randomBytes(300_000);
    expect((await run(shared, 'cat', EVERY_BYTE)).stdout).toEqual(Buffer.from(EVERY_BYTE));
    expect((await run(shared, 'cat', random)).stdout.equals(random)).toBe(true);
    expect((await run(shared, 'sleep 0.5; cat', openInput(random).end())).stdout.equals(random)).toBe(true);
  });

  it('brings input that comes while the command runs, and output at once', async () => {
    const input = openInput();
    const stdout = new Sink();
    const status = shared.run('cat; exit 3', { input, stdout, stderr: new Sink() });
    for (const line of ['a\n', 'b\n']) {
      input.write(line);
      while (!stdout.text().endsWith(line)) await sleep(5);
    }
    input.end();
    expect([await status, stdout.text()]).toEqual([3, 'a\nb\n']);
  });

  it('ends with the command, whatever input it leaves unread', async () => {
    const bytes = randomBytes(1 << 20);
    expect((await run(shared, 'echo done', bytes)).stdout.toString()).toBe('done\n');
    expect((await run(shared, 'head -c 2 >/dev/null; echo done', openInput(bytes))).stdout.toString()).toBe('done\n');
    expect((await run(shared, 'cat', EVERY_BYTE)).stdout).toHaveLength(256);
  });

  it('waits for a slow reader and loses nothing', async () => {
    const stdout = new Sink(10);
    const bytes = randomBytes(1 << 20);
    await shared.putFiles([{ path: '/tmp/flood', bytes }]);
    expect(await shared.run('cat /tmp/flood', { stdout, stderr: new Sink() })).toBe(0);
    await new Promise<void>((resolve) => stdout.end(resolve));
    expect(stdout.bytes().equals(bytes)).toBe(true);
  });

  it('takes files with their directories and modes, and no time; gives files', async () => {
    const bytes = randomBytes(3_000_001);
    await shared.putFiles([
      { path: '/work/a/b/data', bytes },
      { path: '/work/a/empty', bytes: none },
      { path: '/work/a/program', bytes: Buffer.from('#!/bin/sh\necho ran\n'), mode: 0o755 },
    ]);
    expect((await shared.getFile('/work/a/b/data')).equals(bytes)).toBe(true);
    expect(await shared.getFile('/work/a/empty')).toHaveLength(0);
    const { stdout } = await run(shared, '/work/a/program; stat -c "%a %Y" /work/a/program /work/a/empty');
    expect(stdout.toString()).toBe('ran\n755 0\n644 0\n');
  });

  it('says which file it cannot give or take, and goes on', async () => {
    await expect(shared.getFile('/nowhere')).rejects.toMatchObject({
      code: 'HOST_FAILED',
      message: expect.stringMatching(/\/nowhere: No such file or directory$/),
    });
    await expect(shared.putFiles([{ path: '/proc/x', bytes: EVERY_BYTE }])).rejects.toMatchObject({
      message: expect.stringContaining('/proc/x: '),
    });
    await expect(shared.putFiles([{ path: '/work/x', source: '/nowhere' }])).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
    });
    expect((await run(shared, 'echo on')).stdout.toString()).toBe('on\n');
  });

  it('signals a command, past input that it does not read', async () => {
    const stdout = new Sink();
    const input = openInput(randomBytes(1 << 20));
    const command = 'trap "echo caught; exit 9" INT; echo started; while :; do sleep 0.01; done';
    const status = shared.run(command, { input, stdout, stderr: new Sink() });
    while (!stdout.text().includes('started')) await sleep(5);
    shared.signal('SIGINT');
    expect([await status, stdout.text()]).toEqual([9, 'started\ncaught\n']);
  });

  it.each(['SIGTERM', 'SIGALRM', 'SIGUSR1'] as const)('tells by 128 + n that %s ended a command', async (name) => {
    const numbers = { SIGTERM: 15, SIGALRM: 14, SIGUSR1: 10 };
    const stdout = new Sink();
    const status = shared.run('echo started; exec sleep 1000', { stdout, stderr: new Sink() });
    while (!stdout.text().includes('started')) await sleep(5);
    shared.signal(name);
    expect(await status).toBe(128 + numbers[name]);
    expect((await run(shared, 'kill -9 $$')).status).toBe(137);
  });

  it('kills what a command left running', async () => {
    expect((await run(shared, 'sleep 1234 & echo leaving')).stdout.toString()).toBe('leaving\n');
    expect((await run(shared, 'ps | grep -c "[s]leep 1234"')).stdout.toString()).toBe('0\n');
  });

  it('runs one command at a time', async () => {
    const first = run(shared, 'sleep 0.1; echo first');
    await expect(run(shared, 'echo second')).rejects.toMatchObject({ code: 'BUG' });
    expect((await first).stdout.toString()).toBe('first\n');
  });

  it('receives nothing on its console', async () => {
    expect((await run(shared, 'sleep 0.5; grep -o rx:[0-9]* /proc/tty/driver/serial')).stdout.toString()).toBe(
      'rx:0\n',
    );
  });

  it('runs a job in the agent that waits, and more in agents of their own', async () => {
    const first = await run(shared, VERSION);
    expect([first.status, first.stderr]).toEqual([0, '']);
    expect(first.stdout.toString()).toMatch(/\d+\.\d+\.\d+\n$/);
    expect(await run(shared, VERSION)).toEqual(first);
  });

  it('has its KVM with the parameters asked for', async () => {
    const ask = `cat /sys/module/kvm_*/parameters/${PARAMETER[kind]}`;
    expect((await run(shared, ask)).stdout.toString()).toMatch(/^[Y1]\n$/);
    await using host = await Host.start(prepared, { kvmArgs: `${PARAMETER[kind]}=0` });
    expect((await run(host, ask)).stdout.toString()).toMatch(/^[N0]\n$/);
    await expect(Host.start(prepared, { kvmArgs: `${PARAMETER[kind]}=x` })).rejects.toMatchObject({
      code: 'HOST_FAILED',
    });
  });

  it('has the time of now, and other random numbers each time; or the same of both', async () => {
    const ask = 'date +%s; head -c 8 /dev/urandom | hexdump';
    const once = async (setClock: 'now' | 'fixed') => {
      await using host = await Host.start(prepared, { setClock });
      const [seconds, random] = (await run(host, ask)).stdout.toString().split('\n');
      return { seconds: Number(seconds), random };
    };
    const [a, b] = await Promise.all([once('now'), once('now')]);
    expect(Math.abs(a.seconds - Date.now() / 1000)).toBeLessThan(10);
    expect(a.random).not.toBe(b.random);
    if (kind === 'vtx') expect(await once('fixed')).toEqual(await once('fixed'));
  });

  it('runs beside another, each with its own', async () => {
    const echo = async (bytes: Uint8Array) => {
      await using host = await Host.start(prepared);
      return (await run(host, 'cat', bytes)).stdout;
    };
    const inputs = [randomBytes(200_000), randomBytes(100_000)];
    const outputs = await Promise.all(inputs.map(echo));
    expect(outputs.map((output, index) => output.equals(inputs[index] ?? none))).toEqual([true, true]);
  });

  it('fails with the end of its console when its kernel crashes', async () => {
    await using host = await Host.start(prepared);
    await expect(run(host, 'echo c > /proc/sysrq-trigger; sleep 10')).rejects.toMatchObject({
      code: 'HOST_FAILED',
      hint: expect.stringContaining('Kernel panic - not syncing: sysrq triggered crash'),
    });
    await expect(run(host, 'echo')).rejects.toMatchObject({ code: 'HOST_FAILED' });
  });

  it('fails when its emulator is killed', async () => {
    const others = emulators();
    await using host = await Host.start(prepared);
    const stdout = new Sink();
    const status = host.run('echo started; exec sleep 1000', { stdout, stderr: new Sink() });
    status.catch(() => {});
    while (!stdout.text().includes('started')) await sleep(5);
    const [emulator = 0, ...more] = emulators().filter((pid) => !others.includes(pid));
    expect(more).toEqual([]);
    process.kill(emulator, 'SIGKILL');
    await expect(status).rejects.toMatchObject({ code: 'HOST_FAILED', message: expect.stringContaining('SIGKILL') });
  });

  it('is gone when it was closed, and says so', async () => {
    const others = emulators();
    const host = await Host.start(prepared);
    const status = run(host, 'sleep 1000');
    status.catch(() => {});
    await host.close();
    await host.close();
    expect(emulators()).toEqual(others);
    await expect(status).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(run(host, 'echo')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('leaves nothing when its process ends by %s', async (name) => {
    using other = new OtherProcess(kind, 'echo started; exec sleep 1000');
    await other.hasSaid('started');
    const ended = once(other.process, 'exit');
    other.process.kill(name);
    await ended;
    await other.scratch.isEmpty();
  });
});

describe('[svm] nested host', () => {
  it('boots cold with more processors', async () => {
    const prepared = await prepareHost('svm', () => {});
    await using host = await Host.start(prepared, { cold: true, cpus: 2, memoryMib: 1024 });
    expect((await run(host, 'nproc; test -e /vmlaunch/dist/cli/agent.js && echo there')).stdout.toString()).toBe(
      '2\nthere\n',
    );
    expect((await run(host, VERSION)).status).toBe(0);
  });

  it('refuses what a restored host cannot have', async () => {
    const prepared = await prepareHost('svm', () => {});
    await expect(Host.start(prepared, { cpus: 2 })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});

describe('[vtx] nested host', () => {
  it('repeats a run to the nanosecond, with files, input and a job', async () => {
    const prepared = await prepareHost('vtx', () => {});
    const file = { path: '/work/file', bytes: randomBytes(2_000_000) };
    const input = randomBytes(200_000);
    const once = async () => {
      await using host = await Host.start(prepared);
      await host.putFiles([file]);
      const outcomes = [
        await run(host, VERSION),
        await run(host, 'wc -c', input),
        await run(host, 'cat /proc/uptime; node -p "process.hrtime.bigint()"'),
      ];
      return outcomes.map(({ stdout }) => stdout.toString());
    };
    const first = await once();
    expect(first[2]).toMatch(/^\d+\.\d+ \d+\.\d+\n\d+n?\n$/);
    expect(await once()).toEqual(first);
  });
});
