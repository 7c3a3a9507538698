import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Table } from '../../../src/trace/html/columns.js';
import { embedExits } from '../../../src/trace/html/embed.js';
import { ExitTable } from '../../../src/trace/html/exit-table.js';
import type { ExitEvent } from '../../../src/trace/model.js';
import { exitEvent, hardwareExit, madeUpRun, UART_WRITE } from './events.js';

/** Into a page and out of it again. */
function carried(table: ExitTable): ExitTable {
  const { head, bytes } = JSON.parse(JSON.stringify(embedExits(table))) as ReturnType<typeof embedExits>;
  return ExitTable.from(head, new Uint8Array(gunzipSync(Buffer.from(bytes, 'base64'))));
}

function tableOf(events: Iterable<ExitEvent>, mostExits?: number): ExitTable {
  const table = new ExitTable(mostExits === undefined ? {} : { mostExits });
  for (const event of events) table.add(event);
  return table;
}

const all = (table: ExitTable) => Array.from({ length: table.length }, (_, index) => table.exit(index));

describe('columns', () => {
  it('grow and come back as they were', () => {
    const table = new Table({ small: 'u8', large: 'u64', time: 'f64' });
    const rows = Array.from({ length: 3000 }, (_, at) => ({ small: at & 255, large: BigInt(at) << 40n, time: at / 3 }));
    for (const row of rows) table.push(row);
    const bytes = Uint8Array.from([...table.toBytes(), 1, 2, 3]);
    const [read, rest] = Table.fromBytes({ small: 'u8', large: 'u64', time: 'f64' }, 3000, bytes);
    expect(
      rows.map((_, at) => ({ small: read.at('small', at), large: read.at('large', at), time: read.at('time', at) })),
    ).toEqual(rows);
    expect([...rest]).toEqual([1, 2, 3]);
  });

  it('that are cut off are refused', () => {
    expect(() => Table.fromBytes({ time: 'f64' }, 2, new Uint8Array(15))).toThrow(RangeError);
  });
});

describe('exits in a page', () => {
  it('are those that were recorded', () => {
    const events = [...madeUpRun(300, 3)];
    expect(all(carried(tableOf(events)))).toEqual(events);
  });

  it('keep every field at its limits', () => {
    const most = 0xffff_ffff_ffff_ffffn;
    const events = [
      exitEvent({ cpu: 254, number: 2 ** 40, rip: most, bits: 16, cpl: 3, continued: true, hardware: [] }),
      exitEvent({ reason: 'SHUTDOWN', access: undefined, hardware: undefined, bits: 32, ripIs: 'after' }),
      exitEvent({
        reason: 'X86_WRMSR',
        access: undefined,
        detail: 'MSR 0x1b',
        enteredNs: 8e15,
        returnedNs: 8e15 + 1,
        handledNs: 8e15 + 2,
      }),
      exitEvent({
        access: {
          ...UART_WRITE,
          bus: 'mmio',
          address: 2 ** 52 - 1,
          size: 8,
          count: 2 ** 31,
          value: most,
          device: undefined,
        },
        hardware: [
          hardwareExit({
            enteredNs: undefined,
            info1: most,
            info2: most,
            interruptInfo: 0xffffffff,
            injected: [0, 255],
          }),
        ],
      }),
      exitEvent({ hardware: [hardwareExit({ injected: [48] }), hardwareExit({ injected: [] })] }),
    ];
    expect(all(carried(tableOf(events)))).toEqual(events);
  });

  it('have what KVM kept after a vCPU’s last return apart', () => {
    const [first, second] = [...madeUpRun(1, 2)];
    if (first === undefined || second === undefined) throw new Error('too few exits');
    const table = tableOf([first]);
    const tail = [hardwareExit({ reason: 'HLT' }), hardwareExit({ injected: [32] })];
    table.kept(tail, 0);
    table.add(second);
    const read = carried(table);
    expect(all(read)).toEqual([first, second]);
    expect(read.tails.map(({ cpu, from, to }) => [cpu, read.hardware(from, to)])).toEqual([[0, tail]]);
  });

  it('are bounded: the first ones are kept, the others counted', () => {
    const table = tableOf(madeUpRun(500), 200);
    expect([carried(table).length, carried(table).leftOut]).toEqual([200, 300]);
    const flood = tableOf(
      [exitEvent({ hardware: Array.from({ length: 401 }, () => hardwareExit()) }), exitEvent()],
      200,
    );
    expect([flood.length, flood.leftOut]).toEqual([0, 2]);
  });

  it('have few and short texts, whatever a guest makes of them', () => {
    const table = tableOf(
      (function* () {
        for (let number = 0; number < 70_000; number++)
          yield exitEvent({ number, detail: `detail ${number}`, hardware: [] });
        yield exitEvent({ detail: 'x'.repeat(100_000), hardware: [] });
      })(),
    );
    const { strings } = table.head();
    expect(strings.length).toBeLessThanOrEqual(0xffff);
    expect(Math.max(...strings.map(({ length }) => length))).toBeLessThanOrEqual(201);
    expect(carried(table).exit(69_999).detail).toBe('(one of very many)');
  });

  it('of 200,000 exits take a few bytes each', () => {
    const { bytes } = embedExits(tableOf(madeUpRun(200_000)));
    expect(bytes.length).toBeLessThan(6e6);
  });
});
