import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MachineOptions } from '../../../dist/machine/options.js';
import type { ExitEvent } from '../../../dist/trace/model.js';
import { Recording, type RecordingEnd } from '../../../dist/trace/recording.js';
import { Summary } from '../../../dist/trace/summary.js';
import type { Case, CaseContext } from '../case.js';

interface Recorded {
  readonly events: readonly ExitEvent[];
  readonly end: RecordingEnd;
  readonly output: string;
  /** KVM's own count. */
  readonly kvmExits: number;
  /** The loop's. */
  readonly exits: number;
  /** By KVM's clock: how long the vCPUs' threads ran, in nanoseconds. */
  readonly ranNs: number;
  readonly hasKernelSide: boolean;
  readonly text: (rip: bigint) => string | undefined;
}

async function record(options: MachineOptions): Promise<Recorded> {
  const events: ExitEvent[] = [];
  const recording = await Recording.of(options, [{ add: (event) => events.push(event), kept: () => {} }]);
  await using machine = recording.machine;
  let output = '';
  machine.output.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  machine.start();
  await machine.ended;
  const end = recording.finish();
  const { exits, kvm, time } = machine.stats();
  return {
    events,
    end,
    output,
    kvmExits: kvm?.exits ?? Number.NaN,
    exits: exits.total,
    ranNs: time === undefined ? 0 : time.insideNs + time.outsideNs,
    hasKernelSide: recording.kernelMissing === undefined,
    text: (rip) => recording.instructionAt(rip)?.text,
  };
}

/** Each counted on its own: what came to us, what of it continued an exit, what the kernel kept, and KVM's counter. */
function assertSum({ events, end, kvmExits, exits, hasKernelSide }: Recorded, { module, log }: CaseContext): void {
  const continued = events.filter((event) => event.continued).length;
  log(JSON.stringify({ recorded: events.length, continued, ...end, kvmExits }));
  assert.equal(hasKernelSide, module !== 'kvm_pvm');
  assert.equal(events.length, exits);
  assert.equal(end.lostAtEnd, 0);
  if (!hasKernelSide) {
    assert.equal(end.keptByKvm, null);
    return;
  }
  assert.equal(end.kernelEventsLost, 0);
  assert.equal(end.continuedByKernel, continued);
  assert.equal(events.length - continued + (end.keptByKvm ?? Number.NaN), kvmExits);
}

/** Each vCPU's times follow one another, and the kernel's are within ours. */
function assertTimes(events: readonly ExitEvent[], ranNs: number): void {
  const last = new Map<number, ExitEvent>();
  for (const event of events) {
    const { enteredNs, returnedNs, handledNs, hardware = [], cpu, number } = event;
    const before = last.get(cpu);
    assert.equal(number, before === undefined ? 0 : before.number + 1);
    assert.ok((before?.handledNs ?? 0) <= enteredNs && enteredNs <= returnedNs && returnedNs <= handledNs);
    for (const exit of hardware) {
      const { enteredNs: inNs = enteredNs, exitedNs } = exit;
      assert.ok(enteredNs <= inNs && inNs <= exitedNs && exitedNs <= returnedNs, `exit ${number} of vCPU ${cpu}`);
    }
    last.set(cpu, event);
  }
  const first = events[0];
  const latest = Math.max(...events.map(({ handledNs }) => handledNs));
  // Two clocks: the TSC at the rate that KVM gives, and the monotonic one.
  if (first !== undefined && last.size === 1) assert.ok(latest - first.enteredNs < ranNs * 1.05);
}

const guest = ({ guestImages }: CaseContext, file: string): string => join(guestImages, file);

const accessesOf = (events: readonly ExitEvent[]) =>
  events.flatMap(({ access, continued, ripIs, rip }) => (access ? [{ ...access, continued, ripIs, rip }] : []));

const FLAT = { flat: 'protected' } as const;

/** What mmio.S does with 0xd0000000, instruction by instruction: returns of KVM_RUN that begin an access, and that go on. */
const MMIO_RETURNS = [
  ...[1, 1, 1, 1, 2, 1, 2, 2, 3, 4], // reads; the last is rep movsl
  ...[1, 1, 1, 1, 2, 1, 2, 2, 3], // writes
  ...[1, 1, 1, 1], // rep movsl
  ...[1, 1, 1], // rep stosb
  2, // add
];

