import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOST_KINDS, type HostKind } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { demoGuest } from '../../src/setup/demo.js';
import { ROOT } from './host-support.js';

const BIN = path.join(ROOT, 'dist/cli/bin.js');
const PROTECTED = ['--flat', 'protected', '--load-address', '0x100000'];
const FLAVOUR = { svm: 'kvm_amd', vtx: 'kvm_intel' } as const;
const VENDOR = { svm: 'AuthenticAMD', vtx: 'GenuineIntel' } as const;

interface Report {
  readonly host: string;
  readonly flavour: string;
  readonly end: { readonly reason: string; readonly status: number };
  readonly exits: { readonly total: number; readonly byReason: Readonly<Record<string, number>> };
  readonly kvm: Readonly<Record<string, number>>;
}

interface Outcome {
  readonly status: number | NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const image = (name: string) => path.join(ROOT, 'build/guest-images', `${name}.bin`);

/** `vmlaunch run …` as a user starts it. Its input is empty unless a test pipes some into it. */
class Run {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';

  constructor(argv: readonly string[], input: 'ignore' | 'pipe' = 'ignore') {
    this.process = spawn(process.execPath, [BIN, 'run', ...argv], { stdio: [input, 'pipe', 'pipe'] });
    this.process.stdout?.setEncoding('latin1').on('data', (text: string) => {
      this.stdout += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** Resolves when the guest has written `text`; rejects when the command ended without. */
  async hasSaid(text: string): Promise<void> {
    const { stdout } = this.process;
    if (stdout === null) throw new Error('no standard output');
    while (!this.stdout.includes(text)) {
      const [chunk] = await Promise.race([once(stdout, 'data'), once(stdout, 'end')]);
      if (chunk === undefined) throw new Error(`it ended without "${text}": ${this.stderr}`);
    }
  }

  async ended(): Promise<Outcome> {
    const [status, signal] = await once(this.process, 'close');
    return { status: status ?? signal, stdout: this.stdout, stderr: this.stderr };
  }
}

const run = (argv: readonly string[]): Promise<Outcome> => new Run(argv).ended();
const flat = (kind: HostKind, name: string) => [image(name), ...PROTECTED, '--host', kind];

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-test-'));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

describe.each(HOST_KINDS)('[%s] vmlaunch run', (kind) => {
  beforeAll(async () => {
    await prepareHost(kind, () => {});
  });

  it('boots Linux, says what it counted, and writes a report', async () => {
    const { kernel, initrd, commandLine } = await demoGuest(() => {});
    const file = path.join(directory, `${kind}.json`);
    const guest = [kernel, '--initrd', initrd, '--append', commandLine];
    const { status, stdout, stderr } = await run([...guest, '--host', kind, '--stats', '--report', file]);
    expect([status, stderr]).toEqual([0, expect.stringContaining('vmlaunch: the machine ended: power-off')]);
    expect(stdout).toContain('Hello from Linux inside vmlaunch.');
    expect(stdout).toMatch(/^flags\s*:.* hypervisor( |\r)/m);
    expect(stdout).toMatch(new RegExp(`^vendor_id\\s*: ${VENDOR[kind]}\\r?$`, 'm'));
    const report = JSON.parse(fs.readFileSync(file, 'utf8')) as Report;
    expect(report).toMatchObject({
      host: kind,
      flavour: FLAVOUR[kind],
      end: { reason: 'power-off', status: 0 },
    });
    const { exits, kvm } = report;
    expect(exits.total).toBeGreaterThan(0);
    expect(Object.values(exits.byReason).reduce((sum, count) => sum + count)).toBe(exits.total);
    // KVM handles some exits by itself and passes on the others.
    expect(kvm.exits).toBeGreaterThanOrEqual(exits.total);
    expect(stderr).toMatch(new RegExp(`^ +total +${exits.total}$`, 'm'));
    expect(stderr).toMatch(new RegExp(`^exits counted by KVM +${kvm.exits}$`, 'm'));
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
    const echo = new Run(flat('svm', 'echo'), 'pipe');
    await echo.hasSaid('ready\n');
    echo.process.stdin?.end('Piped 42 {~}\n\x04');
    expect(await echo.ended()).toMatchObject({ status: 1, stdout: 'ready\nPIPED 42 {~}\n' });
  });

  it('ends a guest whose time is over, with status 124', async () => {
    // The time begins when the host goes on, some 3 s before the guest does: less would end it before its first line.
    const outcome = await run([...flat('svm', 'spin'), '--timeout', '8']);
    expect(outcome).toMatchObject({ status: 124, stdout: 'spinning\n' });
  });

  it('ends a guest that spins on SIGINT, with status 130', async () => {
    const spin = new Run(flat('svm', 'spin'));
    await spin.hasSaid('spinning\n');
    spin.process.kill('SIGINT');
    expect(await spin.ended()).toMatchObject({
      status: 130,
      stdout: 'spinning\n',
      stderr: expect.stringContaining('stopped by SIGINT'),
    });
  });
});
