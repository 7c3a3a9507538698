import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOST_KINDS } from '../../src/host/kind.js';
import { prepareHost } from '../../src/host/prepare.js';
import { demoGuest } from '../../src/setup/demo.js';
import { SymbolTable } from '../../src/trace/symbols.js';
import { localKvm } from '../machine/flavour.js';
import { FLAVOUR, type Outcome, Run } from './command.js';
import { ROOT } from './host-support.js';

/** `vmlaunch memory`: what it shows and writes. */
const image = (name: string) => path.join(ROOT, 'build/guest-images', name);

interface Walk {
  readonly name: string;
  readonly walk: {
    readonly linearAddress: string;
    readonly mode: string;
    readonly steps: readonly { readonly entry: string; readonly address: string; readonly value: string }[];
    readonly result: { readonly outcome: string; readonly physicalAddress?: string };
  };
  readonly hostVirtual?: number;
  readonly hostPhysical?: string;
  readonly accesses: readonly { readonly access: object; readonly result: { readonly outcome: string } }[];
  readonly second?: readonly { readonly isKnown: boolean; readonly hostPhysical?: string }[];
}

interface Written {
  readonly flavour: string;
  readonly moment: string;
  readonly map: readonly { readonly start: number; readonly end: number; readonly slot?: number }[];
  readonly vcpus: readonly {
    readonly mode: string;
    readonly mappings?: { readonly whole: boolean; readonly ranges: readonly { readonly linear: string }[] };
    readonly walks: readonly Walk[];
  }[];
  readonly second: {
    readonly kind?: string;
    readonly faultCount: number;
    readonly counters: Readonly<Record<string, number>>;
  };
}

let directory = '';
let next = 0;
beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-memory-'));
  for (const kind of HOST_KINDS) await prepareHost(kind, () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function show(argv: readonly string[]): Promise<Outcome & { readonly written: Written; readonly page: string }> {
  const file = path.join(directory, `${next++}`);
  using run = new Run([...argv, `--json=${file}.json`, `--html=${file}.html`], { command: 'memory' });
  const outcome = await run.ended();
  expect(existsSync(`${file}.json`), outcome.stderr).toBe(true);
  const page = readFileSync(`${file}.html`, 'utf8');
  return { ...outcome, page, written: JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Written };
}

/** An entry with its address, value and bits. */
const DECODED = /^ {2}(PML4E\[0\]) {3}at [\da-f]{8}: [\da-f]{16} {2}P R\/W/m;

describe.each(HOST_KINDS)('[%s] vmlaunch memory', (kind) => {
  it('shows map, tables, walks and the second dimension, which all agree', async () => {
    const { status, stderr, stdout, written, page } = await show([image('hello-long.elf'), '--host', kind]);
    expect([status, stdout.split('\n')[0]]).toEqual([1, 'hello from long mode']);
    expect(written).toMatchObject({ flavour: FLAVOUR[kind], moment: 'at its end: debug-exit' });
    const [cpu] = written.vcpus;
    expect(cpu?.mode).toBe('64-bit mode, ring 0');
    expect(cpu?.mappings?.whole).toBe(true);
    const [rip] = cpu?.walks ?? [];
    expect(rip?.walk.steps.map(({ entry }) => entry)).toEqual(['PML4E', 'PDPTE', 'PDE']);
    expect(rip?.walk.result.physicalAddress).toBe(rip?.walk.linearAddress);
    // Two sources of one number: the kernel's page map of our process, and what KVM wrote into its second-level tables.
    expect(rip?.second?.every(({ isKnown }) => isKnown)).toBe(true);
    expect(rip?.second?.at(-1)?.hostPhysical).toBe(rip?.hostPhysical);
    const { counters, faultCount } = written.second;
    expect(written.second.kind).toBe(kind === 'svm' ? 'NPT' : 'EPT');
    expect(faultCount).toBe(counters.pf_taken);
    for (const part of ['memory map: 256 MiB of RAM', 'none: exits', '2,048 x 2M', 'in two dimensions'])
      expect(stderr).toContain(part);
    expect(stderr).toMatch(DECODED);
    expect(page.trimEnd().endsWith('</html>')).toBe(true);
    expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('stops after exits, and walks those addresses that it is asked for', async () => {
    const first = await show([image('printf.elf'), '--host', kind, '--after-exits', '3', '--walk', '0x800000000000']);
    expect([first.status, first.written.moment]).toEqual([20, 'stopped at exits:3']);
    expect(first.written.vcpus[0]?.walks.map(({ walk }) => walk.result.outcome)).toEqual(['not-canonical']);
    expect(first.stderr).toContain('the address is not canonical');
  });
});

describe('vmlaunch memory --at', () => {
  const symbols = SymbolTable.ofImage(readFileSync(image('printf.elf')));
  const at = symbols.addressOf('enter_program') ?? 0n;
  const argv = [image('printf.elf'), '--at', `0x${at.toString(16)}`];

  it('[vtx] stops before the instruction there', async () => {
    const { status, written } = await show([...argv, '--host', 'vtx']);
    expect([status, written.moment]).toEqual([20, `stopped at at:0x${at.toString(16)}`]);
    expect(written.vcpus[0]?.walks[0]?.walk.linearAddress).toBe(`0x${at.toString(16)}`);
  });

  it('[svm] says that its processor cannot', async () => {
    using run = new Run([...argv, '--host', 'svm'], { command: 'memory' });
    const { status, stderr } = await run.ended();
    expect(status).toBe(4);
    expect(stderr).toContain('stops at no address');
    expect(stderr).toContain('--host vtx');
  });
});

describe('[svm] vmlaunch memory of Linux', () => {
  it('finds its kernel, its direct map and its program', async () => {
    const { kernel, initrd, commandLine } = await demoGuest(() => {}, 'demo');
    const linux = [kernel, '--initrd', initrd, '--append', commandLine];
    const { status, written, stderr } = await show([...linux, '--host', 'svm']);
    expect([status, written.moment]).toEqual([0, 'at its end: power-off']);
    const [cpu] = written.vcpus;
    expect(cpu?.mappings?.whole).toBe(true);
    const starts = new Set(cpu?.mappings?.ranges.map(({ linear }) => linear));
    // The direct map and the kernel's text (Linux, Documentation/arch/x86/x86_64/mm.rst).
    expect(starts).toContain('0xffff888000000000');
    expect([...starts].some((linear) => linear.startsWith('0xffffffff81'))).toBe(true);
    expect(stderr).toMatch(/r-x u-/);
    const [rip] = cpu?.walks ?? [];
    expect(rip?.second?.at(-1)?.hostPhysical).toBe(rip?.hostPhysical);
  });
});

describe('[local] vmlaunch memory', () => {
  const kvm = localKvm();
  beforeEach(({ skip }) => {
    if (!kvm.usable) skip(kvm.why);
  });

  it('shows a machine of the local KVM', async () => {
    const { status, written } = await show([image('hello-long.elf'), '--host', 'local']);
    expect(status).toBe(1);
    expect(written.vcpus[0]?.walks[0]?.walk.result.outcome).toBe('mapped');
  });

  it('refuses an address that is none, in one line', async () => {
    using run = new Run([image('hello-long.elf'), '--at', 'main'], { command: 'memory' });
    const { status, stderr } = await run.ended();
    expect([status, stderr.split('\n')[0]]).toEqual([2, 'vmlaunch: no address: "main". Such as 0x100020.']);
  });
});
