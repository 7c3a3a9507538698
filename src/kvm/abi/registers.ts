/** Structs of a vCPU's state (<asm/kvm.h>). */
import { array, bytes, reserved, struct, type Value } from './layout.js';

export const kvmRegs = struct({
  rax: 'u64',
  rbx: 'u64',
  rcx: 'u64',
  rdx: 'u64',
  rsi: 'u64',
  rdi: 'u64',
  rsp: 'u64',
  rbp: 'u64',
  r8: 'u64',
  r9: 'u64',
  r10: 'u64',
  r11: 'u64',
  r12: 'u64',
  r13: 'u64',
  r14: 'u64',
  r15: 'u64',
  rip: 'u64',
  rflags: 'u64',
});
export type Regs = Value<typeof kvmRegs>;

export const kvmSegment = struct({
  base: 'u64',
  /** In bytes, whatever `g` is. */
  limit: 'u32',
  selector: 'u16',
  type: 'u8',
  present: 'u8',
  dpl: 'u8',
  db: 'u8',
  s: 'u8',
  l: 'u8',
  g: 'u8',
  avl: 'u8',
  unusable: 'u8',
  padding: reserved(1),
});
export type Segment = Value<typeof kvmSegment>;

export const kvmDtable = struct({ base: 'u64', limit: 'u16', padding: reserved(6) });
export type DescriptorTable = Value<typeof kvmDtable>;

export const kvmSregs = struct({
  cs: kvmSegment,
  ds: kvmSegment,
  es: kvmSegment,
  fs: kvmSegment,
  gs: kvmSegment,
  ss: kvmSegment,
  tr: kvmSegment,
  ldt: kvmSegment,
  gdt: kvmDtable,
  idt: kvmDtable,
  cr0: 'u64',
  cr2: 'u64',
  cr3: 'u64',
  cr4: 'u64',
  cr8: 'u64',
  efer: 'u64',
  apicBase: 'u64',
  interruptBitmap: array('u64', 4),
});
export type Sregs = Value<typeof kvmSregs>;

export const kvmFpu = struct({
  fpr: array(bytes(16), 8),
  fcw: 'u16',
  fsw: 'u16',
  ftwx: 'u8',
  pad1: reserved(1),
  lastOpcode: 'u16',
  lastIp: 'u64',
  lastDp: 'u64',
  xmm: array(bytes(16), 16),
  mxcsr: 'u32',
  pad2: reserved(4),
});
export type Fpu = Value<typeof kvmFpu>;

/** XSAVE's area; KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) gives its real size, never less. */
export const kvmXsave = struct({ region: array('u32', 1024) });
export const kvmXcr = struct({ xcr: 'u32', reserved: reserved(4), value: 'u64' });
export type Xcr = Value<typeof kvmXcr>;
export const kvmXcrs = struct({ nrXcrs: 'u32', flags: 'u32', xcrs: array(kvmXcr, 16), padding: reserved(128) });

/** The local APIC's register page: 16 bytes apart, as in its MMIO window. */
export const kvmLapicState = struct({ regs: bytes(0x400) });
export const kvmMpState = struct({ mpState: 'u32' });

export const kvmVcpuEvents = struct({
  exception: struct({ injected: 'u8', nr: 'u8', hasErrorCode: 'u8', pending: 'u8', errorCode: 'u32' }),
  interrupt: struct({ injected: 'u8', nr: 'u8', soft: 'u8', shadow: 'u8' }),
  nmi: struct({ injected: 'u8', pending: 'u8', masked: 'u8', pad: reserved(1) }),
  sipiVector: 'u32',
  flags: 'u32',
  smi: struct({ smm: 'u8', pending: 'u8', smmInsideNmi: 'u8', latchedInit: 'u8' }),
  tripleFault: struct({ pending: 'u8' }),
  reserved: reserved(26),
  exceptionHasPayload: 'u8',
  exceptionPayload: 'u64',
});
export type VcpuEvents = Value<typeof kvmVcpuEvents>;

export const kvmDebugregs = struct({
  db: array('u64', 4),
  dr6: 'u64',
  dr7: 'u64',
  flags: 'u64',
  reserved: reserved(72),
});
export type Debugregs = Value<typeof kvmDebugregs>;

export const kvmSyncRegs = struct({ regs: kvmRegs, sregs: kvmSregs, events: kvmVcpuEvents });

export const kvmDebugExitArch = struct({ exception: 'u32', pad: reserved(4), pc: 'u64', dr6: 'u64', dr7: 'u64' });
export const kvmGuestDebugArch = struct({ debugreg: array('u64', 8) });
export const kvmGuestDebug = struct({ control: 'u32', pad: reserved(4), arch: kvmGuestDebugArch });

export const kvmMsrEntry = struct({ index: 'u32', reserved: reserved(4), data: 'u64' });
export type MsrEntry = Value<typeof kvmMsrEntry>;
/** Followed by `nmsrs` kvm_msr_entry. */
export const kvmMsrs = struct({ nmsrs: 'u32', pad: reserved(4) });
/** Followed by `nmsrs` u32. */
export const kvmMsrList = struct({ nmsrs: 'u32' });

export const kvmCpuidEntry2 = struct({
  function: 'u32',
  index: 'u32',
  flags: 'u32',
  eax: 'u32',
  ebx: 'u32',
  ecx: 'u32',
  edx: 'u32',
  padding: reserved(12),
});
export type CpuidEntry = Value<typeof kvmCpuidEntry2>;
/** Followed by `nent` kvm_cpuid_entry2. */
export const kvmCpuid2 = struct({ nent: 'u32', padding: reserved(4) });

export const kvmInterrupt = struct({ irq: 'u32' });
export const kvmTranslation = struct({
  linearAddress: 'u64',
  physicalAddress: 'u64',
  valid: 'u8',
  writeable: 'u8',
  usermode: 'u8',
  pad: reserved(5),
});
/** Followed by the signal set, `len` bytes. */
export const kvmSignalMask = struct({ len: 'u32' });
