import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { Machine, makeMemory, releaseMemory } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';
import { canaries, GIB, MemoryGuest, MIB, PAGE } from '../memory-guest.js';
import { SlotModel, WINDOW_ADDRESSES } from '../slot-model.js';

const ONES = 0xffff_ffff_ffff_ffffn;
const residentMib = (): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
const kvmFiles = (): number => readdirSync('/proc/self/fd').length;

/** Another by VMLAUNCH_SLOTS_SEED. */
const SEED = Number(process.env.VMLAUNCH_SLOTS_SEED ?? 20_261_127);

async function changesAtRandom(context: CaseContext, operations: number): Promise<void> {
  const { log } = context;
  log(`seed ${SEED}, ${operations} operations`);
  await MemoryGuest.with(context, { memory: '16M' }, async (guest) => {
    const first = guest.machine.memorySlots;
    const model = new SlotModel(guest, SEED);
    const files = kvmFiles();
    await guest.hammer(WINDOW_ADDRESSES);
    for (let i = 0; i < operations / 10; i++) await model.step();
    const resident = residentMib();
    const begin = performance.now();
    for (let i = operations / 10; i < operations; i++) await model.step();
    const ms = performance.now() - begin;
    const { seen } = guest;
    log(`${(ms / (operations * 0.9)).toFixed(2)} ms an operation, ${JSON.stringify(seen)}, ${model.counts}`);
    assert.equal(seen.mismatches, 0);
    // It has been through all windows more than once; how often is the host's speed.
    assert.ok(seen.rounds >= 2, `${seen.rounds} rounds`);
    await model.clear();
    assert.deepEqual(guest.machine.memorySlots, first);
    assert.equal(kvmFiles(), files);
    model.checkHostMemory();
    const grown = residentMib() - resident;
    log(`${grown.toFixed(1)} MiB more resident`);
    assert.ok(grown < 32, `${grown} MiB more are resident`);
    await guest.finish();
  });
}

