import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Case } from '../case.js';
import { MemoryGuest, MIB } from '../memory-guest.js';

/** Beside the pages: those of its mailbox and stack that the guest touches for a command the first time. */
const FAULTS_BESIDE = 0;
const PAGES = 200;
const POOL = '/proc/sys/vm/nr_hugepages';
const FREE = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages';
const MACHINES = 6;
/** What a machine may hold beside its guest's pages and one worker. */
const MOST_MIB = 2;

interface Mapping {
  readonly kind: string;
  readonly pssKib: number;
}

/** Proportional shares of what this process has resident, by what it is. */
function mappings(): Mapping[] {
  const all: Mapping[] = [];
  let kind = '';
  for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
    const header = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)$/.exec(line);
    if (header) kind = kindOf(header[1] ?? '', header[2] ?? '');
    const pss = /^Pss: +(\d+) kB/.exec(line);
    if (pss) all.push({ kind, pssKib: Number(pss[1]) });
  }
  return all;
}

function kindOf(rights: string, name: string): string {
  if (name.includes('kvm-vcpu')) return 'kvm_run';
  if (name === '[heap]') return 'heap of C';
  if (name !== '' && !name.startsWith('[anon')) return 'files';
  return rights.includes('x') ? 'code of V8' : 'anonymous: heaps of V8 and C, stacks, shared buffers';
}

function byKind(): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { kind, pssKib } of mappings()) sums.set(kind, (sums.get(kind) ?? 0) + pssKib);
  return sums;
}

const total = (sums: ReadonlyMap<string, number>): number => [...sums.values()].reduce((sum, kib) => sum + kib, 0);

function grownText(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, count: number): string {
  return [...after]
    .map(([kind, kib]) => `${kind} ${((kib - (before.get(kind) ?? 0)) / 1024 / count).toFixed(2)} MiB`)
    .join(', ');
}

/** MiB that a worker takes which has loaded what a vCPU thread loads, and waits. */
async function workerMib(log: (text: string) => void): Promise<number> {
  const workers: Worker[] = [];
  const make = async () => {
    const worker = new Worker(new URL('../../../dist/bundle/vcpu-thread.cjs', import.meta.url));
    await new Promise((resolve) => worker.once('message', resolve));
    workers.push(worker);
  };
  await make();
  const before = byKind();
  for (let i = 0; i < MACHINES; i++) await make();
  const after = byKind();
  log(`a worker: ${grownText(before, after, MACHINES)}`);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return (total(after) - total(before)) / 1024 / MACHINES;
}

export const cases: readonly Case[] = [
  {
    name: 'a guest that touches N new pages makes N EPT violations',
    flavours: ['svm', 'vtx'],
    async run(context) {
      await MemoryGuest.with(context, { memory: '64M', hugePages: 'none' }, async (guest) => {
        const faults = () => guest.machine.stats().kvm?.pf_taken ?? Number.NaN;
        await guest.touch(8 * MIB, 1);
        const counts: number[] = [];
        for (const [round, pages] of [PAGES, 2 * PAGES, 0, 1].entries()) {
          const before = faults();
          await guest.touch((16 + 8 * round) * MIB, pages);
          counts.push(faults() - before - pages);
        }
        context.log(`violations beside N: ${counts}`);
        assert.deepEqual(counts, [FAULTS_BESIDE, FAULTS_BESIDE, FAULTS_BESIDE, FAULTS_BESIDE]);
        await guest.finish();
      });
    },
  },
  {
    name: 'explicit huge pages are mapped as such, and a host without a pool gives transparent ones and a line',
    flavours: ['svm', 'vtx'],
    async run(context) {
      const ofVm = async (pool: number): Promise<{ fallback: string | undefined; large: number | undefined }> => {
        writeFileSync(POOL, `${pool}`);
        let seen: { fallback: string | undefined; large: number | undefined } | undefined;
        await MemoryGuest.with(context, { memory: '16M', hugePages: 'explicit' }, async (guest) => {
          await guest.touch(8 * MIB, 4 * PAGES);
          assert.equal((await guest.read(8 * MIB)) & 0xffn, 0n);
          await guest.finish();
          seen = { fallback: guest.machine.hugePagesFallback, large: guest.machine.stopped().counters?.pages_2m };
        });
        assert.ok(seen);
        return seen;
      };
      try {
        const without = await ofVm(0);
        assert.match(without.fallback ?? '', /^the host's pool does not have 8 huge pages of 2 MiB \(ENOMEM\)/);
        const withPool = await ofVm(8);
        context.log(`without ${JSON.stringify(without)}, with ${JSON.stringify(withPool)}`);
        assert.equal(withPool.fallback, undefined);
        assert.ok((withPool.large ?? 0) > 0);
        assert.equal(readFileSync(FREE, 'utf8').trim(), '8', 'all went back to the pool');
      } finally {
        writeFileSync(POOL, '0');
      }
    },
  },
  {
    name: `one more machine in a process takes at most ${MOST_MIB} MiB beside its guest and its worker`,
    flavours: ['local', 'svm'],
    long: ['svm'],
    timeoutS: 120,
    async run(context) {
      const worker = await workerMib(context.log);
      const sizes: Map<string, number>[] = [];
      const nest = async (left: number): Promise<void> => {
        await MemoryGuest.with(context, { memory: '16M', hugePages: 'none' }, async (guest) => {
          sizes.push(byKind());
          if (left > 1) await nest(left - 1);
          await guest.finish();
        });
      };
      await nest(MACHINES + 1);
      const [first = new Map(), last = new Map()] = [sizes[0], sizes.at(-1)];
      const each = (total(last) - total(first)) / 1024 / MACHINES;
      context.log(`a machine: ${grownText(first, last, MACHINES)}`);
      context.log(`${each.toFixed(2)} MiB a machine, ${worker.toFixed(2)} MiB a worker`);
      // The guest's own pages: its image with 20 page directories, its mailbox.
      const guestMib = 0.2;
      assert.ok(each - worker - guestMib <= MOST_MIB, `${each} MiB a machine, ${worker} MiB a worker`);
    },
  },
];
