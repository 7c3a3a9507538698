import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFlatGuest } from '../../../dist/bench/flat-guest.js';
import { describePostMortem, Machine, type MachineOptions, type PostMortem } from '../../../dist/index.js';
import { walkPageTables } from '../../../dist/memory/walk.js';
import type { Case, CaseContext } from '../case.js';

/** The first case that disassembles loads the disassembler: long on a busy machine's nested host. */
const DISASSEMBLER_S = 90;
const RAM_BYTES = 4 << 20;
/** mov al, 0x42; out 0x80, al; lidt [0x10000d]; ud2; and the empty table's limit and base. */
const PROTECTED = [0xb0, 0x42, 0xe6, 0x80, 0x0f, 0x01, 0x1d, 0x0d, 0, 0x10, 0, 0x0f, 0x0b, 0, 0, 0, 0, 0, 0];
/** The same; in 64-bit mode the table is named relative to rip: lidt [rip + 2]. */
const LONG = [0xb0, 0x42, 0xe6, 0x80, 0x0f, 0x01, 0x1d, 2, 0, 0, 0, 0x0f, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const UD2_AT = '0x10000b';
const OUT_42 = { reason: 'IO', write: true, port: 0x80, size: 1, count: 1, value: 0x42, device: 'post-code' };

/** Runs a guest until `until` resolves, or to its own end, and gives its post-mortem. */
async function deathOf(
  options: MachineOptions,
  { log }: CaseContext,
  until?: (machine: Machine) => Promise<unknown>,
): Promise<PostMortem> {
  await using machine = await Machine.create({ memory: RAM_BYTES, flat: 'protected', ...options });
  machine.output.resume();
  machine.start();
  if (until !== undefined) {
    await until(machine);
    await machine.stop({ reason: 'timeout' });
  }
  await machine.ended;
  const death = machine.postMortem();
  assert.ok(death);
  const text = describePostMortem(death);
  log(text);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `${line.length} characters: ${line}`);
  return death;
}

/** What a guest without exits does cannot be waited for: neither it nor KVM says anything. */
const SOME_TIME_MS = 1000;

const tripleFaults: readonly Case[] = (['protected', 'long'] as const).map((flat) => ({
  name: `a triple fault in ${flat} mode is told with its rip on vtx; on svm its registers are lost, which is said`,
  flavours: ['svm', 'vtx'],
  timeoutS: DISASSEMBLER_S,
  async run(context) {
    const image = Uint8Array.from(flat === 'long' ? LONG : PROTECTED);
    const { reason, output, vcpus } = await deathOf({ image, flat }, context);
    assert.match(reason, /^a triple fault/);
    assert.equal(output.bytes, 0);
    assert.equal(vcpus.length, 1);
    const [{ state, lost, exits, activity } = assert.fail()] = vcpus;
    assert.deepEqual(exits, [OUT_42, { reason: 'SHUTDOWN' }]);
    assert.equal(activity, undefined);
    if (context.flavour === 'svm') {
      assert.equal(state, undefined);
      assert.match(lost ?? '', /rip fff0 is not where the guest died.*use --host vtx/);
      return;
    }
    assert.ok(state);
    assert.equal(lost, undefined);
    assert.equal(state.registers.rip, UD2_AT);
    assert.deepEqual(state.code[0], { rip: UD2_AT, bytes: '0f0b', text: 'ud2' });
    assert.equal(state.idt.limit, '0x0');
    assert.equal(Number(state.registers.rax) & 0xff, 0x42);
    assert.deepEqual(state.efer.flags, flat === 'long' ? ['LME', 'LMA'] : []);
    const { mode, steps, result } = state.walk;
    assert.equal(mode, flat === 'long' ? '4-level' : 'off');
    assert.equal(steps.length, flat === 'long' ? 3 : 0);
    assert.ok(result.outcome === 'mapped' && result.inRam);
    assert.equal(result.physicalAddress, UD2_AT);
  },
}));

