import assert from 'node:assert/strict';
import { Machine } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';
import { FLAVOURS } from '../flavour.js';
import { KERNELS, type Kernel, smpKernel, titleOf } from '../kernels.js';

/** Runs a kernel with no option but its command line and CPUs; gives what it printed and the exits that it made. */
async function run({ guestImages, module }: CaseContext, { image, commandLine = '', wordOnPvm = '', cpus }: Kernel) {
  const words = module === 'kvm_pvm' ? `${commandLine} ${wordOnPvm}` : commandLine;
  await using machine = await Machine.create({ image: `${guestImages}/${image}.elf`, commandLine: words, cpus });
  const chunks: Buffer[] = [];
  machine.output.on('data', (chunk: Buffer) => chunks.push(chunk));
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  return { end, output: Buffer.concat(chunks).toString('latin1'), exits: machine.stats().exits };
}

/** vtx takes seconds for each: there, those that show most of the CPU. */
const ON_VTX = [
  ...['hello-long', 'interrupts', 'faults page-fault', 'faults triple-fault', 'printf', 'printf string'],
  'smp with 2 CPUs',
];
/** A CPU's thread takes seconds to start where all share one processor in software. */
const CPU_TIMEOUT_S = 30;

export const cases: readonly Case[] = [...KERNELS, ...[1, 2, 4, 16].map(smpKernel)].map((kernel) => ({
  name: `the kernel ${titleOf(kernel)} prints and ends as it does in QEMU`,
  flavours: ON_VTX.includes(titleOf(kernel)) ? FLAVOURS : FLAVOURS.filter((flavour) => flavour !== 'vtx'),
  timeoutS: CPU_TIMEOUT_S * (kernel.cpus ?? 1),
  async run(context) {
    const { end, output, exits } = await run(context, kernel);
    assert.equal(output, kernel.output);
    assert.equal(end.reason, kernel.end);
    if (end.reason === 'debug-exit') assert.equal(end.status, kernel.status);
    if (kernel.portAccesses !== undefined) assert.deepEqual(exits.byReason, { IO: kernel.portAccesses });
  },
}));
