import assert from 'node:assert/strict';
import { Machine, type MachineOptions } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';

const FLAT = { flat: 'protected', loadAddress: 0x100000, memory: '16M' } as const;
/** As many as each flood of late.inc writes. */
const FLOOD_BYTES = 0x2000;
const flood = Uint8Array.from({ length: FLOOD_BYTES }, (_, i) => i & 0xff);
/** A thread takes long to start where all share one processor in software. */
const TIMEOUT_S = 300;
/** Of late-irq. */
const SENT = 300;
/** Of cpus-flood. */
const CPUS = 4;
const BYTES_OF_A_CPU = 0x2000;

/** Starts a guest; `until` sees all output so far after each piece, and says whether to stop. */
async function run(
  { guestImages, log }: CaseContext,
  image: string,
  options: Partial<MachineOptions>,
  until: (output: Buffer) => boolean,
) {
  await using machine = await Machine.create({ image: `${guestImages}/${image}.bin`, ...FLAT, ...options });
  const pieces: Buffer[] = [];
  machine.output.on('data', (piece: Buffer) => {
    pieces.push(piece);
    if (until(Buffer.concat(pieces))) void machine.stop();
  });
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  const output = Buffer.concat(pieces);
  const io = machine.stats().exits.byReason.IO ?? 0;
  log(`${image}: ${end.reason}, ${output.length} bytes in ${io} exits`);
  return { end, output, io };
}

const never = (): boolean => false;

export const cases: readonly Case[] = [
  {
    name: 'a flood makes fewer exits than bytes; its last words come though the guest makes no exit after them',
    timeoutS: TIMEOUT_S,
    async run(context) {
      const all = Buffer.concat([flood, Buffer.from('\nlast words\n')]);
      const { end, output, io } = await run(context, 'late-spin', {}, (seen) => seen.length >= all.length);
      assert.deepEqual(end, { reason: 'stopped' });
      assert.ok(output.equals(all));
      assert.ok(io < FLOOD_BYTES / 2, `${io} exits`);
    },
  },
  {
    name: 'what a stop finds of a flood is the beginning of it',
    timeoutS: TIMEOUT_S,
    async run(context) {
      const { end, output } = await run(context, 'late-spin', {}, (seen) => seen.length >= FLOOD_BYTES / 2);
      assert.deepEqual(end, { reason: 'stopped' });
      assert.ok(output.length >= FLOOD_BYTES / 2);
      assert.ok(output.equals(Buffer.concat([flood, Buffer.from('\nlast words\n')]).subarray(0, output.length)));
    },
  },
  {
    name: 'a driver that only waits for the transmitter’s interrupt gets it, in the midst of floods',
    timeoutS: TIMEOUT_S,
    flavours: ['svm', 'vtx'], // kvm_pvm has no iret
    async run(context) {
      const { end, output } = await run(context, 'late-irq', {}, never);
      const sent = Uint8Array.from({ length: SENT }, (_, i) => i & 0xff);
      assert.deepEqual(end, { reason: 'debug-exit', status: 1 });
      assert.ok(output.equals(Buffer.concat([flood, sent, flood, Buffer.from('\ndone\n')])));
    },
  },
  {
    name: '4 vCPUs that flood one console lose no byte, and each one’s come in order',
    timeoutS: TIMEOUT_S,
    flavours: ['local', 'svm'],
    async run(context) {
      const { end, output } = await run(context, 'cpus-flood', { cpus: CPUS }, never);
      assert.deepEqual(end, { reason: 'debug-exit', status: 1 });
      for (let cpu = 0; cpu < CPUS; cpu++) {
        const counts = output.filter((byte) => byte >> 6 === cpu).map((byte) => byte & 0x3f);
        assert.equal(counts.length, BYTES_OF_A_CPU);
        assert.ok(
          counts.every((count, i) => count === (i & 0x3f)),
          `CPU ${cpu} is out of order`,
        );
      }
    },
  },
  {
    name: 'where exits are recorded, every write makes one',
    timeoutS: TIMEOUT_S,
    async run(context) {
      const options = { record: { records: 0x10000 } };
      const { io } = await run(context, 'late-spin', options, (seen) => seen.length > FLOOD_BYTES);
      assert.ok(io > FLOOD_BYTES, `${io} exits`);
    },
  },
];
