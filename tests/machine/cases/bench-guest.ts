import assert from 'node:assert/strict';
import { type Asked, benchCommandLine } from '../../../dist/bench/guest-image.js';
import { type BenchOutput, parseBenchOutput } from '../../../dist/bench/guest-output.js';
import { countWorkload } from '../../../dist/bench/memory/counters.js';
import { BEYOND_KVM_PVM, MEMORY_WORKLOADS, WORKLOADS } from '../../../dist/bench/workloads.js';
import { type KvmPort, Machine, type MachineEnd } from '../../../dist/index.js';
import type { Case, CaseContext } from '../case.js';

const ALL = [...WORKLOADS, ...MEMORY_WORKLOADS];
const COUNT = 12;
/** More than there are that nobody has touched. */
const FRESH_PAGES = 8192;
const PAGES_IN_LARGE = 512;
const WRITES = 3400;
/** That fit into a ring (KVM_COALESCED_MMIO_MAX), of which one stays free. */
const RING_WRITES = 169;
/** More than it prints and reads of its UART. */
const PRINTED = 1000;
/** SYSCALL and SYSRET do not leave a ring there; the guest says so and goes on. */
const REFUSED_ON_PVM = ['cpu.system-calls', 'cpu.context-switches'];

async function run(
  { guestImages, log }: CaseContext,
  asked: readonly Asked[],
  {
    bits,
    kvmPorts,
    memory = '128M',
  }: { readonly bits?: 32; readonly kvmPorts?: readonly KvmPort[]; readonly memory?: string } = {},
): Promise<BenchOutput & { readonly end: MachineEnd; readonly ioExits: number }> {
  const commandLine = benchCommandLine(asked, bits === undefined ? {} : { bits });
  await using machine = await Machine.create({
    image: `${guestImages}/bench.img`,
    commandLine,
    memory,
    timeoutS: 40,
    kvmPorts,
  });
  const chunks: Buffer[] = [];
  machine.output.on('data', (chunk: Buffer) => chunks.push(chunk));
  machine.start();
  const end = await machine.ended;
  if (!machine.output.readableEnded) await new Promise((resolve) => machine.output.once('end', resolve));
  const text = Buffer.concat(chunks).toString('latin1');
  log(text);
  return { ...parseBenchOutput(text, asked), end, ioExits: machine.stats().exits.byReason.IO ?? 0 };
}

export const cases: readonly Case[] = [
  {
    name: "each workload of the benchmark's guest ends with its checksum",
    timeoutS: 60,
    async run(context) {
      const isPvm = context.module === 'kvm_pvm';
      const names = ALL.map(({ name }) => name).filter((name) => !isPvm || !BEYOND_KVM_PVM.has(name));
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
    name: "the benchmark's guest refuses what its memory has no room for, and goes on",
    async run(context) {
      const asked = [
        ...MEMORY_WORKLOADS.map(({ name }) => ({ name, count: COUNT })),
        { name: 'cpu.integer', count: 1 },
      ];
      const small = await run(context, asked, { memory: '64M' });
      const why = 'it needs 128 MiB of memory';
      const refused = MEMORY_WORKLOADS.map(() => ({ outcome: 'unsupported', why }));
      assert.deepEqual(small.results.slice(0, -1), refused);
      assert.equal(small.results.at(-1)?.outcome, 'ran');
      const used = await run(context, [
        { name: 'memory.first-touch', count: FRESH_PAGES },
        { name: 'cpu.integer', count: 1 },
      ]);
      const none = { outcome: 'unsupported', why: 'there is no memory left that was not touched' };
      assert.deepEqual([used.results[0], used.results[1]?.outcome], [none, 'ran']);
    },
  },
  {
    name: "KVM's counters tell a first touch's faults, and that page tables change without an exit",
    flavours: ['svm', 'vtx'],
    async run(context) {
      const counted = (name: string, hugePages: 'none' | 'transparent') => {
        const image = `${context.guestImages}/bench.img`;
        const machineOf = (commandLine: string) => ({ image, memory: '128M', commandLine, hugePages });
        return countWorkload(name, machineOf, new AbortController().signal);
      };
      const small = await counted('memory.first-touch', 'none');
      const large = await counted('memory.first-touch', 'transparent');
      const churn = await counted('memory.churn', 'none');
      context.log(JSON.stringify({ small, large, churn }));
      assert.equal(small?.pf_taken, 1);
      assert.equal(small?.pages_2m, 0);
      assert.equal(large?.pf_taken, 1 / PAGES_IN_LARGE);
      assert.ok((large?.pages_2m ?? 0) > 0);
      assert.equal(churn?.pf_taken, 0);
      assert.equal(churn?.invlpg, 0);
    },
  },
  {
    name: 'a workload is warmed up as often as is asked, else half as often as it is measured',
    async run(context) {
      const exitsWith = async (warmUp: number | undefined) => {
        const { results, ioExits } = await run(context, [{ name: 'exits.out', count: COUNT, warmUp }]);
        assert.equal(results[0]?.outcome, 'ran');
        return ioExits;
      };
      const [asked, half] = [await exitsWith(WRITES), await exitsWith(undefined)];
      assert.ok(asked > WRITES + COUNT && half <= PRINTED, `${asked} and ${half} exits`);
    },
  },
  {
    name: 'a write to a port of KVM makes no exit to the machine, but for one that fills the ring',
    async run(context) {
      // What it prints makes an exit a byte, or is written down as well.
      for (const [name, port, most] of [
        ['exits.coalesced', { port: 0x5c0, size: 1, how: 'coalesced' }, WRITES / RING_WRITES + PRINTED],
        ['exits.ioeventfd', { port: 0x5c8, size: 1, how: 'ioeventfd' }, PRINTED],
      ] as const) {
        const exitsWith = async (kvmPorts: readonly KvmPort[]) => {
          const { results, ioExits } = await run(context, [{ name, count: WRITES }], { kvmPorts });
          assert.equal(results[0]?.outcome, 'ran');
          return ioExits;
        };
        const [exits, spared] = [await exitsWith([]), await exitsWith([port])];
        assert.ok(exits > WRITES && spared <= most, `${name}: ${exits} exits, and ${spared} where the port is KVM's`);
      }
    },
  },
  {
    name: "each workload of the benchmark's 32-bit guest ends with its checksum",
    timeoutS: 60,
    flavours: ['local', 'svm'],
    async run(context) {
      const asked = ALL.map(({ name }) => ({ name, count: COUNT }));
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
