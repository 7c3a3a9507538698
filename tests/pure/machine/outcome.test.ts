import { describe, expect, it } from 'vitest';
import type { VmErrorCode } from '../../../src/errors.js';
import * as exits from '../../../src/kvm/abi/exits.js';
import { decode, encode, type PartialValue } from '../../../src/kvm/abi/layout.js';
import { kvmRegs, kvmSregs } from '../../../src/kvm/abi/registers.js';
import { kvmRun } from '../../../src/kvm/abi/run.js';
import { RunPage } from '../../../src/kvm/exit.js';
import { Bus } from '../../../src/machine/bus.js';
import { EXIT_LOG_WORDS } from '../../../src/machine/exit-log.js';
import { faultError, type StoppedVcpu } from '../../../src/machine/fault.js';
import { makeLoop } from '../../../src/machine/loop.js';
import { otherExitEnd } from '../../../src/machine/outcome.js';
import type { ThreadEnd } from '../../../src/machine/thread-end.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';

/** The constants of exits.ts that are words inside an exit, and no reasons. */
const INNER = /^KVM_EXIT_(HYPERV|XEN|IO)_/;
type Inner = `KVM_EXIT_${'HYPERV' | 'XEN' | 'IO'}_${string}`;
type Reason = Exclude<keyof typeof exits & `KVM_EXIT_${string}`, Inner>;
const NUMBERS: Readonly<Record<Reason, number>> = exits;

/** Who answers an exit, or how it ends the machine. Types demand a row for every reason. */
const OUTCOMES: Readonly<Record<Reason, 'a port' | 'MMIO' | 'nobody' | 'triple-fault' | VmErrorCode>> = {
  KVM_EXIT_UNKNOWN: 'EXIT_UNHANDLED',
  KVM_EXIT_EXCEPTION: 'EXIT_UNHANDLED',
  KVM_EXIT_IO: 'a port',
  KVM_EXIT_HYPERCALL: 'EXIT_UNHANDLED',
  KVM_EXIT_DEBUG: 'EXIT_UNHANDLED',
  KVM_EXIT_HLT: 'EXIT_UNHANDLED',
  KVM_EXIT_MMIO: 'MMIO',
  KVM_EXIT_IRQ_WINDOW_OPEN: 'EXIT_UNHANDLED',
  KVM_EXIT_SHUTDOWN: 'triple-fault',
  KVM_EXIT_FAIL_ENTRY: 'KVM_ENTRY_FAILED',
  KVM_EXIT_INTR: 'nobody',
  KVM_EXIT_SET_TPR: 'EXIT_UNHANDLED',
  KVM_EXIT_TPR_ACCESS: 'EXIT_UNHANDLED',
  KVM_EXIT_S390_SIEIC: 'EXIT_UNHANDLED',
  KVM_EXIT_S390_RESET: 'EXIT_UNHANDLED',
  KVM_EXIT_DCR: 'EXIT_UNHANDLED',
  KVM_EXIT_NMI: 'EXIT_UNHANDLED',
  KVM_EXIT_INTERNAL_ERROR: 'KVM_INTERNAL_ERROR',
  KVM_EXIT_OSI: 'EXIT_UNHANDLED',
  KVM_EXIT_PAPR_HCALL: 'EXIT_UNHANDLED',
  KVM_EXIT_S390_UCONTROL: 'EXIT_UNHANDLED',
  KVM_EXIT_WATCHDOG: 'EXIT_UNHANDLED',
  KVM_EXIT_S390_TSCH: 'EXIT_UNHANDLED',
  KVM_EXIT_EPR: 'EXIT_UNHANDLED',
  KVM_EXIT_SYSTEM_EVENT: 'EXIT_UNHANDLED', // of a type not known; those that are known have a table below
  KVM_EXIT_S390_STSI: 'EXIT_UNHANDLED',
  KVM_EXIT_IOAPIC_EOI: 'EXIT_UNHANDLED',
  KVM_EXIT_HYPERV: 'EXIT_UNHANDLED',
  KVM_EXIT_ARM_NISV: 'EXIT_UNHANDLED',
  KVM_EXIT_X86_RDMSR: 'EXIT_UNHANDLED',
  KVM_EXIT_X86_WRMSR: 'EXIT_UNHANDLED',
  KVM_EXIT_DIRTY_RING_FULL: 'EXIT_UNHANDLED',
  KVM_EXIT_AP_RESET_HOLD: 'EXIT_UNHANDLED',
  KVM_EXIT_X86_BUS_LOCK: 'EXIT_UNHANDLED',
  KVM_EXIT_XEN: 'EXIT_UNHANDLED',
  KVM_EXIT_RISCV_SBI: 'EXIT_UNHANDLED',
  KVM_EXIT_RISCV_CSR: 'EXIT_UNHANDLED',
  KVM_EXIT_NOTIFY: 'EXIT_UNHANDLED',
  KVM_EXIT_LOONGARCH_IOCSR: 'EXIT_UNHANDLED',
  KVM_EXIT_MEMORY_FAULT: 'EXIT_UNHANDLED',
  KVM_EXIT_TDX: 'EXIT_UNHANDLED',
};