export const cases: readonly Case[] = [
  {
    name: 'a guest of 16 GiB writes at both ends and across 4 GiB, and its host pays for what it touches',
    async run(context) {
      const before = residentMib();
      const places = [0x80_0000, 3 * GIB - 8, 4 * GIB, 8 * GIB - 4, 12 * GIB, 17 * GIB - 8];
      await MemoryGuest.with(context, { memory: '16G' }, async (guest) => {
        const isWhole = canaries(guest.machine);
        for (const [i, place] of places.entries()) await guest.write(place, 0x0123_4567_89ab_cde0n + BigInt(i));
        for (const [i, place] of places.entries()) {
          assert.equal(await guest.read(place), 0x0123_4567_89ab_cde0n + BigInt(i), place.toString(16));
          assert.equal(guest.machine.memory.readU32(place + 4), 0x0123_4567);
        }
        const grown = residentMib() - before;
        context.log(`16 GiB: ${grown.toFixed(1)} MiB resident more; slots: ${guest.machine.memorySlots.length}`);
        assert.ok(grown < 80, `${grown} MiB`);
        assert.ok(isWhole());
        await guest.finish();
      });
    },
  },
  {
    name: 'a machine with four times the RAM of its host starts and costs what it touches',
    async run(context) {
      const bytes = context.flavour === 'local' ? 64 * GIB : Math.ceil((4 * totalmem()) / GIB) * GIB;
      const before = residentMib();
      await MemoryGuest.with(context, { memory: bytes }, async (guest) => {
        await guest.write(0x80_0000, 7n);
        assert.equal(await guest.read(0x80_0000), 7n);
        const grown = residentMib() - before;
        context.log(`${bytes / GIB} GiB: ${grown.toFixed(1)} MiB resident more`);
        assert.ok(grown < 80, `${grown} MiB`);
        await guest.finish();
      });
    },
  },
  {
    name: 'what a guest writes to ROM, to the hole and beyond its RAM is dropped, and harms nothing',
    async run(context) {
      const rom = 0xc800_0000;
      const hole = 0xd000_0000;
      const beyond = 5 * GIB;
      await MemoryGuest.with(context, { memory: '16M' }, async (guest) => {
        const memory = makeMemory(rom, 2 * PAGE);
        const bytes = new Uint8Array(memory.buffer, memory.offset, memory.size);
        bytes.forEach((_, i) => {
          bytes[i] = i % 251;
        });
        const copy = bytes.slice();
        await guest.machine.changeMemory((slots) => slots.add({ ...memory, what: 'rom', readOnly: true }));
        const isWhole = canaries(guest.machine);
        const unclaimed = () => guest.machine.stats().unclaimed.mmio;
        const romWord = new DataView(copy.buffer).getBigUint64(8, true);
        for (const [address, expected] of [
          [rom + 8, romWord],
          [hole, ONES],
          [beyond, ONES],
        ] as const) {
          const before = unclaimed();
          await guest.write(address, 0n);
          assert.equal(unclaimed() - before, 8, 'each byte of the write is counted');
          assert.equal(await guest.read(address), expected, address.toString(16));
        }
        assert.equal(await guest.read(16 * MIB - 4), 0xffff_ffff_0000_0000n);
        assert.deepEqual(bytes, copy);
        assert.throws(() => guest.machine.memory.writeU8(rom, 1), { code: 'GUEST_ADDRESS_INVALID' });
        assert.equal(guest.machine.memory.readU8(rom + 1), 1);
        assert.ok(isWhole());
        await guest.finish();
        releaseMemory([memory]);
      });
    },
  },
  {
    name: 'slots change beside vCPUs that wait to be started, and a closed machine changes none',
    timeoutS: 120,
    async run(context) {
      const memory = makeMemory(5 * GIB, PAGE);
      let machine: Machine | undefined;
      await MemoryGuest.with(context, { memory: '16M', cpus: 3 }, async (guest) => {
        machine = guest.machine;
        for (let i = 0; i < 10; i++) {
          const { slot } = await machine.changeMemory((slots) => slots.add({ ...memory, what: 'extra' }));
          await guest.write(5 * GIB, BigInt(i));
          assert.equal(await guest.read(5 * GIB), BigInt(i));
          await machine.changeMemory((slots) => slots.delete(slot));
          assert.equal(await guest.read(5 * GIB), ONES);
        }
        await guest.finish();
      });
      assert.ok(machine);
      await assert.rejects(
        machine.changeMemory((slots) => slots.add({ ...memory, what: 'extra' })),
        { code: 'CLOSED' },
      );
    },
  },
  {
    name: 'slots change when the reader of a flood of output goes on, or the machine is stopped',
    timeoutS: 120,
    async run({ guestImages }) {
      const options = { image: `${guestImages}/flood-short.bin`, flat: 'protected', memory: '16M' } as const;
      const memory = makeMemory(5 * GIB, PAGE);
      for (const goesOn of [true, false]) {
        await using machine = await Machine.create({ ...options, loadAddress: 0x100000 });
        machine.start();
        // More than the console's ring holds: the vCPU waits for a reader.
        await new Promise((resolve) => machine.output.once('readable', resolve));
        const changed = machine.changeMemory((slots) => slots.add({ ...memory, what: 'extra' }).slot);
        if (goesOn) machine.output.resume();
        else await machine.stop();
        assert.equal(await changed, 1);
        if (goesOn) assert.equal((await machine.ended).reason, 'debug-exit');
      }
    },
  },
  {
    // In software an operation takes milliseconds.
    name: '10,000 random slot operations under a running guest leave what a model says, and nothing else',
    flavours: ['local', 'svm'],
    long: ['svm'],
    timeoutS: 600,
    run: (context) => changesAtRandom(context, 10_000),
  },
  {
    name: '300 random slot operations under a running guest leave what a model says, and nothing else',
    flavours: ['svm'],
    timeoutS: 60,
    run: (context) => changesAtRandom(context, 300),
  },
  {
    name: '50 random slot operations under a running guest leave what a model says, and nothing else',
    flavours: ['vtx'],
    timeoutS: 60,
    run: (context) => changesAtRandom(context, 50),
  },
];
