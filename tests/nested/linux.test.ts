import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type RunnerTestCase } from 'vitest';
import { HOST_KINDS, type HostKind } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { type CpioEntry, cpio } from '../../src/setup/cpio.js';
import { type DemoGuest, demoGuest } from '../../src/setup/demo.js';
import { cloudKernel } from '../../src/setup/kernel.js';
import { FLAVOUR, type Outcome, type Report, Run, readReport, VENDOR } from './command.js';
import { Turns } from './turns.js';

/**
 * Debian's cloud kernel, unmodified, from its start to every end it can come to. What it does at its end is typed into
 * the shell on its console, as a user would. A boot keeps one processor busy for long, and
 * another file's tests the other: so one runs at a time.
 */
const BOOTS_AT_ONCE = 1;
/** The wait for a boot includes the boots before it. */
const WAIT = { timeout: 15 * 60_000 };
const BANNER = 'Hello from Linux inside vmlaunch.';
const PROMPT = '/root # ';
const SYSRQ_CRASH = 'echo c > /proc/sysrq-trigger';
/** Where the modules are in the guest. */
const PVPANIC_MODULES = ['pvpanic.ko', 'pvpanic-mmio.ko'];
const LOAD_PVPANIC = PVPANIC_MODULES.map((module) => `insmod /${module}`).join(' && ');
/**
 * Linux measures its TSC against the PIT or the PM timer and gives up where reading these takes long, as it does on a
 * nested host. kvmclock spares it that; without it the frequency must be told. Any will do here.
 */
const TSC_GIVEN = 'tsc_early_khz=2000000';
/** The processor of vtx has an invariant TSC, which Linux prefers to kvmclock. */
const CLOCK_SOURCE = { svm: 'kvm-clock', vtx: 'tsc' } as const satisfies Record<HostKind, string>;

let directory = '';
let demo: DemoGuest;
let shell: DemoGuest;
let initrdWithPvpanic = '';

beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-linux-'));
  demo = await demoGuest(() => {}, 'demo');
  shell = await demoGuest(() => {}, 'shell');
  initrdWithPvpanic = path.join(directory, 'pvpanic.cpio');
  writeFileSync(initrdWithPvpanic, Buffer.concat([readFileSync(shell.initrd), await pvpanicModules()]));
  for (const kind of HOST_KINDS) await prepareHost(kind, () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A second archive, which Linux unpacks after the first. */
async function pvpanicModules(): Promise<Buffer> {
  const { modules } = await cloudKernel(() => {});
  const drivers = path.join(modules, 'kernel/drivers/misc/pvpanic');
  const entry = (file: string): CpioEntry => ({
    path: file,
    kind: 'file',
    bytes: readFileSync(path.join(drivers, file)),
  });
  return cpio(PVPANIC_MODULES.map(entry));
}

const turns = new Turns(BOOTS_AT_ONCE);

interface Boot {
  readonly kind: HostKind;
  readonly guest: DemoGuest;
  readonly initrd?: string;
  /** More for the kernel's command line: the last word on a matter counts. */
  readonly append?: string;
  readonly options?: readonly string[];
  /** One line for each prompt. */
  readonly typed?: readonly string[];
}

/** Boots Linux, and resolves when the machine has ended. */
async function boot({
  kind,
  guest,
  initrd = guest.initrd,
  append = '',
  options = [],
  typed = [],
}: Boot): Promise<Outcome> {
  const linux = [guest.kernel, '--initrd', initrd, '--append', `${guest.commandLine} ${append}`];
  using run = new Run([...linux, '--host', kind, ...options], { stdin: typed.length > 0 ? 'pipe' : 'ignore' });
  const ended = run.ended();
  for (const [index, line] of typed.entries()) {
    await run.hasSaid(PROMPT, index + 1);
    run.process.stdin?.write(`${line}\n`);
  }
  return await ended;
}

let reports = 0;

/** Boots when it is its turn; the test's own time begins then. */
async function bootWithReport(task: RunnerTestCase, it: Boot): Promise<Outcome & { report: Report }> {
  const file = path.join(directory, `${reports++}.json`);
  const outcome = await turns.run(async () => {
    const start = performance.now();
    const ended = await boot({ ...it, options: [...(it.options ?? []), '--report', file] });
    task.meta.ownMs = performance.now() - start;
    return ended;
  });
  return { ...outcome, report: readReport(file) };
}

/** The longest boot begins first. */
describe.concurrent.each([...HOST_KINDS].reverse())('[%s] Linux', (kind) => {
  it('boots, sees its hypervisor, and powers off by ACPI; what was counted is told', WAIT, async ({ task }) => {
    const { status, stdout, stderr, report } = await bootWithReport(task, { kind, guest: demo, options: ['--stats'] });
    expect([status, stderr]).toEqual([0, expect.stringContaining('vmlaunch: the machine ended: power-off')]);
    expect(stdout).toContain(BANNER);
    expect(stdout).toMatch(/^flags\s*:.* hypervisor( |\r)/m);
    expect(stdout).toMatch(new RegExp(`^vendor_id\\s*: ${VENDOR[kind]}\\r?$`, 'm'));
    expect(stdout).toMatch(new RegExp(`^clock source: ${CLOCK_SOURCE[kind]}\\r?$`, 'm'));
    expect(report).toMatchObject({ host: kind, flavour: FLAVOUR[kind], end: { reason: 'power-off', status: 0 } });
    const { exits, kvm } = report;
    expect(exits.total).toBeGreaterThan(0);
    expect(Object.values(exits.byReason).reduce((sum, count) => sum + count)).toBe(exits.total);
    // KVM handles some exits by itself and passes on the others.
    expect(kvm.exits).toBeGreaterThanOrEqual(exits.total);
    expect(stderr).toMatch(new RegExp(`^ +total +${exits.total}$`, 'm'));
    expect(stderr).toMatch(new RegExp(`^exits counted by KVM +${kvm.exits}$`, 'm'));
  });
});

/** On vtx minutes: there with `npm run test:long` only. */
const SMP_HOSTS: readonly HostKind[] = process.env.VMLAUNCH_LONG === '1' ? HOST_KINDS : ['svm'];

describe.concurrent.each(SMP_HOSTS)('[%s] Linux', (kind) => {
  it('starts 4 vCPUs, runs on each of them, and powers off', WAIT, async ({ task }) => {
    const everyCpu =
      'for cpu in 0 1 2 3; do taskset -c $cpu sh -c \'echo runs on $(cut -d" " -f39 /proc/self/stat)\'; done';
    const { status, stdout, report } = await bootWithReport(task, {
      kind,
      guest: shell,
      options: ['--cpus', '4'],
      typed: [`echo $(nproc) processors; ${everyCpu}; poweroff -f`],
    });
    expect(stdout).toMatch(/^4 processors\r?$/m);
    for (const cpu of [0, 1, 2, 3]) expect(stdout).toMatch(new RegExp(`^runs on ${cpu}\\r?$`, 'm'));
    expect([status, report.end]).toEqual([0, { reason: 'power-off', status: 0 }]);
  });
});

interface Ending {
  readonly how: string;
  readonly append: string;
  /** What is typed at the prompt; nothing where the kernel does not come so far. */
  readonly typed?: string;
  readonly withPvpanic?: boolean;
  readonly end: Report['end'];
  /** The guest's own last words. */
  readonly says: string;
}

const ENDINGS: readonly Ending[] = [
  {
    how: 'reboots by the keyboard controller',
    append: 'reboot=k',
    typed: 'reboot -f',
    end: { reason: 'reset', status: 10, by: 'keyboard controller' },
    says: 'reboot: Restarting system',
  },
  {
    how: "reboots by ACPI's reset register",
    append: 'reboot=a',
    typed: 'reboot -f',
    end: { reason: 'reset', status: 10, by: 'port 0xcf9' },
    says: 'reboot: Restarting system',
  },
  {
    how: 'reboots by a triple fault',
    append: 'reboot=t',
    typed: 'reboot -f',
    end: { reason: 'triple-fault', status: 14 },
    says: 'reboot: Restarting system',
  },
  {
    how: 'halts for ever',
    append: '',
    typed: 'halt -f',
    end: { reason: 'halted', status: 16 },
    says: 'reboot: System halted',
  },
  {
    how: 'panics without an init, and resets',
    append: 'rdinit=/missing root=/dev/none panic=-1',
    end: { reason: 'panic', status: 12, by: 'message on the console' },
    says: 'Kernel panic - not syncing: VFS: Unable to mount root fs',
  },
  {
    how: 'panics and waits for ever',
    append: 'panic=0',
    typed: SYSRQ_CRASH,
    end: { reason: 'panic', status: 12, by: 'message on the console' },
    says: '---[ end Kernel panic - not syncing: sysrq triggered crash ]---',
  },
  {
    how: 'panics and tells pvpanic, which its driver found through ACPI',
    append: 'panic=0',
    typed: `${LOAD_PVPANIC} && ${SYSRQ_CRASH}`,
    withPvpanic: true,
    end: { reason: 'panic', status: 12, by: 'pvpanic' },
    says: 'Kernel panic - not syncing: sysrq triggered crash',
  },
];

/** Minutes on vtx, where flat guests come to their ends in any case: there with `npm run test:long` only. */
const ENDING_HOSTS: readonly HostKind[] = process.env.VMLAUNCH_LONG === '1' ? HOST_KINDS : ['svm'];

describe.concurrent.each(ENDING_HOSTS)('[%s] Linux', (kind) => {
  for (const { how, append, typed, withPvpanic = false, end, says } of ENDINGS) {
    it(`${how}: ${end.reason}, status ${end.status}`, WAIT, async ({ task }) => {
      const { status, stdout, report } = await bootWithReport(task, {
        kind,
        guest: shell,
        append,
        typed: typed === undefined ? [] : [typed],
        ...(withPvpanic ? { initrd: initrdWithPvpanic } : {}),
      });
      expect(stdout).toContain(says);
      expect([status, report.end]).toEqual([end.status, end]);
    });
  }
});

describe.concurrent('[svm] Linux', () => {
  it('sees no paravirtual clock with --without, and reboots by port 0xcf9', WAIT, async ({ task }) => {
    const { status, stdout, report } = await bootWithReport(task, {
      kind: 'svm',
      guest: shell,
      append: `reboot=p ${TSC_GIVEN}`,
      options: ['--without', 'kvmclock'],
      typed: ['cat /sys/devices/system/clocksource/clocksource0/available_clocksource; reboot -f'],
    });
    // Linux' watchdog takes a TSC off the list that ran unevenly, as on a busy machine.
    expect(stdout).toMatch(/^.*acpi_pm.*$/m);
    expect(stdout).not.toContain('kvm-clock');
    expect([status, report.end]).toEqual([10, { reason: 'reset', status: 10, by: 'port 0xcf9' }]);
  });

  it('starts again after a reset with --reboot, and then powers off', WAIT, async ({ task }) => {
    const { status, stdout, report } = await bootWithReport(task, {
      kind: 'svm',
      guest: shell,
      options: ['--reboot'],
      typed: ['reboot -f', 'poweroff -f'],
    });
    expect(stdout.split(BANNER)).toHaveLength(3);
    expect([status, report.end]).toEqual([0, { reason: 'power-off', status: 0 }]);
  });
});