type Exit = NonNullable<PartialValue<typeof kvmRun>['exit']>;
const PORT = 0x60;
const ADDRESS = 0xd000_0000;
/** Something in the arms that the bus needs; the arms of other reasons overlap it. */
const ARMS: Partial<Record<number, Exit>> = {
  [exits.KVM_EXIT_IO]: { io: { direction: 0, size: 1, port: PORT, count: 1, dataOffset: 4096n } },
  [exits.KVM_EXIT_MMIO]: { mmio: { physAddr: BigInt(ADDRESS), len: 1, isWrite: 0 } },
};

interface LoopResult {
  /** What the loop called, in order. */
  readonly calls: readonly string[];
  readonly end: ThreadEnd | undefined;
  readonly page: RunPage;
}

/** The machine's loop on a KVM_RUN that makes this exit once, and is kicked at the second call. */
function loopOver(exitReason: number, exit: Exit = ARMS[exitReason] ?? {}): LoopResult {
  const page = new RunPage(new Uint8Array(new SharedArrayBuffer(2 * 4096)));
  const calls: string[] = [];
  let end: ThreadEnd | undefined;
  const registers = (name: string) => ({ read: () => calls.push(name), write: () => void calls.push(name) });
  const pio = new Bus('port', { unclaimed: () => calls.push('unclaimed') });
  pio.add({ name: 'port', start: PORT, size: 1, width: 1 }, registers('a port'));
  const mmio = new Bus('MMIO address', { unclaimed: () => calls.push('unclaimed') });
  mmio.add({ name: 'MMIO', start: ADDRESS, size: 1, width: 1 }, registers('MMIO'));
  let runs = 0;
  makeLoop({
    run: () => {
      if (runs++ > 0) return -4;
      encode(kvmRun, { exitReason, exit }, page.bytes);
      return undefined;
    },
    page,
    pio,
    mmio,
    counts: new Float64Array(64),
    log: new Uint32Array(EXIT_LOG_WORDS),
    interrupted: () => {
      calls.push('kicked');
      return false;
    },
    otherExit: () => {
      end = otherExitEnd(page);
      return false;
    },
    carryOutWrites: () => {},
    attention: false,
    attend: () => false,
  })();
  return { calls, end, page };
}

// fld dword [0xd0000000]; two bytes of something else
const CODE = Uint8Array.of(0xd9, 0x05, 0x00, 0x00, 0x00, 0xd0, 0xff, 0xff);
const CODE_AT = 0x1000;

interface CpuState {
  readonly rip?: bigint;
  readonly rflags?: bigint;
  readonly sregs?: PartialValue<typeof kvmSregs>;
}
const PROTECTED: CpuState = { sregs: { cr0: 1n, cs: { db: 1 } } };

function stopped(page: RunPage, { rip = BigInt(CODE_AT), rflags = 2n, sregs = {} }: CpuState): StoppedVcpu {
  return {
    id: 0,
    page,
    getRegs: () => decode(kvmRegs, encode(kvmRegs, { rip, rflags })),
    getSregs: () => decode(kvmSregs, encode(kvmSregs, sregs)),
  };
}

