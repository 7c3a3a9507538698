/** Structs of the VM's calls: memory slots, interrupts, timers, devices, statistics. */
import { array, bytes, reserved, struct, union, type Value } from './layout.js';

export const kvmUserspaceMemoryRegion = struct({
  slot: 'u32',
  flags: 'u32',
  guestPhysAddr: 'u64',
  memorySize: 'u64',
  userspaceAddr: 'u64',
});

export const kvmIrqLevel = struct({ irq: 'u32', level: 'u32' });
export const kvmIrqchip = struct({ chipId: 'u32', pad: reserved(4), chip: bytes(512) });

/** The content of kvm_irqchip.chip for KVM_IRQCHIP_PIC_MASTER and _SLAVE. */
export const kvmPicState = struct({
  lastIrr: 'u8',
  irr: 'u8',
  imr: 'u8',
  isr: 'u8',
  priorityAdd: 'u8',
  irqBase: 'u8',
  readRegSelect: 'u8',
  poll: 'u8',
  specialMask: 'u8',
  initState: 'u8',
  autoEoi: 'u8',
  rotateOnAutoEoi: 'u8',
  specialFullyNestedMode: 'u8',
  init4: 'u8',
  elcr: 'u8',
  elcrMask: 'u8',
});
/** The content of kvm_irqchip.chip for KVM_IRQCHIP_IOAPIC. */
export const kvmIoapicState = struct({
  baseAddress: 'u64',
  ioregsel: 'u32',
  id: 'u32',
  irr: 'u32',
  pad: reserved(4),
  redirtbl: array('u64', 24),
});

export const kvmPitConfig = struct({ flags: 'u32', pad: reserved(60) });
export const kvmPitChannelState = struct({
  count: 'u32',
  latchedCount: 'u16',
  countLatched: 'u8',
  statusLatched: 'u8',
  status: 'u8',
  readState: 'u8',
  writeState: 'u8',
  writeLatch: 'u8',
  rwMode: 'u8',
  mode: 'u8',
  bcd: 'u8',
  gate: 'u8',
  countLoadTime: 's64',
});
export const kvmPitState2 = struct({ channels: array(kvmPitChannelState, 3), flags: 'u32', reserved: reserved(36) });
export type PitState2 = Value<typeof kvmPitState2>;

const routingIrqchip = struct({ irqchip: 'u32', pin: 'u32' });
const routingMsi = struct({ addressLo: 'u32', addressHi: 'u32', data: 'u32', devid: 'u32' });
export const kvmIrqRoutingEntry = struct({
  gsi: 'u32',
  type: 'u32',
  flags: 'u32',
  pad: reserved(4),
  u: union({ irqchip: routingIrqchip, msi: routingMsi, pad: reserved(32) }),
});
/** Followed by `nr` kvm_irq_routing_entry. */
export const kvmIrqRouting = struct({ nr: 'u32', flags: 'u32' });

export const kvmIrqfd = struct({ fd: 'u32', gsi: 'u32', flags: 'u32', resamplefd: 'u32', pad: reserved(16) });
export const kvmIoeventfd = struct({
  datamatch: 'u64',
  addr: 'u64',
  len: 'u32',
  fd: 's32',
  flags: 'u32',
  pad: reserved(36),
});
export const kvmMsi = struct({
  addressLo: 'u32',
  addressHi: 'u32',
  data: 'u32',
  flags: 'u32',
  devid: 'u32',
  pad: reserved(12),
});

export const kvmDirtyLog = struct({ slot: 'u32', padding1: reserved(4), dirtyBitmap: 'u64' });
export const kvmClearDirtyLog = struct({ slot: 'u32', numPages: 'u32', firstPage: 'u64', dirtyBitmap: 'u64' });

export const kvmClockData = struct({
  clock: 'u64',
  flags: 'u32',
  pad0: reserved(4),
  realtime: 'u64',
  hostTsc: 'u64',
  pad: reserved(16),
});
export type ClockData = Value<typeof kvmClockData>;

export const kvmEnableCap = struct({ cap: 'u32', flags: 'u32', args: array('u64', 4), pad: reserved(64) });
export const kvmDeviceAttr = struct({ flags: 'u32', group: 'u32', attr: 'u64', addr: 'u64' });

export const kvmStatsHeader = struct({
  flags: 'u32',
  nameSize: 'u32',
  numDesc: 'u32',
  idOffset: 'u32',
  descOffset: 'u32',
  dataOffset: 'u32',
});
/** Followed by the name, `kvm_stats_header.name_size` bytes. */
export const kvmStatsDesc = struct({ flags: 'u32', exponent: 's16', size: 'u16', offset: 'u32', bucketSize: 'u32' });
