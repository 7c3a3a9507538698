import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { LineTable } from '../../../dist/trace/line-table.js';
import { type PrintfGuest, runPrintf } from '../../../dist/trace/printf/printf-run.js';
import type { PrintfResult, PrintfStep } from '../../../dist/trace/printf/result.js';
import { showPrintf } from '../../../dist/trace/printf/show-printf.js';
import type { Case } from '../case.js';

const guestOf = (directory: string): PrintfGuest => ({
  image: join(directory, 'printf.elf'),
  lines: LineTable.read(join(directory, 'printf.lines.json')),
});

async function show(directory: string): Promise<PrintfResult> {
  const nowhere = openSync('/dev/null', 'w');
  try {
    return await showPrintf(guestOf(directory), nowhere);
  } finally {
    closeSync(nowhere);
  }
}

/** The modes that can come after one: the guest is left to KVM, and left to us by KVM alone. */
const NEXT: Readonly<Record<PrintfStep['mode'], readonly PrintfStep['mode'][]>> = {
  nonRootRing3: ['nonRootRing3', 'nonRootRing0', 'rootRing0', 'inside'],
  nonRootRing0: ['nonRootRing0', 'nonRootRing3', 'rootRing0', 'inside'],
  rootRing0: ['nonRootRing3', 'nonRootRing0', 'rootRing3', 'rootRing0'],
  rootRing3: ['rootRing3', 'rootRing0', 'inside'],
  inside: ['nonRootRing3', 'nonRootRing0', 'rootRing3'],
};

/** Rounded to a thousandth each. */
const assertNear = (a: number, b: number, what: string): void =>
  assert.ok(Math.abs(a - b) < 1, `${what}: ${a} and ${b} ns`);

function assertChain({ steps, spanNs, clock }: PrintfResult, hasKernelSide: boolean): void {
  const own = steps.filter(({ thread }) => thread === 'vcpu');
  assert.ok(steps.every(({ ns }) => ns >= 0));
  assertNear(
    own.reduce((sum, { ns }) => sum + ns, 0),
    spanNs,
    'the steps and the whole',
  );
  assert.notEqual(clock.source, 'none');
  assert.ok(clock.accesses === 52 && clock.errorNs < spanNs, JSON.stringify(clock));
  const before = own.slice(
    0,
    own.findIndex(({ summed }) => summed !== undefined),
  );
  before.slice(1).forEach((step, index) => {
    const last = before[index];
    if (last === undefined) return;
    assertNear(last.startNs + last.ns, step.startNs, `the end of ${last.what} and the begin of ${step.what}`);
    assert.ok(NEXT[last.mode].includes(step.mode), `${step.what} in ${step.mode} after ${last.what} in ${last.mode}`);
  });
  const accesses = before.filter(({ exit }) => exit?.io !== undefined && exit.io.port >= 0x3f8);
  const ports = accesses.filter(({ mode }) => mode === 'nonRootRing0').map(({ exit }) => exit?.io?.port);
  assert.deepEqual(ports, hasKernelSide ? [0x3fd, 0x3f8] : []);
}

/** What there is on every KVM, in this order. */
function assertSteps({ steps, byTrap, rest }: PrintfResult): void {
  const find = (what: PrintfStep['what']) => steps.findIndex((step) => step.what === what);
  const wanted = ['formats', 'flushes', 'syscall', 'kernelEntry', 'driverStarts', 'toTypeScript', 'device'] as const;
  const more = ['polled', 'consoleRing', 'mainThread', 'hostWrite', 'toKvmRun', 'driverReturns', 'sysret'] as const;
  const places = [...wanted, ...more.filter((what) => what !== 'toKvmRun'), 'libraryReturns' as const].map(find);
  assert.deepEqual(
    places,
    [...places].sort((a, b) => a - b),
  );
  assert.ok(!places.includes(-1));
  const calls = steps.filter(({ what, registers }) => what === 'syscall' && registers !== undefined);
  assert.deepEqual(
    calls.map(({ disassembly, registers }) => ({ disassembly, registers })),
    [{ disassembly: byTrap ? 'ud2' : 'syscall', registers: { rax: '0x1', rdx: '0x1a' } }],
  );
  // Where an exit of KVM's own cut the formatting, its begin has the place of that exit: in the library, as a rule.
  const formats = steps.find(({ what }) => what === 'formats');
  const file = formats?.source?.file ?? 'none';
  if (formats?.exit === undefined) assert.equal(file, 'printf/program/program.c');
  else assert.ok(file.startsWith('printf/program/'), file);
  assert.deepEqual(rest, { characters: 25, exits: 50 });
}

export const cases: readonly Case[] = [
  {
    name: 'a printf is shown from the call to the host and back, each step measured, in all its ways',
    timeoutS: 120,
    async run({ guestImages, module, log }) {
      const result = await show(guestImages);
      const { steps, ...others } = result;
      log(JSON.stringify(others));
      for (const { mode, what, ns, startNs } of steps) log(`${mode} ${what} ${startNs} ${ns}`);
      const hasKernelSide = module !== 'kvm_pvm';
      assert.equal(result.output, 'hello, world, from ring 3\n');
      assert.equal(result.kernelMissing === undefined, hasKernelSide);
      assertChain(result, hasKernelSide);
      assertSteps(result);
      for (const { exits, expectedExits } of result.variants) assert.equal(exits, expectedExits);
      const counts = result.variants.map((variant) => [
        variant.syscalls,
        variant.polls,
        variant.outInstructions,
        variant.outExits,
        variant.keptIoExits,
      ]);
      const kept = (count: number) => (hasKernelSide ? count : null);
      assert.deepEqual(counts, [
        [1, 26, 26, 26, kept(0)],
        [1, 2, 2, 26, kept(2)],
        [26, 26, 26, 26, kept(0)],
        [26, 26, 26, 26, kept(26)],
      ]);
    },
  },
  {
    name: 'two runs of a printf have the same stamps and exits, in the same order',
    long: ['vtx'],
    timeoutS: 60,
    async run({ guestImages, module }) {
      const words = module === 'kvm_pvm' ? ['trap'] : [];
      const counts = () =>
        runPrintf(guestOf(guestImages), words, undefined, ({ stamps, events }) => ({
          stamps: stamps.map(({ step, rip, value }) => `${step} ${rip} ${value}`),
          exits: events.map(({ access, rip }) => `${access?.write} ${access?.address} ${access?.value} ${rip}`),
        }));
      assert.deepEqual(await counts(), await counts());
    },
  },
];
