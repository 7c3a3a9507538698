import { describe, expect, it } from 'vitest';
import { KVM_EXIT_DEBUG, KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN } from '../../../src/kvm/abi/exits.js';
import type { Regs, Sregs } from '../../../src/kvm/abi/registers.js';
import { kvmRun } from '../../../src/kvm/abi/run.js';
import { RunPage } from '../../../src/kvm/exit.js';
import { checkBreaks, makeBreakTest, parseBreak } from '../../../src/machine/break-on.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';
import { makeRam } from '../../../src/memory/ram.js';
import { thrownBy } from '../boot/bzimage.js';

const CODE_AT = 0x1000;
/** mov al, 5; out 0x80, al; in al, dx; hlt */
const CODE = Uint8Array.of(0xb0, 0x05, 0xe6, 0x80, 0xec, 0xf4);

const REASON = kvmRun.fields.exitReason.offset;
const EXIT = kvmRun.fields.exit.offset;

function pageOf(reason: number, fill: (view: DataView) => void = () => {}): RunPage {
  const page = new RunPage(new Uint8Array(kvmRun.size));
  page.view.setUint32(REASON, reason, true);
  fill(page.view);
  return page;
}

const io = (write: boolean, port: number, size = 1) =>
  pageOf(KVM_EXIT_IO, (view) => {
    view.setUint8(EXIT, write ? 1 : 0);
    view.setUint8(EXIT + 1, size);
    view.setUint16(EXIT + 2, port, true);
    view.setUint32(EXIT + 4, 1, true);
  });

const mmio = (write: boolean, address: number, length: number) =>
  pageOf(KVM_EXIT_MMIO, (view) => {
    view.setBigUint64(EXIT, BigInt(address), true);
    view.setUint32(EXIT + 16, length, true);
    view.setUint8(EXIT + 20, write ? 1 : 0);
  });

/** What the vCPU's debug registers were set to. */
let debugged: { readonly control: number; readonly registers: readonly bigint[] } | undefined;

function met(breakOn: readonly string[], page: RunPage, rip = 0): string | undefined {
  return testOf(breakOn, page, rip)();
}

function testOf(breakOn: readonly string[], page: RunPage, rip = 0): () => string | undefined {
  const memory = new GuestMemory(makeRam(2 << 20));
  memory.write(CODE_AT, CODE);
  const sregs = { cr0: 1n, cr3: 0n, cr4: 0n, efer: 0n, cs: { l: 0, db: 1, base: 0n }, ss: { dpl: 0 } };
  const vcpu = {
    page,
    getRegs: () => ({ rip: BigInt(rip), rflags: 2n }) as Regs,
    getSregs: () => sregs as Sregs,
    setGuestDebug: (control: number, registers: readonly bigint[] = []) => {
      debugged = { control, registers };
    },
  };
  return makeBreakTest(breakOn, vcpu, memory);
}

describe('an exit to stop at', () => {
  it.each([
    ['pio:0x3f8', { kind: 'pio', first: 0x3f8, last: 0x3f8, write: undefined }],
    ['PIO:1016-1023:W', { kind: 'pio', first: 0x3f8, last: 0x3ff, write: true }],
    ['pio:0-0xffff:r', { kind: 'pio', first: 0, last: 0xffff, write: false }],
    ['mmio:0xfec00000', { kind: 'mmio', first: 0xfec00000, last: 0xfec00000, write: undefined }],
    ['reason:shutdown', { kind: 'reason', reason: KVM_EXIT_SHUTDOWN }],
    ['at:0x1000', { kind: 'at', linear: 0x1000n }],
    ['exits:100', { kind: 'exits', count: 100 }],
    ['rip:0xffffffff81000000', { kind: 'rip', rip: 0xffffffff81000000n }],
  ])('%s', (text, expected) => expect(parseBreak(text)).toEqual(expected));

  it.each([
    '',
    'pio',
    'pio:',
    'pio:3f8',
    'pio:0x10000',
    'pio:0x3ff-0x3f8',
    'pio:0x3f8:x',
    'pio:-1',
    'mmio:0xffffffffffffffff',
    'reason:',
    'reason:toString',
    'rip:0x10000000000000000',
    'at:',
    'at:0x10000000000000000',
    'exits:0',
    'exits:0x10',
    'port:0x3f8',
    ' pio:0x3f8',
    'pio:0x3f8\n',
  ])('%j is refused', (text) => {
    expect(thrownBy(() => parseBreak(text))).toMatchObject({ code: 'OPTION_INVALID', kind: 'input' });
  });

  it('is an access within the range, in that direction, be it only in part', () => {
    const ports = ['pio:0x3f8-0x3ff:w'];
    expect([io(true, 0x3f8), io(true, 0x3ff), io(true, 0x3f6, 4)].map((page) => met(ports, page))).toEqual([
      ...ports,
      ...ports,
      ...ports,
    ]);
    const others = [io(false, 0x3f8), io(true, 0x400), io(true, 0x3f6, 2), mmio(true, 0x3f8, 1)];
    expect(others.map((page) => met(ports, page))).toEqual([undefined, undefined, undefined, undefined]);
    expect(met(['mmio:0xfec00004'], mmio(false, 0xfec00000, 8))).toBe('mmio:0xfec00004');
    expect(met(['mmio:0xfec00008'], mmio(false, 0xfec00000, 8))).toBeUndefined();
  });

  it('is one of a reason, and of several the first that says so', () => {
    const shutdown = pageOf(KVM_EXIT_SHUTDOWN);
    expect(met(['pio:0', 'reason:shutdown', 'reason:SHUTDOWN'], shutdown)).toBe('reason:shutdown');
    expect(met(['reason:mmio'], shutdown)).toBeUndefined();
  });

  it('is a debug exit at an address, for which there are four debug registers', () => {
    const debug = (pc: bigint) => pageOf(KVM_EXIT_DEBUG, (view) => view.setBigUint64(EXIT + 8, pc, true));
    expect(met(['at:0x1000', 'at:0x2000'], debug(0x2000n))).toBe('at:0x2000');
    expect(debugged).toEqual({ control: 0x20001, registers: [0x1000n, 0x2000n, 0n, 0n, 0n, 0n, 0n, 0x405n] });
    expect(met(['at:0x1000'], debug(0x2000n))).toBeUndefined();
    checkBreaks(['at:1', 'at:2', 'at:3', 'at:4', 'pio:1']);
    expect(thrownBy(() => checkBreaks(['at:1', 'at:2', 'at:3', 'at:4', 'at:5']))).toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  it('is the one of a number, and each that follows', () => {
    const test = testOf(['exits:3'], io(true, 0x80));
    expect([test(), test(), test(), test()]).toEqual([undefined, undefined, 'exits:3', 'exits:3']);
  });

  it('is one of an instruction, where KVM has moved on too', () => {
    const out = CODE_AT + 2;
    const after = CODE_AT + 4;
    expect(met([`rip:${out}`], io(true, 0x80), out)).toBe(`rip:${out}`);
    expect(met([`rip:${out}`], io(true, 0x80), after)).toBe(`rip:${out}`);
    expect(met([`rip:${CODE_AT}`], io(true, 0x80), after)).toBeUndefined();
    expect(met([`rip:${out}`], io(false, 0x80), after)).toBeUndefined();
    expect(met([`rip:${after}`], io(false, 0x80), after)).toBe(`rip:${after}`);
  });
});