function memoryWith(code: Uint8Array): GuestMemory {
  const buffer = new SharedArrayBuffer(0x2000);
  const memory = new GuestMemory([{ start: 0, size: buffer.byteLength, buffer, offset: 0 }]);
  memory.write(CODE_AT, code);
  return memory;
}

function errorOf(
  { end, page }: LoopResult,
  state = PROTECTED,
  code: Uint8Array = CODE,
  flavour: 'kvm_intel' | 'kvm_pvm' = 'kvm_intel',
) {
  if (end?.reason !== 'exit') throw new Error(`no error: ${end?.reason}`);
  return faultError(end, stopped(page, state), memoryWith(code), flavour);
}

describe('every exit reason has an outcome', () => {
  const reasons = Object.keys(exits).filter((name) => name.startsWith('KVM_EXIT_') && !INNER.test(name)) as Reason[];

  it('is in the table', () => {
    expect(Object.keys(OUTCOMES).sort()).toEqual(reasons.sort());
    expect(new Set(reasons.map((name) => NUMBERS[name])).size).toBe(reasons.length);
  });

  it.each(Object.entries(OUTCOMES) as [Reason, string][])('%s: %s', (name, outcome) => {
    const result = loopOver(NUMBERS[name]);
    const { calls, end } = result;
    if (end === undefined) expect(calls).toEqual(outcome === 'nobody' ? ['kicked'] : [outcome, 'kicked']);
    else if (end.reason !== 'exit') expect([calls, end]).toEqual([[], { reason: outcome }]);
    else {
      expect(calls).toEqual([]);
      const error = errorOf(result);
      expect(error.code).toBe(outcome);
      expect(error.message).toMatch(
        new RegExp(`^vCPU 0: ${name}: .+, in 32-bit protected mode, ring 0 at rip 0x1000: `),
      );
      expect(error.message).toMatch(/: d905000000d0 \(fld dword \[0D0000000h\]\)$/i);
    }
  });

  it.each([41, 63, 64, 4095, 0xffff_ffff])(
    'reason %i, newer than this program, is an error by its number',
    (reason) => {
      const error = errorOf(loopOver(reason));
      expect(error.code).toBe('EXIT_UNHANDLED');
      expect(error.message).toContain(`KVM_EXIT_${reason}: a reason that this program does not know, in 32-bit`);
    },
  );

  it.each<[string, number, ThreadEnd | VmErrorCode]>([
    ['shutdown', exits.KVM_SYSTEM_EVENT_SHUTDOWN, { reason: 'power-off' }],
    ['reset', exits.KVM_SYSTEM_EVENT_RESET, { reason: 'reset', by: 'KVM system event' }],
    ['crash', exits.KVM_SYSTEM_EVENT_CRASH, { reason: 'panic', by: 'KVM system event' }],
    ['wake-up', exits.KVM_SYSTEM_EVENT_WAKEUP, 'EXIT_UNHANDLED'],
    ['suspend', exits.KVM_SYSTEM_EVENT_SUSPEND, 'EXIT_UNHANDLED'],
    ['the end of an SEV guest', exits.KVM_SYSTEM_EVENT_SEV_TERM, 'EXIT_UNHANDLED'],
    ['type 99', 99, 'EXIT_UNHANDLED'],
  ])('system event %s', (words, type, outcome) => {
    const result = loopOver(exits.KVM_EXIT_SYSTEM_EVENT, { systemEvent: { type } });
    if (typeof outcome === 'object') return expect(result.end).toEqual(outcome);
    const error = errorOf(result);
    expect([error.code, error.message]).toEqual([outcome, expect.stringContaining(`(${words})`)]);
  });
});

