import { describe, expect, it } from 'vitest';
import { VmError } from '../../../src/errors.js';
import { makeDecoder } from '../../../src/kvm/trace-events.js';
import { nameTables, parseFormat } from '../../../src/kvm/trace-format.js';
import { EXIT, formatText, injException, OLD_EXIT, record, USERSPACE_EXIT } from './trace-pages.js';

type Values = Parameters<typeof record>[1];

function decode(name: Parameters<typeof makeDecoder>[0], format: string, values: Values) {
  return makeDecoder(name, parseFormat(format)).decode(new DataView(record(format, values).buffer), 0, 5);
}

describe('parseFormat', () => {
  it('finds the fields of the event and those common to all', () => {
    const { name, id, fields, print } = parseFormat(EXIT);
    expect([name, id]).toEqual(['kvm_exit', 103]);
    expect(fields.get('common_pid')).toEqual({ offset: 4, size: 4, signed: true });
    expect(fields.get('guest_rip')).toEqual({ offset: 16, size: 8, signed: false });
    expect(print).toMatch(/^"vcpu %u.*REC->guest_rip$/);
  });

  it('reads an array by its name', () => {
    const text = formatText({ name: 'x', id: 1, fields: ['char comm[16] 8 16 0'], print: '""' });
    expect(parseFormat(text).fields.get('comm')).toEqual({ offset: 8, size: 16, signed: false });
  });
});

describe('nameTables', () => {
  it('tells those of one instruction set from those of the others', () => {
    const [vtx, svm] = nameTables(parseFormat(EXIT).print, '__print_symbolic', 'exit_reason');
    expect(vtx).toMatchObject({ isa: 1, mask: 0xffff });
    expect(vtx?.names.get(30)).toBe('IO_INSTRUCTION');
    expect(svm).toMatchObject({ isa: undefined, mask: -1 });
    expect([...(svm?.names ?? [])]).toEqual([
      [0x4e, 'PF excp'],
      [0x7b, 'io'],
      [0xffffffff, 'invalid_guest_state'],
    ]);
  });

  it('joins a name that the preprocessor left in pieces, and takes an empty table', () => {
    const { print } = parseFormat(injException(true));
    expect([...(nameTables(print, '__print_symbolic', 'exception')[0]?.names ?? [])]).toEqual([
      [6, '#UD'],
      [14, '#PF'],
    ]);
    expect(nameTables(print, '__print_symbolic', 'error_code')[0]?.names.size).toBe(0);
  });

  it('finds none in a text without', () => {
    expect(nameTables('"%d", REC->exit_reason', '__print_symbolic', 'exit_reason')).toEqual([]);
  });
});

describe('makeDecoder', () => {
  const VALUES = { common_pid: 77, vcpu_id: 3, guest_rip: 0xffff_ffff_8100_0000n, info1: 1n << 63n, info2: 2 };

  it('makes an exit, whatever the kernel’s layout', () => {
    const common = { name: 'kvm_exit', tid: 77, tsc: 5, vcpu: 3, rip: 0xffff_ffff_8100_0000n };
    const newer = { ...VALUES, exit_reason: 30, isa: 1, intr_info: 0x8000_0b0e, error_code: 2 };
    expect(decode('kvm_exit', EXIT, newer)).toEqual({
      ...common,
      reason: 'IO_INSTRUCTION',
      info1: 1n << 63n,
      info2: 2n,
      interruptInfo: 0x8000_0b0e,
      errorCode: 2,
    });
    expect(decode('kvm_exit', OLD_EXIT, { ...VALUES, exit_reason: 0x7b, isa: 2 })).toEqual({
      ...common,
      reason: 'io',
      info1: 1n << 63n,
      info2: 2n,
      interruptInfo: 0,
      errorCode: 0,
    });
  });

  it.each([
    [1, 30, 'IO_INSTRUCTION'],
    [1, 0x8000_0021, 'INVALID_STATE FAILED_VMENTRY'],
    [1, 99, '0x63'],
    [2, 0x4e, 'PF excp'],
    [2, 0xffff_ffff, 'invalid_guest_state'],
    [2, 30, '0x1e'],
  ])('of isa %i calls reason %i %s', (isa, reason, name) => {
    expect(decode('kvm_exit', EXIT, { isa, exit_reason: reason })).toMatchObject({ reason: name });
  });

  it('names a reason by its number where the text has no table', () => {
    const format = EXIT.replace(/print fmt: .*/, 'print fmt: "%u", REC->exit_reason');
    expect(decode('kvm_exit', format, { isa: 1, exit_reason: 30 })).toMatchObject({ reason: '0x1e' });
  });

  it.each([
    [{ exception: 6 }, '#UD'],
    [{ exception: 14, has_error: 1, error_code: 2 }, '#PF (0x2)'],
    [{ exception: 14, has_error: 1, error_code: 0, reinjected: 1 }, '#PF (0x0) [reinjected]'],
    [{ exception: 9 }, '0x9'],
  ])('tells an exception as the kernel does: %j', (values, text) => {
    expect(decode('kvm_inj_exception', injException(true), values)).toMatchObject({ text });
  });

  it('does so on a kernel that does not know of injecting again', () => {
    expect(decode('kvm_inj_exception', injException(false), { exception: 6 })).toMatchObject({ text: '#UD' });
  });

  it('tells an error of KVM_RUN from its return', () => {
    expect(decode('kvm_userspace_exit', USERSPACE_EXIT, { reason: 2, errno: 0 })).toMatchObject({
      reason: 2,
      errno: 0,
    });
    expect(decode('kvm_userspace_exit', USERSPACE_EXIT, { reason: 2, errno: -4 })).toMatchObject({ errno: -4 });
  });

  it('makes the other kinds', () => {
    const entry = formatText({
      name: 'kvm_entry',
      id: 1,
      fields: ['unsigned int vcpu_id 8 4 0', 'unsigned long rip 16 8 0'],
      print: '""',
    });
    expect(decode('kvm_entry', entry, { vcpu_id: 1, rip: 0xfff0 })).toEqual({
      name: 'kvm_entry',
      tid: 0,
      tsc: 5,
      vcpu: 1,
      rip: 0xfff0n,
    });
    const noRip = formatText({ name: 'kvm_entry', id: 1, fields: ['unsigned int vcpu_id 8 4 0'], print: '""' });
    expect(decode('kvm_entry', noRip, {})).toMatchObject({ rip: 0n });
    for (const field of ['vector', 'irq']) {
      const virq = formatText({ name: 'kvm_inj_virq', id: 1, fields: [`unsigned int ${field} 8 4 0`], print: '""' });
      expect(decode('kvm_inj_virq', virq, { [field]: 0xec })).toMatchObject({ vector: 0xec });
    }
    for (const [type, size] of [
      ['u64', 8],
      ['unsigned int', 4],
    ]) {
      const fields = ['u64 fault_address 8 8 0', `${type} error_code 16 ${size} 0`];
      const fault = formatText({ name: 'kvm_page_fault', id: 1, fields, print: '""' });
      expect(decode('kvm_page_fault', fault, { fault_address: 1n << 40n, error_code: 0x14 })).toMatchObject({
        address: 1n << 40n,
        errorCode: 0x14n,
      });
    }
  });

  it('refuses a format without a field, or with one too wide, by name', () => {
    const without = EXIT.replace(/.*u32 isa.*\n/, '');
    expect(() => makeDecoder('kvm_exit', parseFormat(without))).toThrow(/kvm_exit has no field "isa"/);
    const wide = EXIT.replace('isa;\toffset:24;\tsize:4', 'isa;\toffset:24;\tsize:8');
    expect(() => makeDecoder('kvm_exit', parseFormat(wide))).toThrow(VmError);
  });
});
