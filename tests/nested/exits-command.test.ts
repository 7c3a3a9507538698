import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Host } from '../../src/host/host.js';
import { HOST_KINDS } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { localKvm } from '../machine/flavour.js';
import { FLAVOUR, type Outcome, Run, screenText } from './command.js';
import { ROOT, run } from './host-support.js';

/** `vmlaunch exits`: what it shows and writes, however the machine ends. */
const PROTECTED = ['--flat', 'protected', '--load-address', '0x100000'];
const image = (name: string) => path.join(ROOT, 'build/guest-images', name);

interface TraceEvent {
  readonly ph: string;
  readonly pid: number;
  readonly name: string;
  readonly args: { readonly exit?: number; readonly name?: string };
}

interface ExitsReport {
  readonly host: string;
  readonly flavour: string;
  readonly end: { readonly reason: string };
  readonly recorded: number;
  readonly continued: number;
  readonly lost: number;
  readonly byReason: Readonly<Record<string, number>>;
  readonly kvm: { readonly exits: number | null; readonly userspaceExits: number; readonly keptByKvm: number | null };
  readonly modes: Readonly<Record<string, number>>;
}

const ESC = '\x1b';
/** To the alternate screen, and back. */
const SWITCH = new RegExp(`${ESC}\\[\\?1049[hl]`);