/** inc eax; out 0x80, al; jmp to the first: as fast as it can. */
const FAST = [0x40, 0xe6, 0x80, 0xeb, 0xfb];

export const cases: readonly Case[] = [
  {
    name: 'every exit is recorded, and recorded − continued + kept by KVM is what KVM counts: port I/O',
    async run(context) {
      const recorded = await record({ image: guest(context, 'hello.bin'), ...FLAT });
      assertSum(recorded, context);
      assertTimes(recorded.events, recorded.ranNs);
      const bytes = accessesOf(recorded.events).filter(({ address, write }) => address === 0x3f8 && write);
      assert.equal(Buffer.from(bytes.map(({ value }) => Number(value))).toString(), recorded.output);
      for (const { rip, ripIs, device } of bytes) {
        assert.deepEqual([ripIs, recorded.text(rip), device], ['exact', 'out dx,al', 'uart']);
      }
      assert.ok(recorded.events.every(({ bits, cpl }) => bits === 32 && cpl === 0));
    },
  },
  {
    name: 'every exit is recorded, and recorded − continued + kept by KVM is what KVM counts: string I/O',
    async run(context) {
      const recorded = await record({ image: guest(context, 'string-io.bin'), ...FLAT });
      assertSum(recorded, context);
      const reads = accessesOf(recorded.events).filter(({ write, address }) => address === 0xe9 && !write);
      assert.equal(
        reads.reduce((sum, { count }) => sum + count, 0),
        5000,
      );
      assert.ok(reads.every(({ rip, ripIs }) => ripIs === 'exact' && recorded.text(rip) === 'rep insb'));
    },
  },
  {
    name: 'every exit is recorded, and recorded − continued + kept by KVM is what KVM counts: MMIO of every kind',
    async run(context) {
      const recorded = await record({ image: guest(context, 'mmio.bin'), ...FLAT });
      assertSum(recorded, context);
      const returns: number[] = [];
      for (const { bus, continued, rip, ripIs } of accessesOf(recorded.events)) {
        if (bus !== 'mmio') continue;
        // Without the kernel's word KVM has moved past some writes, and no one instruction must have been before.
        if (recorded.hasKernelSide) assert.equal(ripIs, 'exact');
        if (ripIs === 'exact') assert.notEqual(recorded.text(rip), undefined);
        if (continued) returns.push((returns.pop() ?? 0) + 1);
        else returns.push(1);
      }
      assert.deepEqual(returns, MMIO_RETURNS);
    },
  },
  {
    name: 'every exit of the printf guest is recorded, and they are as many as its source says',
    async run(context) {
      const { module } = context;
      const commandLine = module === 'kvm_pvm' ? 'trap' : '';
      const recorded = await record({ image: guest(context, 'printf.elf'), commandLine });
      assertSum(recorded, context);
      assertTimes(recorded.events, recorded.ranNs);
      const text = recorded.output.replaceAll('\r', '');
      assert.equal(text, 'hello, world, from ring 3\n');
      // kernel.c: 7 OUT of set-up, an IN and an OUT a byte, and the OUT that ends it.
      assert.equal(recorded.events.length, 7 + 2 * text.length + 1);
      assert.ok(recorded.events.every(({ reason, bits, cpl }) => reason === 'IO' && bits === 64 && cpl === 0));
    },
  },
  {
    name: 'exits of several vCPUs are recorded, each in its order',
    flavours: ['svm', 'vtx'],
    async run(context) {
      const recorded = await record({ image: guest(context, 'cpus-triple-fault.bin'), ...FLAT, cpus: 4 });
      assertSum(recorded, context);
      assertTimes(recorded.events, recorded.ranNs);
      const [shutdown] = recorded.events.filter(({ reason }) => reason === 'SHUTDOWN');
      assert.ok(shutdown !== undefined && shutdown.cpu !== 0);
      assert.equal(shutdown.ripIs, 'exact');
      // kvm_amd has reset the vCPU by then: where its code was mapped is lost.
      assert.equal(recorded.text(shutdown.rip), context.module === 'kvm_amd' ? undefined : 'ud2');
      assert.deepEqual(new Set(recorded.events.map(({ cpu }) => cpu)), new Set([0, shutdown.cpu]));
    },
  },
  {
    name: 'the time of a vCPU is its modes’ time, also where it spins and makes no exit',
    async run({ guestImages, module, log }) {
      const summary = new Summary();
      const recording = await Recording.of({ image: join(guestImages, 'spin.bin'), ...FLAT }, [summary]);
      await using machine = recording.machine;
      const spins = once(machine.output, 'data');
      machine.output.resume();
      machine.start();
      await spins;
      await new Promise((resolve) => setTimeout(resolve, 1000)); // so long it is to spin
      await machine.stop();
      recording.finish();
      const { time } = machine.stats();
      assert.ok(time !== undefined);
      const { modes } = summary.result();
      log(JSON.stringify({ modes, time }));
      const { nonRoot = 0, rootRing0 = 0, inside = 0, rootRing3 } = modes;
      const ran = time.insideNs + time.outsideNs;
      assert.ok(Math.abs(nonRoot + rootRing0 + inside + rootRing3 - ran) < 0.05 * ran);
      if (module === 'kvm_pvm') assert.ok(inside > 0.8 * ran);
      else assert.ok(nonRoot > 0.2 * ran && inside === 0);
    },
  },
  {
    name: 'a machine that starts again is recorded through',
    async run(context) {
      const options = { image: guest(context, 'reset-cf9.bin'), ...FLAT, reboot: true } as const;
      const events: ExitEvent[] = [];
      const recording = await Recording.of(options, [{ add: (event) => events.push(event), kept: () => {} }]);
      await using machine = recording.machine;
      machine.output.resume();
      machine.start();
      const resets = () => events.filter(({ access }) => access?.address === 0xcf9 && access.write).length;
      while (resets() < 3) await new Promise((resolve) => setTimeout(resolve, 20));
      await machine.stop();
      const end = recording.finish();
      const { exits, kvm } = machine.stats();
      const continued = events.filter((event) => event.continued).length;
      context.log(JSON.stringify({ ...end, recorded: events.length, kvm: kvm?.exits }));
      assert.equal(events.length, exits.total);
      if (end.keptByKvm === null) return;
      assert.equal(events.length - continued + end.keptByKvm, kvm?.exits);
    },
  },
  {
    name: 'a ring that is full loses exits, counts them, and never stops the guest',
    timeoutS: 120,
    async run({ log }) {
      const { lost, grownMib } = await recordFast({ seconds: 3, records: 64 }, log);
      assert.ok(lost > 0, 'it was not full');
      assert.ok(grownMib < 64);
    },
  },
  {
    name: 'a guest that exits as fast as it can for 30 s: no exit is lost uncounted, and memory stays flat',
    timeoutS: 240,
    long: ['svm', 'vtx'],
    async run({ log }) {
      const { grownMib } = await recordFast({ seconds: 30 }, log);
      assert.ok(grownMib < 100); // the ring has 16 MiB, the kernel's buffers 4 MiB a processor
    },
  },
];

/** Every exit is accounted for, whether it was recorded or lost. */
async function recordFast({ seconds, records }: { seconds: number; records?: number }, log: CaseContext['log']) {
  let recorded = 0;
  let gaps = 0;
  let next = 0;
  const add = ({ number }: ExitEvent): void => {
    recorded++;
    gaps += number - next;
    next = number + 1;
  };
  const options = { image: Uint8Array.from(FAST), ...FLAT, timeoutS: seconds, record: { records } };
  const recording = await Recording.of(options, [{ add, kept: () => {} }]);
  await using machine = recording.machine;
  machine.output.resume();
  const before = memoryMib();
  machine.start();
  await machine.ended;
  const { lostAtEnd } = recording.finish();
  const { exits } = machine.stats();
  const grownMib = memoryMib() - before;
  log(JSON.stringify({ recorded, gaps, lostAtEnd, exits: exits.total, grownMib }));
  assert.equal(recorded + gaps + lostAtEnd, exits.total);
  return { lost: gaps + lostAtEnd, grownMib };
}

/** This process's resident memory. */
function memoryMib(): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kib) / 1024;
}
