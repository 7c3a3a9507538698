import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { keepThreadsReady, Machine, type MachineOptions } from '../../../dist/index.js';
import { Vcpu } from '../../../dist/kvm/vcpu.js';
import { Vm } from '../../../dist/kvm/vm.js';
import type { Case, CaseContext } from '../case.js';
import { FLAVOURS, type Flavour } from '../flavour.js';
import { FLOOD_SHORT_BYTES, floodBytes } from '../guests.js';
import type { Way } from '../programs/ending.js';
import { READY } from '../programs/ready.js';

const FLAT = { flat: 'protected', loadAddress: 0x100000, memory: '16M' } as const;
const MIB = 1 << 20;
const DEBUGFS_KVM = '/sys/kernel/debug/kvm';

const countOf = (directory: string): number => readdirSync(directory).length;
const statusField = (name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

/** VMs of the whole host: each has a directory. Where debugfs cannot be read, none are seen, which log() tells. */
function vms(): number | 'unknown' {
  if (!existsSync(DEBUGFS_KVM)) return 'unknown';
  return readdirSync(DEBUGFS_KVM, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
}

/** What a machine holds of this process, other than memory. */
function held(): object {
  const kvmMappings = readFileSync('/proc/self/maps', 'latin1').match(/anon_inode:kvm/g)?.length ?? 0;
  return { fds: countOf('/proc/self/fd'), threads: statusField('Threads'), kvmMappings, vms: vms() };
}

const residentMib = (): number => statusField('VmRSS') / 1024;

/** The guest, and so much behind it that the memory of a machine that is forgotten shows. */
function bigImage(guestImages: string, name: string, padding: number): Uint8Array {
  const code = readFileSync(`${guestImages}/${name}.bin`);
  return Buffer.concat([code, Buffer.alloc(padding, 0xcc)]);
}

/** A worker's thread ends a little after its last word, and nothing tells of it. */
async function threadsAreGone(expected: number): Promise<void> {
  for (let i = 0; i < 200 && statusField('Threads') > expected; i++) await new Promise((r) => setTimeout(r, 50));
}

/** Resolves at the guest's first output. */
async function firstOutput(machine: Machine): Promise<void> {
  const shown = once(machine.output, 'data');
  machine.start();
  await shown;
}

async function endsByItself(options: MachineOptions): Promise<void> {
  await using machine = await Machine.create(options);
  machine.output.resume();
  machine.start();
  assert.equal((await machine.ended).reason, 'debug-exit');
}

async function isClosedWhileItRuns(options: MachineOptions): Promise<void> {
  await using machine = await Machine.create(options);
  await firstOutput(machine);
}

async function isNeverStarted(options: MachineOptions): Promise<void> {
  await using _machine = await Machine.create(options);
}

/** KVM refuses one step of making it, when the steps before have been done. */
async function failsHalfWay(options: MachineOptions, prototype: object, step: string): Promise<void> {
  const original: unknown = Reflect.get(prototype, step);
  Reflect.set(prototype, step, () => {
    throw new Error('refused on purpose');
  });
  try {
    await assert.rejects(Machine.create(options), /refused on purpose/);
  } finally {
    Reflect.set(prototype, step, original);
  }
}

/** How much memory each machine touches. */
const TOUCHED_MIB = 4;

/** Two that run, three that do not. */
const MACHINES_A_ROUND = 5;

/** @param ready threads that wait for the next machine meanwhile */
async function leavesNothing({ guestImages, log }: CaseContext, rounds: number, ready: number): Promise<void> {
  await keepThreadsReady(ready);
  const ends = { image: bigImage(guestImages, 'hello', TOUCHED_MIB * MIB), ...FLAT };
  const idles = { image: bigImage(guestImages, 'halt-idle', TOUCHED_MIB * MIB), ...FLAT };
  const round = async (): Promise<void> => {
    await endsByItself(ends);
    await isClosedWhileItRuns(idles);
    await isNeverStarted(ends);
    await failsHalfWay(ends, Vm.prototype, 'setUserMemoryRegion');
    await failsHalfWay(ends, Vcpu.prototype, 'setCpuid2');
  };
  const threads = statusField('Threads');
  await round(); // what Node makes once
  await keepThreadsReady(ready);
  await threadsAreGone(threads);
  const before = held();
  const residentBefore = residentMib();
  const started = performance.now();
  for (let i = 0; i < rounds; i++) await round();
  await keepThreadsReady(ready);
  await threadsAreGone(threads);
  const grown = residentMib() - residentBefore;
  log(`${rounds * MACHINES_A_ROUND} machines in ${Math.round(performance.now() - started)} ms`);
  log(`before ${JSON.stringify(before)}, after ${JSON.stringify(held())}, ${grown.toFixed(1)} MiB more resident`);
  assert.deepEqual(held(), before);
  // Before any gc(): one in eight of the memory that the guests had would be more than this.
  assert.ok(grown < (rounds * MACHINES_A_ROUND * TOUCHED_MIB) / 8, `${grown} MiB more are resident`);
  await keepThreadsReady(0);
  await threadsAreGone(threads - ready);
  assert.equal(statusField('Threads'), threads - ready);
}

interface Ending {
  readonly way: Way;
  /** Sent to the program when its guest runs. */
  readonly signal?: NodeJS.Signals;
  readonly end: number | NodeJS.Signals;
  readonly stderr?: RegExp;
}

const ENDINGS: readonly Ending[] = [
  { way: 'stop', end: 3 },
  { way: 'exit', end: 4 },
  { way: 'exit-at-start', end: 7 },
  { way: 'throw', end: 1, stderr: /thrown on purpose/ },
  { way: 'reject', end: 1, stderr: /rejected on purpose/ },
  { way: 'exit-handler-throws', end: 6, stderr: /thrown by an exit handler/ },
  { way: 'signal', signal: 'SIGINT', end: 'SIGINT' },
  { way: 'signal', signal: 'SIGKILL', end: 'SIGKILL' },
  { way: 'signal-handler', signal: 'SIGINT', end: 5 },
];

/** Starts a program that runs the guest, and asserts how the program ends. */
async function programEnds({ guestImages }: CaseContext, image: string, ending: Ending): Promise<void> {
  const program = new URL('../programs/ending.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, `${guestImages}/${image}.bin`, ending.way]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (stdout === READY && ending.signal !== undefined) child.kill(ending.signal);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    assert.equal(status ?? signal, ending.end, stderr);
    assert.match(stderr, ending.stderr ?? /^$/);
  } finally {
    child.kill('SIGKILL');
  }
}

const how = ({ way, signal }: Ending): string => (signal === undefined ? way : `${way} ${signal}`);

/** With interrupts on, and off. */
const GUESTS: readonly { readonly image: string; readonly flavours: readonly Flavour[] }[] = [
  { image: 'spin', flavours: ['local', 'svm'] },
  { image: 'spin-cli', flavours: FLAVOURS },
];

/** Every program takes seconds: each way by which the process is left. */
const SHORT: readonly Ending[] = ENDINGS.filter(
  ({ way }) => way === 'exit' || way === 'throw' || way === 'signal-handler',
);

const endings: readonly Case[] = GUESTS.flatMap(({ image, flavours }) =>
  (image === 'spin' ? ENDINGS : SHORT).map((ending) => ({
    name: `a program whose guest runs (${image}) ends: ${how(ending)}`,
    flavours,
    timeoutS: 60,
    run: (context: CaseContext) => programEnds(context, image, ending),
  })),
);

/** The case that so many machines leave nothing behind. */
const leaving = (machines: number, where: Pick<Case, 'flavours' | 'long' | 'timeoutS'>, ready = 0): Case => ({
  ...where,
  name: `${machines} machines leave no descriptor, thread, mapping, VM or memory, in whatever way they end${
    ready === 0 ? '' : `; threads kept ready: ${ready}`
  }`,
  run: (context) => leavesNothing(context, machines / MACHINES_A_ROUND, ready),
});

async function stopsSoon(context: CaseContext, image: string): Promise<void> {
  await using machine = await Machine.create({ image: `${context.guestImages}/${image}.bin`, ...FLAT });
  await firstOutput(machine);
  assert.equal((await machine.stop()).reason, 'stopped');
}

/** Resolves when the guest waits for the reader of its output. */
async function makesNoMoreExits(machine: Machine): Promise<void> {
  let before = -1;
  for (let exits = 0; exits === 0 || exits !== before; exits = machine.stats().exits.total) {
    before = exits;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

export const cases: readonly Case[] = [
  ...endings,
  // Two in five of them run: in a host Node takes half a second and more to start a thread.
  leaving(5, { flavours: ['vtx'], timeoutS: 600 }),
  leaving(20, { flavours: ['svm'], timeoutS: 600 }),
  leaving(100, { flavours: ['local'], timeoutS: 600 }),
  leaving(50, { flavours: ['local', 'svm'], long: ['svm'], timeoutS: 1200 }, 2),
  leaving(500, { flavours: ['local', 'svm'], long: ['local', 'svm'], timeoutS: 3000 }),
  {
    name: 'stop() ends a guest that spins, also with interrupts off',
    async run(context) {
      await stopsSoon(context, 'spin');
      await stopsSoon(context, 'spin-cli');
    },
  },
  {
    name: 'a time-out ends a guest that spins',
    async run({ guestImages }) {
      const options = { image: `${guestImages}/silent-spin.bin`, ...FLAT, timeoutS: 0.5 };
      await using machine = await Machine.create(options);
      machine.start();
      assert.equal((await machine.ended).reason, 'timeout');
    },
  },
  {
    name: 'a machine whose output nobody reads keeps the program free to type and to stop it',
    flavours: ['local', 'svm'],
    timeoutS: 120,
    async run({ guestImages }) {
      await using machine = await Machine.create({ image: `${guestImages}/flood.bin`, ...FLAT });
      machine.start();
      await makesNoMoreExits(machine);
      machine.input.write('typed meanwhile');
      assert.equal((await machine.stop()).reason, 'stopped');
    },
  },
  {
    name: '256 KiB of console output to a reader that sleeps, to the byte',
    flavours: ['local', 'svm'],
    long: ['svm'], // where the command's test does it too
    timeoutS: 300,
    async run({ guestImages }) {
      await using machine = await Machine.create({ image: `${guestImages}/flood-short.bin`, ...FLAT });
      machine.start();
      const chunks: Buffer[] = [];
      for await (const chunk of machine.output) {
        chunks.push(chunk as Buffer);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      assert.equal((await machine.ended).reason, 'debug-exit');
      assert.ok(Buffer.concat(chunks).equals(Buffer.from(floodBytes(FLOOD_SHORT_BYTES))));
    },
  },
];
