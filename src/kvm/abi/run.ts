/** struct kvm_run, the page that KVM and the monitor share for each vCPU, and the coalesced ring behind it. */
import { anonymousUnion, array, bytes, reserved, struct, union } from './layout.js';
import { kvmDebugExitArch, kvmSyncRegs } from './registers.js';

export const kvmHypervExit = struct({
  type: 'u32',
  pad1: reserved(4),
  u: union({
    synic: struct({ msr: 'u32', pad2: reserved(4), control: 'u64', evtPage: 'u64', msgPage: 'u64' }),
    hcall: struct({ input: 'u64', result: 'u64', params: array('u64', 2) }),
    syndbg: struct({
      msr: 'u32',
      pad2: reserved(4),
      control: 'u64',
      status: 'u64',
      sendPage: 'u64',
      recvPage: 'u64',
      pendingPage: 'u64',
    }),
  }),
});

export const kvmXenExit = struct({
  type: 'u32',
  u: union({
    hcall: struct({ longmode: 'u32', cpl: 'u32', input: 'u64', result: 'u64', params: array('u64', 6) }),
  }),
});

const exitUnion = anonymousUnion({
  hw: struct({ hardwareExitReason: 'u64' }),
  failEntry: struct({ hardwareEntryFailureReason: 'u64', cpu: 'u32' }),
  ex: struct({ exception: 'u32', errorCode: 'u32' }),
  io: struct({ direction: 'u8', size: 'u8', port: 'u16', count: 'u32', dataOffset: 'u64' }),
  debug: struct({ arch: kvmDebugExitArch }),
  mmio: struct({ physAddr: 'u64', data: bytes(8), len: 'u32', isWrite: 'u8' }),
  hypercall: struct({ nr: 'u64', args: array('u64', 6), ret: 'u64', longmode: 'u32', pad: reserved(4) }),
  tprAccess: struct({ rip: 'u64', isWrite: 'u32', pad: reserved(4) }),
  internal: struct({ suberror: 'u32', ndata: 'u32', data: array('u64', 16) }),
  emulationFailure: struct({
    suberror: 'u32',
    ndata: 'u32',
    flags: 'u64',
    insnSize: 'u8',
    insnBytes: bytes(15),
  }),
  systemEvent: struct({ type: 'u32', ndata: 'u32', data: array('u64', 16) }),
  eoi: struct({ vector: 'u8' }),
  hyperv: kvmHypervExit,
  msr: struct({ error: 'u8', pad: reserved(7), reason: 'u32', index: 'u32', data: 'u64' }),
  xen: kvmXenExit,
  notify: struct({ flags: 'u32' }),
  padding: reserved(256),
});

export const kvmRun = struct({
  requestInterruptWindow: 'u8',
  immediateExit: 'u8',
  padding1: reserved(6),
  exitReason: 'u32',
  readyForInterruptInjection: 'u8',
  ifFlag: 'u8',
  flags: 'u16',
  cr8: 'u64',
  apicBase: 'u64',
  exit: exitUnion,
  kvmValidRegs: 'u64',
  kvmDirtyRegs: 'u64',
  s: union({ regs: kvmSyncRegs, padding: reserved(2048) }),
});

export const kvmCoalescedMmio = struct({ physAddr: 'u64', len: 'u32', pio: 'u32', data: bytes(8) });
/** Followed by the entries, which fill the rest of the page. */
export const kvmCoalescedMmioRing = struct({ first: 'u32', last: 'u32' });
export const kvmCoalescedMmioZone = struct({ addr: 'u64', size: 'u32', pio: 'u32' });