let directory = '';
let next = 0;
beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-exits-'));
  for (const kind of HOST_KINDS) await prepareHost(kind, () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What a run wrote. */
class Files {
  constructor(private readonly read: (kind: 'trace' | 'html' | 'report') => string) {}

  get report(): ExitsReport {
    return JSON.parse(this.read('report')) as ExitsReport;
  }

  get trace(): readonly TraceEvent[] {
    return JSON.parse(this.read('trace')) as TraceEvent[];
  }

  /** All that is wrong with them. */
  faults(): string[] {
    const { recorded, continued, lost, byReason, kvm, modes } = this.report;
    const traced = exitsIn(this.trace);
    const counted = Object.values(byReason).reduce((sum, count) => sum + count, 0);
    const sum = recorded - continued + (kvm.keptByKvm ?? 0);
    const times = kvm.keptByKvm === null ? ['inside', 'rootRing3'] : ['nonRoot', 'rootRing0', 'rootRing3'];
    const has = (field: string): boolean => (modes[field] ?? 0) > 0;
    return [
      ...(recorded > 0 && lost === 0 ? [] : [`recorded ${recorded}, lost ${lost}`]),
      ...(traced === recorded ? [] : [`${traced} exits in the trace, ${recorded} recorded`]),
      ...(counted === recorded ? [] : [`${counted} exits by reason, ${recorded} recorded`]),
      ...(kvm.userspaceExits === recorded ? [] : [`the loops counted ${kvm.userspaceExits}, ${recorded} recorded`]),
      ...(kvm.keptByKvm === null || sum === kvm.exits ? [] : [`${sum} exits, KVM counted ${kvm.exits}`]),
      ...times.filter((field) => !has(field)).map((field) => `no time in ${field}`),
      ...(this.read('html').trimEnd().endsWith('</html>') ? [] : ['the page is not whole']),
    ];
  }
}

/** How many returns of KVM_RUN there are on the timeline. */
const exitsIn = (events: readonly TraceEvent[]): number =>
  events.filter(({ ph, args }) => ph === 'X' && args.exit !== undefined).length;

/** The command, told to write all files. */
class Watched extends Files {
  readonly command: Run;

  constructor(argv: readonly string[], options: ConstructorParameters<typeof Run>[1] = {}) {
    const name = path.join(directory, `${next++}`);
    super((kind) => readFileSync(`${name}.${kind}`, 'utf8'));
    const files = ['trace', 'html', 'report'].map((kind) => `--${kind}=${name}.${kind}`);
    this.command = new Run([...argv, ...files], { ...options, command: 'exits' });
  }

  async ended(): Promise<Outcome> {
    using command = this.command;
    return await command.ended();
  }
}

describe.each(HOST_KINDS)('[%s] vmlaunch exits', (kind) => {
  it('shows and writes all exits of a machine, as many as KVM counted', async () => {
    const watched = new Watched([image('printf.elf'), '--host', kind]);
    const { status, stdout, stderr } = await watched.ended();
    expect([status, stdout]).toEqual([1, 'hello, world, from ring 3\n']);
    for (const part of ["by KVM's count: it holds", 'uart_write+0x', 'out dx,al', 'recorder, an exit'])
      expect(stderr).toContain(part);
    // Its time is split by ring where the kernel's trace has every one of its exits: on a busy svm some may be missing.
    expect(stderr).toMatch(kind === 'vtx' ? /guest program \(non-root, ring 3\)/ : /guest (program )?\(non-root/);
    expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(watched.report).toMatchObject({ host: kind, flavour: FLAVOUR[kind], end: { reason: 'debug-exit' } });
    expect(watched.faults()).toEqual([]);
  });

  it('has whole files after a triple fault', async () => {
    const watched = new Watched([image('triple-fault.bin'), ...PROTECTED, '--host', kind]);
    expect((await watched.ended()).status).toBe(14);
    expect(watched.report.byReason).toMatchObject({ SHUTDOWN: 1 });
    expect(watched.faults()).toEqual([]);
  });

  it('has all vCPUs on the timeline', async () => {
    const watched = new Watched([image('smp.elf'), '--cpus', '2', '--host', kind]);
    expect((await watched.ended()).status).toBe(1);
    const names = watched.trace.filter(({ name }) => name === 'process_name').map(({ args }) => args.name);
    expect(new Set(names)).toEqual(new Set(['vCPU 0', 'vCPU 1']));
    expect(watched.faults()).toEqual([]);
  });
});

/** Hosts on which all endings are tried: vtx takes too long for so many. */
const ENDINGS = ['local', 'svm'] as const;

describe.each(ENDINGS)('[%s] the files of vmlaunch exits', (host) => {
  const kvm = localKvm();
  beforeEach(({ skip }) => {
    if (host === 'local' && !kvm.usable) skip(kvm.why);
  });
  const guest = (name: string, ...options: readonly string[]) =>
    new Watched([image(`${name}.bin`), ...PROTECTED, ...options, '--host', host]);

  it.each([
    ['halts for ever', 'halt', 16],
    ['resets', 'reset-kbd', 10],
  ])('are whole after a guest that %s', async (_, name, status) => {
    const watched = guest(name);
    expect((await watched.ended()).status).toBe(status);
    expect(watched.faults()).toEqual([]);
  });

  it.each([
    ['SIGINT', 130, 'spin', 'spinning\n', 1, []],
    ['SIGTERM', 143, 'reset-cf9', 'reset by port 0xcf9\n', 3, ['--reboot']],
  ] as const)('are whole after %s', async (signal, status, name, text, times, options) => {
    const watched = guest(name, ...options);
    await watched.command.hasSaid(text, times);
    watched.command.process.kill(signal);
    expect((await watched.ended()).status).toBe(status);
    expect(watched.faults()).toEqual([]);
  });
});

describe('[local] vmlaunch exits', () => {
  const kvm = localKvm();
  beforeEach(({ skip }) => {
    if (!kvm.usable) skip(kvm.why);
  });

  it('shows our side, and why it is alone where that is so', async () => {
    const watched = new Watched([image('mmio.bin'), ...PROTECTED, '--host', 'local']);
    const { status, stderr } = await watched.ended();
    expect(status).toBe(1);
    expect(watched.faults()).toEqual([]);
    if (watched.report.kvm.keptByKvm === null) expect(stderr).toMatch(/kernel's side +not recorded: /);
  });

  it('has whole files of a guest whose time is over', async () => {
    const watched = new Watched([image('spin.bin'), ...PROTECTED, '--timeout', '5', '--host', 'local']);
    expect((await watched.ended()).status).toBe(124);
    expect(watched.faults()).toEqual([]);
  });
});

describe('[svm] the trace file of vmlaunch exits', () => {
  it('is good up to the last flush after SIGKILL', async () => {
    await using host = await Host.start(await prepareHost('svm', () => {}));
    const command = `node dist/bundle/vmlaunch.cjs exits build/guest-images/spin.bin ${PROTECTED.join(' ')} --host local`;
    const script = `cd /vmlaunch
${command} --trace /tmp/trace >/tmp/output 2>&1 &
until grep -q '"exit":17,' /tmp/trace; do sleep 0.1; done
kill -KILL $!
wait $!
echo $?`;
    const { stdout } = await run(host, script);
    expect(stdout.toString().trimEnd().split('\n').at(-1)).toBe('137');
    const trace = (await host.getFile('/tmp/trace')).toString();
    expect(exitsIn(JSON.parse(`${trace}]`) as TraceEvent[])).toBe(18);
  });
});

describe('[svm] vmlaunch exits', () => {
  it('stops at an exit, and shows the machine there', async () => {
    const argv = [image('printf.elf'), '--host', 'svm', '--break-on', 'pio:0x3f8:w'];
    const { status, stdout, stderr } = await new Watched(argv).ended();
    expect([status, stdout]).toEqual([20, '']);
    expect(stderr).toContain('vmlaunch: the machine ended: break (pio:0x3f8:w)\nwhy: stopped at an exit that is not');
    expect(stderr).toMatch(/the exit: IO write 0x3f8 \(uart\), by out dx,al at 0x\w+ \(setup_uart\+0x\w+\)\n/);
  });

  it('draws on a terminal while it runs, takes what is typed, and gives the terminal back', async () => {
    const watched = new Watched([image('irq-input.bin'), ...PROTECTED, '--host', 'svm'], {
      stdin: 'pipe',
      terminal: '24x80',
    });
    const { command } = watched;
    await command.hasShown(/vmlaunch exits {2}irq-input\.bin {2}svm, kvm_amd {2}1 vCPU/);
    await command.hasShown('ready');
    command.process.stdin?.write('a');
    await command.hasShown('received 61');
    command.process.stdin?.write('\x01x');
    const { status, stdout } = await watched.ended();
    const [before = '', drawn = '', after = ''] = stdout.split(SWITCH);
    expect([status, before, drawn.length > 0]).toEqual([0, expect.not.stringContaining('\x1b'), true]);
    const text = screenText(after).replaceAll('\r', '');
    expect(text).toMatch(
      /^vmlaunch: the machine ended: stopped\n\nserial console, its last lines\n {2}ready\n {2}received 61\n/,
    );
    expect(text).not.toContain('\x1b');
    expect(watched.faults()).toEqual([]);
  });
});