export const cases: readonly Case[] = [
  ...tripleFaults,
  {
    name: 'the rip of a triple fault and the exceptions before it are in the record of the kernel',
    flavours: ['svm', 'vtx'],
    timeoutS: DISASSEMBLER_S,
    async run(context) {
      const options = { image: Uint8Array.from(PROTECTED), traceKvm: true };
      const { vcpus } = await deathOf(options, context);
      assert.equal(vcpus[0]?.kvm?.lastExit?.rip, UD2_AT);
      assert.ok(vcpus[0].kvm.injected.includes('#UD'), vcpus[0].kvm.injected.join());
      assert.deepEqual(
        readdirSync('/sys/kernel/tracing/instances').filter((name) => name.startsWith('vmlaunch')),
        [],
      );
    },
  },
  {
    name: 'an instruction that KVM cannot emulate has a post-mortem with its rip',
    timeoutS: DISASSEMBLER_S,
    async run(context) {
      const { reason, vcpus } = await deathOf({ image: Uint8Array.of(0xd9, 0x05, 0, 0, 0, 0xd0) }, context);
      assert.match(reason, /^KVM_EXIT_INTERNAL_ERROR: /);
      const [cpu] = vcpus;
      assert.equal(cpu?.state?.registers.rip, '0x100000');
      assert.equal(cpu.state.code[0]?.text, 'fld dword [0D0000000h]');
      assert.deepEqual(cpu.exits, [{ reason: 'INTERNAL_ERROR' }]);
    },
  },
  {
    name: 'a guest whose time is over while it spins is told from one that halts',
    timeoutS: DISASSEMBLER_S,
    async run(context) {
      const image = `${context.guestImages}/silent-spin.bin`;
      const { reason, output, vcpus } = await deathOf({ image }, context, () => sleep(SOME_TIME_MS));
      assert.equal(reason, 'its time was over');
      assert.equal(output.bytes, 0);
      const [cpu] = vcpus;
      assert.equal(cpu?.activity?.doing, 'spinning');
      assert.deepEqual(cpu.activity.exits, {});
      assert.deepEqual(cpu.exits, []);
      assert.ok(cpu.state && cpu.state.code.length > 0);
    },
  },
  {
    name: 'a guest whose time is over while it waits for an interrupt is told so',
    timeoutS: DISASSEMBLER_S,
    async run(context) {
      const image = `${context.guestImages}/halt-idle.bin`;
      const { output, vcpus } = await deathOf({ image }, context, async (machine) => {
        await once(machine.output, 'data');
        await sleep(SOME_TIME_MS);
      });
      assert.equal(output.bytes, 'idle\n'.length);
      assert.deepEqual([vcpus[0]?.activity?.doing, vcpus[0]?.activity?.interruptsOn], ['halted', true]);
    },
  },
  {
    name: 'a guest whose time is over while it makes exits is told with their kind',
    timeoutS: DISASSEMBLER_S,
    async run(context) {
      const image = `${context.guestImages}/out-loop.bin`;
      const { vcpus } = await deathOf({ image }, context, async (machine) => {
        while (machine.stats().exits.total < 20) await sleep(10);
      });
      const [cpu] = vcpus;
      assert.equal(cpu?.activity?.doing, 'exiting');
      assert.ok((cpu.activity.exits.IO ?? 0) >= 20);
      assert.equal(cpu.exits.length, 16);
      assert.ok(cpu.exits.every((exit) => 'port' in exit && exit.port === 0x80 && exit.device === 'post-code'));
    },
  },
  {
    name: 'a machine that ended as it should has no post-mortem',
    async run({ guestImages }) {
      await using machine = await Machine.create({
        image: `${guestImages}/hello.bin`,
        flat: 'protected',
        memory: RAM_BYTES,
      });
      machine.output.resume();
      machine.start();
      assert.equal((await machine.ended).reason, 'debug-exit');
      assert.equal(machine.postMortem(), undefined);
    },
  },
  {
    name: "the page walk agrees with KVM's own",
    async run() {
      withFlatGuest('long', [0xf4], (vcpu, memory) => {
        const sregs = vcpu.getSregs();
        const addresses = [0n, 0x1000n, 0x100abcn, 0x3fffffn, 0x12345678n, 0xffffffffn, 0x100000000n, 0x7fffffffffffn];
        for (const address of addresses) {
          const { valid, physicalAddress } = vcpu.translate(address);
          const { result } = walkPageTables(memory, sregs, address);
          const own = result.outcome === 'mapped' ? result.physicalAddress : undefined;
          assert.equal(own, valid === 0 ? undefined : physicalAddress, `at 0x${address.toString(16)}`);
        }
      });
    },
  },
];
