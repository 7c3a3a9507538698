import assert from 'node:assert/strict';
import { Machine, type MachineEnd, type MachineOptions } from '../../../dist/index.js';
import { prepareThread } from '../../../dist/machine/threads.js';
import { beyondPvm } from '../beyond-pvm.js';
import type { Case, CaseContext } from '../case.js';
import { ENDING_GUESTS, mmioOutput, STRING_IO_DEBUG_OUTPUT, WIDE_IO_OUTPUT } from '../guests.js';

const FLAT = { flat: 'protected', loadAddress: 0x100000, memory: '16M' } as const;

function optionsFor({ guestImages }: CaseContext, image: string): MachineOptions {
  return { image: `${guestImages}/${image}.bin`, ...FLAT };
}

/** Runs a guest to its end with `input` on its console. */
async function run(options: MachineOptions, input?: string): Promise<{ end: MachineEnd; output: Buffer }> {
  await using machine = await Machine.create(options);
  const chunks: Buffer[] = [];
  machine.output.on('data', (chunk: Buffer) => chunks.push(chunk));
  if (input !== undefined) machine.input.write(input);
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  return { end, output: Buffer.concat(chunks) };
}

/** Starts a guest and resolves when its console has shown `text`. */
async function runUntil(machine: Machine, text: string): Promise<void> {
  const shown = new Promise<void>((resolve) => {
    let seen = '';
    machine.output.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
      if (seen.includes(text)) resolve();
    });
  });
  machine.start();
  await shown;
}

const endings: readonly Case[] = ENDING_GUESTS.map((guest) => ({
  name: `the guest ${guest.image} ends by ${guest.end}`,
  async run(context) {
    const { end, output } = await run(optionsFor(context, guest.image));
    if (context.module === 'kvm_pvm' && guest.beyondPvm !== undefined) return beyondPvm(end, guest.beyondPvm);
    assert.equal(output.toString('latin1'), guest.output);
    assert.equal(end.reason, guest.end);
    if (end.reason === 'debug-exit') assert.equal(end.status, guest.status);
  },
}));

const outputs: readonly Case[] = [
  ['wide-io', WIDE_IO_OUTPUT],
  ['mmio', mmioOutput('ones')],
  ['string-io', STRING_IO_DEBUG_OUTPUT],
].map(([image = '', expected]) => ({
  name: `the guest ${image} sees every access answered as defined`,
  async run(context: CaseContext) {
    const { end, output } = await run(optionsFor(context, image));
    assert.equal(output.toString('latin1'), expected);
    assert.equal(end.reason, 'debug-exit');
  },
}));

export const cases: readonly Case[] = [
  ...endings,
  ...outputs,
  {
    name: 'a thread that was prepared runs the next machine, and one alone',
    async run(context) {
      await prepareThread();
      for (const _ of [1, 2]) {
        const { end, output } = await run(optionsFor(context, 'hello'));
        assert.equal(output.toString('latin1'), 'hello from protected mode\n');
        assert.equal(end.reason, 'debug-exit');
      }
    },
  },
  {
    name: 'a guest halted with interrupts off ends the machine as halted',
    async run(context) {
      const { end, output } = await run(optionsFor(context, 'halt'));
      assert.equal(output.toString('latin1'), 'halting for ever\n');
      assert.equal(end.reason, 'halted');
    },
  },
  {
    name: 'real mode at 0x7c00',
    async run({ guestImages }) {
      const { end, output } = await run({ image: `${guestImages}/hello-real.bin`, flat: 'real', memory: '16M' });
      assert.equal(output.toString('latin1'), 'hello from real mode\n');
      assert.equal(end.reason, 'halted');
    },
  },
  {
    name: 'a guest halted with interrupts on goes on until it is stopped',
    async run(context) {
      await using machine = await Machine.create(optionsFor(context, 'halt-idle'));
      await runUntil(machine, 'idle');
      // Longer than two looks at whether it is halted for good.
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.equal((await machine.stop()).reason, 'stopped');
    },
  },
  {
    name: 'a machine that starts again after a reset counts what it did in all',
    timeoutS: 120,
    async run(context) {
      const text = 'reset by the keyboard controller\n';
      const options = optionsFor(context, 'reset-kbd');
      await using once = await Machine.create(options);
      await runUntil(once, text);
      assert.deepEqual(await once.ended, { reason: 'reset', by: 'keyboard controller' });
      await using again = await Machine.create({ ...options, reboot: true });
      await runUntil(again, text + text);
      assert.equal((await again.stop()).reason, 'stopped');
      const [first, all] = [once.stats(), again.stats()];
      assert.ok(all.exits.total >= first.exits.total + text.length);
      assert.ok((all.kvm?.exits ?? 0) >= all.exits.total);
    },
  },
  {
    name: 'console input reaches the guest, and what it answers comes back',
    async run(context) {
      const { end, output } = await run(optionsFor(context, 'echo'), `hello\n${'abcdefgh'.repeat(40)}\n\u0004`);
      assert.equal(output.toString('latin1'), `ready\nHELLO\n${'ABCDEFGH'.repeat(40)}\n`);
      assert.equal(end.reason, 'debug-exit');
    },
  },
];
