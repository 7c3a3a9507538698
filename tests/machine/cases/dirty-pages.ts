import assert from 'node:assert/strict';
import { makeMemory, releaseMemory } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';
import { GIB, MemoryGuest, MIB, PAGE } from '../memory-guest.js';

/** The guest's own: its image with stack and page tables, and the mailbox page. What it does there it does unasked. */
const isGuestsOwn = (address: number): boolean => address < 8 * MIB;
const MAILBOX_PAGE = 4 * MIB;
const RING_ENTRIES = 1024;
/** kvm_pvm interprets ring 0, looks at its ring only between turns, and loses what a full one does not take. */
const LARGEST_RING = 0x10000;

/** Pages in four slots: below the hole, in a slot within it, at 4 GiB, and behind the first 4 GiB of what is above. */
const HOLE_SLOT = 0xc900_0000;
const PLACES = [
  8 * MIB,
  8 * MIB + PAGE,
  3 * GIB - PAGE,
  HOLE_SLOT + 3 * PAGE,
  4 * GIB,
  5 * GIB + 7 * PAGE,
  8 * GIB,
  9 * GIB - PAGE,
];
/** More than a ring takes: its vCPU waits, and goes on. */
const MANY = 3 * RING_ENTRIES;

async function tellsEachPage(context: CaseContext, dirtyRing: number | undefined): Promise<void> {
  const extra = makeMemory(HOLE_SLOT, 8 * PAGE);
  await MemoryGuest.with(context, { memory: '8G', dirtyRing, hugePages: 'none' }, async (guest) => {
    const { machine } = guest;
    await machine.changeMemory((slots) => slots.add({ ...extra, what: 'extra' }));
    const tracking = await machine.trackDirtyPages();
    const theirs = async () => (await tracking.collect()).filter((address) => !isGuestsOwn(address));
    await tracking.collect();
    assert.deepEqual(await theirs(), []);
    for (let round = 0; round < 2; round++) {
      for (const place of PLACES) await guest.touch(place + 8 * round, 1);
      assert.deepEqual(
        await theirs(),
        [...PLACES].sort((a, b) => a - b),
        `round ${round}`,
      );
      assert.deepEqual(await theirs(), []);
    }
    // Reads are told of no page; a write from this side neither.
    for (const place of PLACES) await guest.read(place);
    machine.memory.writeU8(16 * MIB, 1);
    assert.deepEqual(await theirs(), []);
    const before = (await tracking.collect()).length;
    const start = performance.now();
    await guest.touch(4 * GIB, MANY);
    const touched = performance.now();
    const all = await theirs();
    const collected = performance.now();
    assert.deepEqual(
      all,
      Array.from({ length: MANY }, (_, i) => 4 * GIB + i * PAGE),
    );
    await guest.touch(4 * GIB, MANY);
    const again = performance.now();
    await tracking.end();
    await guest.touch(4 * GIB, MANY);
    const untracked = performance.now();
    await guest.touch(4 * GIB, MANY);
    const plain = performance.now();
    const us = (from: number, to: number): string => `${(((to - from) * 1000) / MANY).toFixed(1)} us`;
    context.log(
      `${dirtyRing === undefined ? 'log' : 'ring'}, by page of ${MANY} (${before} before): first write ${us(start, touched)}, ` +
        `collect ${us(touched, collected)}, write again ${us(collected, again)}, after the end ${us(again, untracked)}, plain ${us(untracked, plain)}`,
    );
    const own = await machine.trackDirtyPages({ hostWrites: true });
    await own.collect();
    machine.memory.fill(9 * GIB - 2 * PAGE, PAGE + 1, 1);
    const written = await own.collect();
    assert.deepEqual(
      written.filter((address) => !isGuestsOwn(address)),
      [9 * GIB - 2 * PAGE, 9 * GIB - PAGE],
    );
    await guest.read(8 * MIB);
    assert.ok((await own.collect()).includes(MAILBOX_PAGE));
    await assert.rejects(machine.trackDirtyPages(), { code: 'STATE_INVALID' });
    await own.end();
    await guest.finish();
  });
  releaseMemory([extra]);
}

export const cases: readonly Case[] = [
  {
    name: 'the dirty log tells each page that the guest wrote, and no other',
    timeoutS: 60,
    run: (context) => tellsEachPage(context, undefined),
  },
  {
    name: 'the dirty rings tell each page that the guest wrote, and no other, also where they run full',
    timeoutS: 60,
    run: (context) => tellsEachPage(context, context.module === 'kvm_pvm' ? LARGEST_RING : RING_ENTRIES),
  },
];
