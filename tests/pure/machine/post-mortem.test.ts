import { describe, expect, it } from 'vitest';
import { VmError } from '../../../src/errors.js';
import { KVM_EXIT_IO, KVM_EXIT_SHUTDOWN } from '../../../src/kvm/abi/exits.js';
import { decode, encode, type PartialValue } from '../../../src/kvm/abi/layout.js';
import { kvmRegs, kvmSregs } from '../../../src/kvm/abi/registers.js';
import { kvmRun } from '../../../src/kvm/abi/run.js';
import { RunPage } from '../../../src/kvm/exit.js';
import type { KvmEvent } from '../../../src/kvm/trace-events.js';
import { ActivityWatch } from '../../../src/machine/activity.js';
import { ControlBlock } from '../../../src/machine/control.js';
import { flagsOf } from '../../../src/machine/control-flags.js';
import type { MachineEnd } from '../../../src/machine/end.js';
import { logEnd, logMemoryIo, logOther } from '../../../src/machine/exit-log.js';
import { type PostMortem, postMortem, type StoppedInstance } from '../../../src/machine/post-mortem.js';
import { describePostMortem } from '../../../src/machine/post-mortem-words.js';
import type { ThreadEnd } from '../../../src/machine/thread-end.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';

const RUNNABLE = 0;
const UNINITIALIZED = 1;
const HALTED = 3;
const CODE_AT = 0x1000;

describe('flagsOf', () => {
  it('names the bits that are set, lowest first', () => {
    expect(flagsOf('cr0', 0x80000011n)).toEqual(['PE', 'ET', 'PG']);
    expect(flagsOf('cr4', 0x20n | (1n << 12n))).toEqual(['PAE', 'LA57']);
    expect(flagsOf('efer', 0xd01n)).toEqual(['SCE', 'LME', 'LMA', 'NXE']);
    expect(flagsOf('rflags', 0x202n)).toEqual(['IF']);
  });

  it('tells IOPL by its value, and a bit without a name by its number', () => {
    expect(flagsOf('rflags', 0x3002n)).toEqual(['IOPL=3']);
    expect(flagsOf('rflags', 0x2046n)).toEqual(['PF', 'ZF', 'IOPL=2']);
    expect(flagsOf('cr0', 1n << 40n)).toEqual(['bit 40']);
  });
});

describe('ActivityWatch', () => {
  function watch() {
    const control = new ControlBlock(ControlBlock.makeBuffer());
    let now = 0;
    const made = new ActivityWatch([control], () => now);
    const pass = (ms: number, exits = 0) => {
      now += ms;
      control.byReason[KVM_EXIT_IO] = (control.byReason[KVM_EXIT_IO] ?? 0) + exits;
    };
    return { made, pass };
  }

  it('counts what came after the last look but one', () => {
    const { made, pass } = watch();
    pass(1000, 500);
    made.look();
    pass(1000, 20);
    made.look();
    pass(400, 3);
    made.end();
    pass(5000, 99);
    made.end();
    const expected = { doing: 'exiting', interruptsOn: true, windowMs: 1400, exits: { IO: 23 } };
    expect(made.of(0, RUNNABLE, true)).toEqual(expected);
  });

  it('tells one that spins from one that halts and one that nobody started', () => {
    const { made, pass } = watch();
    pass(900);
    made.end();
    expect(made.of(0, RUNNABLE, false)).toEqual({ doing: 'spinning', interruptsOn: false, windowMs: 900, exits: {} });
    expect(made.of(0, HALTED, true).doing).toBe('halted');
    expect(made.of(0, UNINITIALIZED, true).doing).toBe('not-started');
  });
});

interface CpuSetup {
  readonly regs?: PartialValue<typeof kvmRegs>;
  readonly sregs?: PartialValue<typeof kvmSregs>;
  readonly code?: readonly number[];
  readonly mpState?: number;
  readonly kvmEvents?: readonly KvmEvent[];
}

const PROTECTED = { cr0: 0x11n, cs: { db: 1, selector: 8, limit: 0xffffffff } };