describe('the error of an exit that nothing handles', () => {
  const unknown = loopOver(exits.KVM_EXIT_UNKNOWN);
  const where = (state: CpuState, code?: Uint8Array) =>
    errorOf(unknown, state, code).message.replace(/^.*?\), in /, '');

  it.each<[string, CpuState]>([
    ['real mode at rip 0x0: d905 (fld dword [di])', { rip: 0n, sregs: { cs: { base: 0x1000n } } }],
    ['16-bit protected mode, ring 3 at rip 0x1000: d905 (fld dword [di])', { sregs: { cr0: 1n, ss: { dpl: 3 } } }],
    ['virtual-8086 mode at rip 0x1000: d905 (fld dword [di])', { rflags: 0x20002n, sregs: { cr0: 1n } }],
    [
      '32-bit compatibility mode, ring 3 at rip 0x1000: d905000000d0 (fld dword [0D0000000h])',
      { sregs: { cr0: 1n, efer: 0x500n, cs: { db: 1, dpl: 3 }, ss: { dpl: 3 } } },
    ],
    [
      '64-bit mode, ring 0 at rip 0x1000: d905000000d0 (fld dword [rel 0FFFFFFFFD0001006h])',
      { sregs: { cr0: 1n, efer: 0x500n, cs: { l: 1 } } },
    ],
  ])('%s', (words, state) => expect(where(state)).toBe(words));

  it('shows all bytes where they are no instruction', () => {
    const bytes = new Uint8Array(15).fill(0xff);
    expect(where(PROTECTED, bytes)).toBe(`32-bit protected mode, ring 0 at rip 0x1000: ${'ff'.repeat(15)} ((bad))`);
  });

  it('says so where rip points outside RAM, or at its very end', () => {
    const state = (rip: bigint) => ({ ...PROTECTED, rip });
    expect(where(state(0xd0000000n))).toBe(
      '32-bit protected mode, ring 0 at rip 0xd0000000, whose bytes are not in RAM',
    );
    expect(where(state(0x1fffn))).toMatch(/at rip 0x1fff: 00 \(/);
  });

  it('is made even where the registers cannot be read', () => {
    const { end, page } = unknown;
    const broken = stopped(page, PROTECTED);
    const getRegs = () => {
      throw new Error('KVM_GET_REGS failed: EBADF');
    };
    if (end?.reason !== 'exit') throw new Error('no exit');
    const error = faultError(end, { ...broken, getRegs }, memoryWith(CODE), 'kvm_amd');
    expect(error.message).toMatch(/, its registers cannot be read: KVM_GET_REGS failed: EBADF$/);
  });

  it('names another host where kvm_pvm cannot emulate, and there alone', () => {
    const failed = (suberror: number) => loopOver(exits.KVM_EXIT_INTERNAL_ERROR, { internal: { suberror, ndata: 0 } });
    const hint = (suberror: number, flavour: 'kvm_intel' | 'kvm_pvm') =>
      errorOf(failed(suberror), PROTECTED, CODE, flavour).hint;
    expect(hint(exits.KVM_INTERNAL_ERROR_EMULATION, 'kvm_pvm')).toContain('--host svm');
    expect(hint(exits.KVM_INTERNAL_ERROR_EMULATION, 'kvm_intel')).toContain('addresses without RAM');
    expect(hint(exits.KVM_INTERNAL_ERROR_DELIVERY_EV, 'kvm_pvm')).toBe('');
  });

  it('names the errno of a KVM_RUN that failed, and the memory that KVM could not get', () => {
    const fault = (result: LoopResult) =>
      faultError({ reason: 'run-failed', errno: 14 }, stopped(result.page, PROTECTED), memoryWith(CODE), 'kvm_amd');
    expect(fault(unknown)).toMatchObject({
      code: 'KVM_CALL_FAILED',
      message: expect.stringMatching(/^vCPU 0: KVM_RUN failed: EFAULT, in 32-bit protected mode/),
    });
    expect(fault(loopOver(exits.KVM_EXIT_MEMORY_FAULT)).message).toMatch(
      /^vCPU 0: KVM_RUN failed: EFAULT with KVM_EXIT_MEMORY_FAULT: .*\(0 bytes at 0x0\), in 32-bit protected mode/,
    );
  });
});
