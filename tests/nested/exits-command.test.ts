import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

/** The command with all its files, and what is in them. */
class Watched {
  readonly #name = path.join(directory, `${next++}`);
  readonly #command: Run;

  constructor(argv: readonly string[], options: ConstructorParameters<typeof Run>[1] = {}) {
    const files = ['trace', 'html', 'report'].map((kind) => `--${kind}=${this.#name}.${kind}`);
    this.#command = new Run([...argv, ...files], { ...options, command: 'exits' });
  }

  get command(): Run {
    return this.#command;
  }

  async ended(): Promise<Outcome> {
    const outcome = await this.#command.ended();
    this.#command[Symbol.dispose]();
    return outcome;
  }

  #read(kind: string): string {
    return readFileSync(`${this.#name}.${kind}`, 'utf8');
  }

  get report(): ExitsReport {
    return JSON.parse(this.#read('report')) as ExitsReport;
  }

  /** Exits on the timeline, by the number of their vCPU. */
  get traced(): Map<number, number> {
    return countExits(JSON.parse(this.#read('trace')) as TraceEvent[]);
  }

  /** All that is wrong with the files. */
  faults(): string[] {
    const { recorded, continued, lost, byReason, kvm, modes } = this.report;
    const traced = [...this.traced.values()].reduce((sum, count) => sum + count, 0);
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
      ...(this.#read('html').trimEnd().endsWith('</html>') ? [] : ['the page is not whole']),
    ];
  }
}

function countExits(events: readonly TraceEvent[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { ph, pid, args } of events) {
    if (ph === 'X' && args.exit !== undefined) counts.set(pid - 1, (counts.get(pid - 1) ?? 0) + 1);
  }
  return counts;
}

describe.each(HOST_KINDS)('[%s] vmlaunch exits', (kind) => {
  it('shows and writes all exits of a machine, as many as KVM counted', async () => {
    const watched = new Watched([image('printf.elf'), '--host', kind]);
    const { status, stdout, stderr } = await watched.ended();
    expect([status, stdout]).toEqual([1, 'hello, world, from ring 3\n']);
    for (const part of [
      "by KVM's count: it holds",
      'uart_write+0x',
      'out dx,al',
      'guest (non-root)',
      'recorder, an exit',
    ])
      expect(stderr).toContain(part);
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
    expect([...watched.traced.keys()].sort()).toEqual([0, 1]);
    expect(watched.faults()).toEqual([]);
  });
});

describe('[local] vmlaunch exits', () => {
  it('shows our side, and why it is alone where that is so', async ({ skip }) => {
    const kvm = localKvm();
    if (!kvm.usable) skip(kvm.why);
    const watched = new Watched([image('mmio.bin'), ...PROTECTED, '--host', 'local']);
    const { status, stderr } = await watched.ended();
    expect(status).toBe(1);
    expect(watched.faults()).toEqual([]);
    if (watched.report.kvm.keptByKvm === null) expect(stderr).toContain("kernel's side           not recorded: ");
  });
});

describe('[svm] the files of vmlaunch exits', () => {
  it.each([
    ['that halts for ever', 'halt', 16, []],
    ['that resets', 'reset-kbd', 10, []],
    ['whose time is over', 'spin', 124, ['--timeout', '12']],
    ['that starts again and again', 'reset-cf9', 124, ['--reboot', '--timeout', '12']],
  ])('are whole after a guest %s', async (_, guest, status, options) => {
    const watched = new Watched([image(`${guest}.bin`), ...PROTECTED, ...options, '--host', 'svm']);
    expect((await watched.ended()).status).toBe(status);
    expect(watched.faults()).toEqual([]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('are whole after %s', async (signal, status) => {
    const watched = new Watched([image('spin.bin'), ...PROTECTED, '--host', 'svm']);
    await watched.command.hasSaid('spinning\n');
    watched.command.process.kill(signal);
    expect((await watched.ended()).status).toBe(status);
    expect(watched.faults()).toEqual([]);
  });

  it('are good up to the last flush after SIGKILL', async () => {
    await using host = await Host.start(await prepareHost('svm', () => {}));
    const guest = `build/guest-images/spin.bin ${PROTECTED.join(' ')}`;
    const command = `cd /vmlaunch
node dist/cli/bin.js exits ${guest} --host local --trace /tmp/trace.json > /tmp/output 2>&1 &
until grep -q '"exit":17,' /tmp/trace.json; do sleep 0.1; done
kill -9 $!
wait $!
echo $?
cat /tmp/trace.json`;
    const { stdout } = await run(host, command);
    const [status, ...lines] = stdout.toString().split('\n');
    expect(status).toBe('137');
    const events = JSON.parse(`${lines.join('\n')}]`) as TraceEvent[];
    expect([...countExits(events)]).toEqual([[0, 18]]);
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
    const watched = new Watched([image('echo.bin'), ...PROTECTED, '--host', 'svm'], {
      stdin: 'pipe',
      terminal: '24x80',
    });
    const { command } = watched;
    await command.hasShown(/vmlaunch exits {2}echo\.bin {2}svm, kvm_amd {2}1 vCPU/);
    await command.hasShown('ready');
    command.process.stdin?.write('typed\n');
    await command.hasShown('TYPED');
    command.process.stdin?.write('\x01x');
    const { status, stdout } = await watched.ended();
    const [before = '', drawn = '', after = ''] = stdout.split(SWITCH);
    expect([status, before, drawn.length > 0]).toEqual([0, expect.not.stringContaining('\x1b'), true]);
    const text = screenText(after).replaceAll('\r', '');
    expect(text).toMatch(
      /^vmlaunch: the machine ended: stopped\n\nserial console, its last lines\n {2}ready\n {2}TYPED\n/,
    );
    expect(text).not.toContain('\x1b');
    expect(watched.faults()).toEqual([]);
  });
});
