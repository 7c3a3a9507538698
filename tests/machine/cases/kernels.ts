import assert from 'node:assert/strict';
import { Machine } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';
import { KERNELS, type Kernel, PRINTF_LINE, titleOf } from '../kernels.js';

/** Runs a kernel with no option but its command line; gives what it printed and the exits that it made. */
async function run({ guestImages }: CaseContext, { image, commandLine }: Kernel) {
  await using machine = await Machine.create({ image: `${guestImages}/${image}.elf`, commandLine });
  const chunks: Buffer[] = [];
  machine.output.on('data', (chunk: Buffer) => chunks.push(chunk));
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  return { end, output: Buffer.concat(chunks).toString('latin1'), exits: machine.stats().exits };
}

const endings: readonly Case[] = KERNELS.map((kernel) => ({
  name: `the kernel ${titleOf(kernel)} prints and ends as it does in QEMU`,
  async run(context) {
    const { end, output } = await run(context, kernel);
    assert.equal(output, kernel.output);
    assert.equal(end.reason, kernel.end);
    if (end.reason === 'debug-exit') assert.equal(end.status, kernel.status);
  },
}));

/** Of printf's kernel, as its source says: the UART's set-up and the end. */
const SETUP_OUTS = 7;
const END_OUTS = 1;
const FIFO_BYTES = 16;

/** Port accesses that a printf costs: an IN before each OUT, or before each FIFO that a string instruction fills. */
const portExits: readonly Case[] = (
  [
    ['', 2 * PRINTF_LINE.length],
    ['full', 2 * PRINTF_LINE.length],
    ['unbuffered', 2 * PRINTF_LINE.length],
    ['string', PRINTF_LINE.length + Math.ceil(PRINTF_LINE.length / FIFO_BYTES)],
    ['unbuffered string', 2 * PRINTF_LINE.length],
  ] as const
).map(([commandLine, line]) => ({
  name: `printf ${commandLine} makes the exits that its source predicts`,
  async run(context) {
    const { exits } = await run(context, { image: 'printf', commandLine, output: PRINTF_LINE, end: 'debug-exit' });
    assert.deepEqual(exits.byReason, { IO: SETUP_OUTS + line + END_OUTS });
  },
}));

export const cases: readonly Case[] = [...endings, ...portExits];
