import assert from 'node:assert/strict';
import { type Asked, benchCommandLine } from '../../../dist/bench/guest-image.js';
import { type BenchOutput, parseBenchOutput } from '../../../dist/bench/guest-output.js';
import { BEYOND_KVM_PVM, WORKLOADS } from '../../../dist/bench/workloads.js';
import { Machine, type MachineEnd } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';

const COUNT = 12;
/** SYSCALL and SYSRET do not leave a ring there; the guest says so and goes on. */
const REFUSED_ON_PVM = ['cpu.system-calls', 'cpu.context-switches'];

async function run(
  { guestImages, log }: CaseContext,
  asked: readonly Asked[],
  choice: { readonly bits?: 32 } = {},
): Promise<BenchOutput & { readonly end: MachineEnd }> {
  const commandLine = benchCommandLine(asked, choice);
  await using machine = await Machine.create({
    image: `${guestImages}/bench.img`,
    commandLine,
    memory: '64M',
    timeoutS: 40,
  });
  const chunks: Buffer[] = [];
  machine.output.on('data', (chunk: Buffer) => chunks.push(chunk));
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  const text = Buffer.concat(chunks).toString('latin1');
  log(text);
  return { ...parseBenchOutput(text, asked), end };
}

export const cases: readonly Case[] = [
  {
    name: "each workload of the benchmark's guest ends with its checksum",
    timeoutS: 60,
    async run(context) {
      const isPvm = context.module === 'kvm_pvm';
      const names = WORKLOADS.map(({ name }) => name).filter((name) => !isPvm || !BEYOND_KVM_PVM.has(name));
      const { bits, results, end } = await run(
        context,
        names.map((name) => ({ name, count: COUNT })),
      );
      assert.equal(end.reason, 'debug-exit');
      assert.equal(bits, 64);
      const others = names.flatMap((name, i) => (results[i]?.outcome === 'ran' ? [] : [[name, results[i]]]));
      const why = 'the processor refused an instruction of it';
      assert.deepEqual(others, isPvm ? REFUSED_ON_PVM.map((name) => [name, { outcome: 'unsupported', why }]) : []);
    },
  },
  {
    name: "each workload of the benchmark's 32-bit guest ends with its checksum",
    timeoutS: 60,
    flavours: ['local', 'svm'],
    async run(context) {
      const asked = WORKLOADS.map(({ name }) => ({ name, count: COUNT }));
      const { bits, results, end } = await run(context, asked, { bits: 32 });
      assert.equal(end.reason, 'debug-exit');
      if (context.module === 'kvm_pvm') {
        // It has no paging outside of long mode: the guest's own handler tells of the MOV to CR0.
        assert.equal(end.status, (13 << 1) | 1);
        return;
      }
      assert.equal(bits, 32);
      assert.deepEqual(
        asked.filter((_, i) => results[i]?.outcome !== 'ran'),
        [],
      );
    },
  },
];