/** A machine of one stopped vCPU whose last exit was a shutdown. */
function stopped({
  regs = {},
  sregs = PROTECTED,
  code = [],
  mpState = RUNNABLE,
  kvmEvents,
}: CpuSetup): StoppedInstance {
  const page = new RunPage(new Uint8Array(new SharedArrayBuffer(2 * 4096)));
  const mmio = { physAddr: 0xfee00000n, data: Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0), len: 4, isWrite: 1 };
  encode(kvmRun, { exitReason: KVM_EXIT_SHUTDOWN, exit: { mmio } } as PartialValue<typeof kvmRun>, page.bytes);
  const control = new ControlBlock(ControlBlock.makeBuffer());
  logMemoryIo(control.exitLog, 0, page.words, mmio.len, true);
  logOther(control.exitLog, 1, KVM_EXIT_SHUTDOWN);
  logEnd(control.exitLog, 1);
  const buffer = new SharedArrayBuffer(0x10000);
  const memory = new GuestMemory([{ start: 0, size: buffer.byteLength, buffer, offset: 0 }]);
  memory.write(CODE_AT, Uint8Array.from(code));
  const vcpu = {
    id: 0,
    page,
    getRegs: () => decode(kvmRegs, encode(kvmRegs, { rip: BigInt(CODE_AT), rflags: 2n, ...regs })),
    getSregs: () => decode(kvmSregs, encode(kvmSregs, sregs)),
    getMpState: () => mpState,
  };
  return {
    cpus: [{ vcpu, control }],
    memory,
    activity: new ActivityWatch([control], () => 0),
    deviceAt: (bus, address) => `${bus}-${address.toString(16)}`,
    kvmEvents: () => kvmEvents,
  };
}

const TRIPLE: ThreadEnd & MachineEnd = { reason: 'triple-fault' };
const SILENT = { bytes: 0 };
const IN_THREAD = { tid: 0, tsc: 0 };

function of(setup: CpuSetup, flavour: 'kvm_intel' | 'kvm_amd' = 'kvm_intel'): PostMortem {
  const made = postMortem(TRIPLE, TRIPLE, SILENT, stopped(setup), flavour);
  if (made === undefined) throw new Error('no post-mortem');
  return made;
}

describe('postMortem', () => {
  it('has registers, code, flags and the last exits with their devices', () => {
    const { vcpus } = of({ code: [0x0f, 0x0b, 0x90], regs: { rax: 0xffff_ffff_ffff_fff0n } });
    const [cpu] = vcpus;
    expect(cpu?.state).toMatchObject({
      mode: '32-bit protected mode, ring 0',
      registers: { rip: '0x1000', rax: '0xfffffffffffffff0' },
      cr0: { value: '0x11', flags: ['PE', 'ET'] },
      segments: { cs: { selector: '0x8', base: '0x0', limit: '0xffffffff' } },
      walk: { mode: 'off', result: { outcome: 'mapped', physicalAddress: '0x1000', inRam: true } },
    });
    expect(cpu?.state?.code.slice(0, 2)).toEqual([
      { rip: '0x1000', bytes: '0f0b', text: 'ud2' },
      { rip: '0x1002', bytes: '90', text: 'nop' },
    ]);
    const write = { reason: 'MMIO', write: true, address: '0xfee00000', size: 4, value: '0x4030201' };
    expect(cpu?.exits).toEqual([{ ...write, device: 'mmio-fee00000' }, { reason: 'SHUTDOWN' }]);
  });

  it('is what JSON can carry', () => {
    const made = of({});
    expect(JSON.parse(JSON.stringify(made))).toEqual(JSON.parse(JSON.stringify({ ...made })));
  });

  const RESET = { regs: { rip: 0xfff0n }, sregs: { cs: { selector: 0xf000, base: 0xffff0000n } } };

  it('takes the state of a reset on kvm_amd for none, and names the host where it survives', () => {
    const [cpu] = of(RESET, 'kvm_amd').vcpus;
    expect(cpu?.state).toBeUndefined();
    expect(cpu?.lost).toContain('--host vtx');
    expect(cpu?.exits).toHaveLength(2);
  });

  it('has what the kernel recorded of it, or says how to have it recorded', () => {
    expect(of(RESET, 'kvm_amd').vcpus[0]?.lost).toMatch(/: use --trace-kvm\.$/);
    const kvmExit = {
      ...IN_THREAD,
      name: 'kvm_exit',
      vcpu: 0,
      info1: 0n,
      info2: 0n,
      interruptInfo: 0,
      errorCode: 0,
    } as const;
    const kvmEvents: KvmEvent[] = [
      { ...IN_THREAD, name: 'kvm_inj_exception', text: '#PF (0x2)' },
      { ...kvmExit, reason: 'io', rip: 0xfffn },
      { ...kvmExit, reason: 'shutdown', rip: 0x10000bn },
      { ...IN_THREAD, name: 'kvm_inj_exception', text: '#UD' },
      { ...kvmExit, tid: 1, reason: 'io', rip: 0x1000n },
    ];
    const recorded = of({ ...RESET, kvmEvents }, 'kvm_amd');
    expect(recorded.vcpus[0]?.lost).not.toContain('--trace-kvm');
    expect(recorded.vcpus[0]?.kvm).toEqual({
      lastExit: { reason: 'shutdown', rip: '0x10000b' },
      injected: ['#PF (0x2)', '#UD'],
    });
    expect(describePostMortem(recorded)).toContain(
      '  the kernel recorded: its last exit, "shutdown", at rip 0x10000b; KVM injected\n        #PF (0x2), #UD\n',
    );
    expect(describePostMortem(of({ kvmEvents: [] }))).toContain('recorded: no exit; KVM injected no exception');
  });

  it('does so on kvm_amd alone, and for no other state', () => {
    expect(of(RESET).vcpus[0]?.state?.registers.rip).toBe('0xfff0');
    expect(of({}, 'kvm_amd').vcpus[0]?.state?.registers.rip).toBe('0x1000');
  });

  it('says why where the registers cannot be read', () => {
    const instance = stopped({});
    const [cpu] = instance.cpus;
    if (cpu === undefined) throw new Error('no vCPU');
    cpu.vcpu.getSregs = () => {
      throw new VmError('KVM_CALL_FAILED', 'KVM_GET_SREGS failed: EIO');
    };
    const made = postMortem(TRIPLE, TRIPLE, SILENT, instance, 'kvm_intel');
    expect(made?.vcpus[0]?.lost).toBe('its registers cannot be read: KVM_GET_SREGS failed: EIO');
  });

  it('does without a record of the kernel that cannot be read', () => {
    const kvmEvents = () => {
      throw new VmError('BUG', 'a page makes no sense');
    };
    const made = postMortem(TRIPLE, TRIPLE, SILENT, { ...stopped({}), kvmEvents }, 'kvm_intel');
    expect(made?.vcpus[0]?.kvm).toBeUndefined();
    expect(made?.vcpus[0]?.exits).toHaveLength(2);
  });

  it('says what a vCPU did whose time was over', () => {
    const made = postMortem({ reason: 'timeout' }, { reason: 'stopped' }, SILENT, stopped({ mpState: HALTED }));
    expect(made?.reason).toBe('its time was over');
    expect(made?.vcpus[0]?.activity).toMatchObject({ doing: 'halted', interruptsOn: false });
  });

  it('tells an exit that nothing handles in its words', () => {
    const error = new VmError('EXIT_UNHANDLED', 'vCPU 0: KVM_EXIT_X, in …');
    const exit: ThreadEnd = { reason: 'exit', exitReason: 99, words: 'KVM_EXIT_X' };
    expect(postMortem({ reason: 'error', error }, exit, SILENT, stopped({}))?.reason).toBe('KVM_EXIT_X');
    const failed: ThreadEnd = { reason: 'run-failed', errno: -5 };
    expect(postMortem({ reason: 'error', error }, failed, SILENT, stopped({}))?.reason).toBe(error.message);
  });

  it.each<MachineEnd>([
    { reason: 'power-off' },
    { reason: 'stopped' },
    { reason: 'halted' },
    { reason: 'debug-exit', status: 1 },
    { reason: 'reset', by: 'x' },
    { reason: 'panic', by: 'x' },
    { reason: 'error', error: new VmError('BUG', 'x') },
  ])('is not made after $reason', (end) => {
    expect(postMortem(end, { reason: 'bug', message: '' }, SILENT, stopped({}))).toBeUndefined();
  });
});

