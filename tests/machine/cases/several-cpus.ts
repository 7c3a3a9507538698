import assert from 'node:assert/strict';
import { Machine, type MachineEnd } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';

const FLAT = { flat: 'protected', loadAddress: 0x100000, memory: '16M' } as const;
/** As many as the guests of cpus.inc wait for. */
const CPUS = 4;
/** A thread takes long to start where all share one processor in software. */
const TIMEOUT_S = 300;
/** Rounds of each CPU in cpus-registers. */
const ROUNDS = 50;

async function run({ guestImages, log }: CaseContext, image: string): Promise<{ end: MachineEnd; output: string }> {
  const start = performance.now();
  await using machine = await Machine.create({ image: `${guestImages}/${image}.bin`, ...FLAT, cpus: CPUS });
  let output = '';
  machine.output.on('data', (chunk: Buffer) => {
    output += chunk.toString('latin1');
  });
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  log(`${image}: ${Math.round(performance.now() - start)} ms, ${machine.stats().exits.total} exits, ${output}`);
  return { end, output };
}

export const cases: readonly Case[] = [
  {
    name: '4 vCPUs at the registers of UART, RTC and ACPI PM at once read what one of them wrote',
    flavours: ['local', 'svm'],
    timeoutS: TIMEOUT_S,
    async run(context) {
      const { end, output } = await run(context, 'cpus-registers');
      assert.deepEqual(end, { reason: 'debug-exit', status: 1 }, output);
      // All bytes of the two consoles, in some order, and then the last line.
      const sent = [...'ABCDabcd'].map((letter) => letter.repeat(ROUNDS)).join('');
      assert.equal([...output.slice(0, sent.length)].sort().join(''), sent);
      assert.equal(output.slice(sent.length), '\ndone\n');
    },
  },
  {
    name: 'a triple fault of one vCPU ends the machine, whatever the others do',
    flavours: ['local', 'svm'],
    timeoutS: TIMEOUT_S,
    async run(context) {
      assert.deepEqual(await run(context, 'cpus-triple-fault'), {
        end: { reason: 'triple-fault' },
        output: 'the last CPU faults\n',
      });
    },
  },
  {
    name: 'a machine is halted when the last of its vCPUs is',
    timeoutS: TIMEOUT_S,
    async run(context) {
      assert.deepEqual(await run(context, 'cpus-halt'), { end: { reason: 'halted' }, output: 'all halting\n' });
    },
  },
  {
    name: 'a machine is halted where the others wait for an interrupt that starts them',
    timeoutS: TIMEOUT_S,
    async run(context) {
      assert.deepEqual(await run(context, 'halt'), { end: { reason: 'halted' }, output: 'halting for ever\n' });
    },
  },
];
