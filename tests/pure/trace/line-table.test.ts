import { describe, expect, it } from 'vitest';
import { LineTable } from '../../../src/trace/line-table.js';

const table = new LineTable({
  symbols: { start: 0x100 },
  files: [{ path: 'a.c', lines: ['int f() {', '  stamp(1);', '  g();', '  stamp(2);', '}'] }],
  rows: [[0x100, 0, 1], [0x104, 0, 2], [0x108, 0, 4], [0x110]],
});

describe('[pure] the table of source lines', () => {
  it('has the line of each address, between its begin and the next', () => {
    expect(table.at(0x0ffn)).toBeUndefined();
    expect(table.at(0x100n)).toEqual({ file: 'a.c', line: 1, text: 'int f() {' });
    expect(table.at(0x107n)?.line).toBe(2);
    expect(table.at(0x10fn)?.line).toBe(4);
    expect(table.at(0x110n)).toBeUndefined();
    expect(table.at(0xffff_ffff_ffff_ffffn)).toBeUndefined();
  });

  it('has the statement below a stamp, where there is one', () => {
    expect(table.below(0x104n)?.text).toBe('g();');
    expect(table.below(0x108n)?.text).toBe('stamp(2);');
  });

  it('knows symbols, and no other names', () => {
    expect(table.symbol('start')).toBe(0x100);
    expect(table.symbol('toString')).toBeUndefined();
  });

  it('is told to be missing with what to do', () => {
    expect(() => LineTable.read('/nowhere/printf.lines.json')).toThrow(/cannot be read/);
  });

  it('of the printf guest has its own sources', () => {
    const real = LineTable.read(new URL('../../../build/guest-images/printf.lines.json', import.meta.url).pathname);
    const entry = real.symbol('system_call_entry') ?? 0;
    expect(real.at(BigInt(entry))).toMatchObject({
      file: 'printf/kernel/entry.S',
      text: 'mov     %rsp, program_rsp(%rip)',
    });
    expect(real.symbol('stamps')).toBeGreaterThan(0x400000);
  });
});