describe('describePostMortem', () => {
  it('is text of at most 80 columns', () => {
    const everything = (1n << 64n) - 1n;
    const all = Object.fromEntries(Object.keys(kvmRegs.fields).map((name) => [name, everything]));
    const registers = { cr2: everything, cr3: everything, cr4: everything, efer: everything };
    const sregs = { cr0: everything, ...registers, cs: { l: 1, selector: 0xffff, base: everything } };
    for (const regs of [all, { rip: 0xffff_ffff_8100_0000n }]) {
      const text = describePostMortem(of({ regs, sregs }));
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      expect(text.endsWith('\n')).toBe(true);
    }
  });

  it('marks the instruction at rip and shows the walk level by level', () => {
    const tables = { cr0: 0x80000011n, cr3: 0x2000n, cr4: 0x20n, efer: 0x500n, cs: { l: 1 } };
    const instance = stopped({ sregs: tables });
    instance.memory.write(0x2000, Uint8Array.of(0x03, 0x30));
    const made = postMortem(TRIPLE, TRIPLE, SILENT, instance, 'kvm_intel');
    if (made === undefined) throw new Error('no post-mortem');
    const text = describePostMortem(made);
    expect(text).toContain('  page walk of 0x1000, 4-level paging\n');
    expect(text).toContain('    PML4E[0]   at 00002000: 0000000000003003  P R/W\n');
    expect(text).toContain('    PDPTE[0]   at 00003000: 0000000000000000\n    not present');
    expect(text).toContain('the bytes at rip are not in RAM');
    expect(describePostMortem(of({ code: [0x0f, 0x0b] }))).toMatch(/^ {2}> 00001000 {2}0f0b +ud2$/m);
  });

  it('tells silence from output', () => {
    const made = of({});
    expect(describePostMortem(made)).toContain('console: the guest has printed nothing\n');
    const spoke = { ...made, output: { bytes: 1, silentMs: 1500 } };
    expect(describePostMortem(spoke)).toContain('console: the guest has printed 1 byte, the last 1.5 s before\n');
  });
});
