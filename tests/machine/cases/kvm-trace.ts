import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFlatGuest } from '../../../dist/bench/flat-guest.js';
import { Machine } from '../../../dist/index.js';
import { native } from '../../../dist/kvm/native.js';
import { StatsReader } from '../../../dist/kvm/stats.js';
import { KvmTrace, type KvmTraceOptions, recordThread } from '../../../dist/kvm/trace.js';
import type { KvmEvent } from '../../../dist/kvm/trace-events.js';
import type { Case } from '../case.js';

const KVM_EXIT_IO = 2;
/** again: mov [0x200000], eax; out 0x80, al; jmp again */
const WRITE_AND_OUT = [0xa3, 0x00, 0x00, 0x20, 0x00, 0xe6, 0x80, 0xeb, 0xf7];
const OUT_AT = 0x100005n;

interface Recorded {
  /** The time-stamp counter before and after each KVM_RUN. */
  readonly runs: readonly (readonly [number, number])[];
  readonly events: readonly KvmEvent[];
  readonly lost: number;
  /** KVM's own count. */
  readonly exits: number | undefined;
}

/** Calls KVM_RUN so often on this thread, and takes the kernel's record of it: in the middle, where told so, and at the end. */
function recordRuns(count: number, options: KvmTraceOptions, drainInBetween: boolean): Recorded {
  return withFlatGuest('protected', WRITE_AND_OUT, (vcpu) => {
    const trace = KvmTrace.open(options);
    try {
      recordThread(trace.threadsFile, native.gettid());
      const statsFd = vcpu.getStatsFd();
      const run = vcpu.makeRun(null);
      const runs: [number, number][] = [];
      const events: KvmEvent[] = [];
      for (let i = 0; i < count; i++) {
        const before = native.rdtsc();
        assert.equal(run(), undefined);
        runs.push([before, native.rdtsc()]);
        assert.equal(vcpu.page.exitReason, KVM_EXIT_IO);
        if (drainInBetween) events.push(...trace.drain());
      }
      events.push(...trace.drain());
      const exits = new StatsReader(statsFd).read().get('exits');
      statsFd.close();
      return { runs, events, lost: trace.lost, exits };
    } finally {
      trace.close();
    }
  });
}

function assertRising(events: readonly KvmEvent[]): void {
  for (const [index, { tsc }] of events.entries()) {
    assert.ok(index === 0 || tsc >= (events[index - 1]?.tsc ?? 0), `event ${index} is older than the one before`);
  }
}

const named = <N extends KvmEvent['name']>(events: readonly KvmEvent[], name: N) =>
  events.filter((event): event is Extract<KvmEvent, { name: N }> => event.name === name);

const PROCESSORS = readdirSync('/sys/devices/system/cpu').filter((name) => /^cpu\d+$/.test(name)).length;

export const cases: readonly Case[] = [
  {
    name: 'the kernel records each entry and exit of a vCPU, between the rdtsc before and after its KVM_RUN',
    async run({ module, log }) {
      const { runs, events, lost, exits } = recordRuns(200, {}, true);
      log(JSON.stringify(events.slice(0, 20), (_, value) => (typeof value === 'bigint' ? Number(value) : value)));
      assert.equal(lost, 0);
      assertRising(events);
      assert.ok(events.every(({ tid }) => tid === native.gettid()));
      const kinds = ['kvm_entry', 'kvm_exit'];
      const hardware = events.filter(({ name }) => kinds.includes(name));
      // kvm_pvm tells of none; with the others the two take turns, and nothing is missing.
      assert.equal(hardware.length, module === 'kvm_pvm' ? 0 : 2 * (exits ?? 0));
      assert.ok(hardware.every(({ name }, index) => name === kinds[index % 2]));
      let seen = 0;
      for (const [before, after] of runs) {
        const inside = events.filter(({ tsc }) => before <= tsc && tsc <= after);
        seen += inside.length;
        const last = inside.at(-1);
        assert.ok(last?.name === 'kvm_userspace_exit' && last.reason === KVM_EXIT_IO && last.errno === 0);
        if (module === 'kvm_pvm') continue;
        const exit = named(inside, 'kvm_exit').at(-1);
        assert.match(exit?.reason ?? '', /^(io|IO_INSTRUCTION)$/);
        assert.equal(exit?.rip, OUT_AT);
        assert.equal(exit.vcpu, 0);
      }
      assert.equal(seen, events.length);
      assert.equal(named(events, 'kvm_userspace_exit').length, runs.length);
    },
  },
  {
    name: 'the kernel tells the address of an access for which it had to find memory',
    flavours: ['svm', 'vtx'],
    async run() {
      const { events } = recordRuns(1, {}, false);
      const faults = named(events, 'kvm_page_fault').map(({ address }) => address);
      assert.ok(faults.includes(0x200000n), faults.join());
    },
  },
  {
    name: 'a trace that nobody drains keeps the newest events and counts the others as lost',
    async run() {
      const count = 700 * (PROCESSORS + 1);
      const { runs, events, lost } = recordRuns(count, { bufferKiB: 8, events: ['kvm_userspace_exit'] }, false);
      assert.ok(lost > 0);
      assert.equal(events.length + lost, count);
      const [before = 0, after = 0] = runs.at(-1) ?? [];
      const { tsc } = events.at(-1) ?? assert.fail();
      assert.ok(before <= tsc && tsc <= after);
    },
  },
  {
    name: 'a trace is drained in order while another thread’s vCPU runs',
    async run({ guestImages }) {
      await using machine = await Machine.create({
        image: `${guestImages}/out-loop.bin`,
        flat: 'protected',
        memory: 4 << 20,
      });
      const trace = KvmTrace.open({ bufferKiB: 1024 });
      try {
        machine.output.resume();
        machine.start();
        while (machine.stats().exits.total < 20) await sleep(1);
        for (const tid of readdirSync('/proc/self/task')) recordThread(trace.threadsFile, Number(tid));
        const events: KvmEvent[] = [];
        while (events.length < 2000) {
          events.push(...trace.drain());
          await sleep(0);
        }
        assertRising(events);
        assert.equal(new Set(events.map(({ tid }) => tid)).size, 1);
        const returns = named(events, 'kvm_userspace_exit');
        assert.ok(returns.length > 0 && returns.every(({ reason }) => reason === KVM_EXIT_IO));
        await machine.stop();
        assertRising([...events, ...trace.drain()]);
      } finally {
        trace.close();
      }
    },
  },
];
