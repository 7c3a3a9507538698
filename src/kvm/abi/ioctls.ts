/** Numbers of the KVM calls, built as <asm-generic/ioctl.h> does from type, number, direction and argument size. */
import type { Layout } from './layout.js';
import {
  kvmCpuid2,
  kvmDebugregs,
  kvmFpu,
  kvmGuestDebug,
  kvmInterrupt,
  kvmLapicState,
  kvmMpState,
  kvmMsrList,
  kvmMsrs,
  kvmRegs,
  kvmSignalMask,
  kvmSregs,
  kvmTranslation,
  kvmVcpuEvents,
  kvmXcrs,
  kvmXsave,
} from './registers.js';
import { kvmCoalescedMmioZone } from './run.js';
import {
  kvmClearDirtyLog,
  kvmClockData,
  kvmDeviceAttr,
  kvmDirtyLog,
  kvmEnableCap,
  kvmIoeventfd,
  kvmIrqchip,
  kvmIrqfd,
  kvmIrqLevel,
  kvmIrqRouting,
  kvmMsi,
  kvmPitConfig,
  kvmPitState2,
  kvmUserspaceMemoryRegion,
} from './vm.js';

const KVMIO = 0xae;
const NONE = 0;
const WRITE = 1;
const READ = 2;
const U64 = { size: 8 };

const ioc = (direction: number, nr: number, size: number): number =>
  ((direction << 30) | (size << 16) | (KVMIO << 8) | nr) >>> 0;
type Sized = Pick<Layout, 'size'>;
const io = (nr: number): number => ioc(NONE, nr, 0);
const ior = (nr: number, argument: Sized): number => ioc(READ, nr, argument.size);
const iow = (nr: number, argument: Sized): number => ioc(WRITE, nr, argument.size);
const iowr = (nr: number, argument: Sized): number => ioc(READ | WRITE, nr, argument.size);

/** Every KVM call used, by the header's name, so that a failure can name it. */
export const ioctls = {
  // The system: /dev/kvm
  KVM_GET_API_VERSION: io(0x00),
  KVM_CREATE_VM: io(0x01),
  KVM_GET_MSR_INDEX_LIST: iowr(0x02, kvmMsrList),
  KVM_CHECK_EXTENSION: io(0x03),
  KVM_GET_VCPU_MMAP_SIZE: io(0x04),
  KVM_GET_SUPPORTED_CPUID: iowr(0x05, kvmCpuid2),
  KVM_GET_MSR_FEATURE_INDEX_LIST: iowr(0x0a, kvmMsrList),
  // A VM
  KVM_CREATE_VCPU: io(0x41),
  KVM_GET_DIRTY_LOG: iow(0x42, kvmDirtyLog),
  KVM_SET_USER_MEMORY_REGION: iow(0x46, kvmUserspaceMemoryRegion),
  KVM_SET_TSS_ADDR: io(0x47),
  KVM_SET_IDENTITY_MAP_ADDR: iow(0x48, U64),
  KVM_CREATE_IRQCHIP: io(0x60),
  KVM_IRQ_LINE: iow(0x61, kvmIrqLevel),
  KVM_GET_IRQCHIP: iowr(0x62, kvmIrqchip),
  KVM_SET_IRQCHIP: ior(0x63, kvmIrqchip),
  KVM_REGISTER_COALESCED_MMIO: iow(0x67, kvmCoalescedMmioZone),
  KVM_UNREGISTER_COALESCED_MMIO: iow(0x68, kvmCoalescedMmioZone),
  KVM_SET_GSI_ROUTING: iow(0x6a, kvmIrqRouting),
  KVM_IRQFD: iow(0x76, kvmIrqfd),
  KVM_CREATE_PIT2: iow(0x77, kvmPitConfig),
  KVM_SET_BOOT_CPU_ID: io(0x78),
  KVM_IOEVENTFD: iow(0x79, kvmIoeventfd),
  KVM_SET_CLOCK: iow(0x7b, kvmClockData),
  KVM_GET_CLOCK: ior(0x7c, kvmClockData),
  KVM_GET_PIT2: ior(0x9f, kvmPitState2),
  KVM_SET_PIT2: iow(0xa0, kvmPitState2),
  KVM_SIGNAL_MSI: iow(0xa5, kvmMsi),
  KVM_CLEAR_DIRTY_LOG: iowr(0xc0, kvmClearDirtyLog),
  KVM_RESET_DIRTY_RINGS: io(0xc7),
  // A vCPU; KVM_ENABLE_CAP, KVM_CHECK_EXTENSION and KVM_GET_STATS_FD are for a VM too
  KVM_RUN: io(0x80),
  KVM_GET_REGS: ior(0x81, kvmRegs),
  KVM_SET_REGS: iow(0x82, kvmRegs),
  KVM_GET_SREGS: ior(0x83, kvmSregs),
  KVM_SET_SREGS: iow(0x84, kvmSregs),
  KVM_TRANSLATE: iowr(0x85, kvmTranslation),
  KVM_INTERRUPT: iow(0x86, kvmInterrupt),
  KVM_GET_MSRS: iowr(0x88, kvmMsrs),
  KVM_SET_MSRS: iow(0x89, kvmMsrs),
  KVM_SET_SIGNAL_MASK: iow(0x8b, kvmSignalMask),
  KVM_GET_FPU: ior(0x8c, kvmFpu),
  KVM_SET_FPU: iow(0x8d, kvmFpu),
  KVM_GET_LAPIC: ior(0x8e, kvmLapicState),
  KVM_SET_LAPIC: iow(0x8f, kvmLapicState),
  KVM_SET_CPUID2: iow(0x90, kvmCpuid2),
  KVM_GET_CPUID2: iowr(0x91, kvmCpuid2),
  KVM_GET_MP_STATE: ior(0x98, kvmMpState),
  KVM_SET_MP_STATE: iow(0x99, kvmMpState),
  KVM_NMI: io(0x9a),
  KVM_SET_GUEST_DEBUG: iow(0x9b, kvmGuestDebug),
  KVM_GET_VCPU_EVENTS: ior(0x9f, kvmVcpuEvents),
  KVM_SET_VCPU_EVENTS: iow(0xa0, kvmVcpuEvents),
  KVM_GET_DEBUGREGS: ior(0xa1, kvmDebugregs),
  KVM_SET_DEBUGREGS: iow(0xa2, kvmDebugregs),
  KVM_SET_TSC_KHZ: io(0xa2),
  KVM_GET_TSC_KHZ: io(0xa3),
  KVM_ENABLE_CAP: iow(0xa3, kvmEnableCap),
  KVM_GET_XSAVE: ior(0xa4, kvmXsave),
  KVM_SET_XSAVE: iow(0xa5, kvmXsave),
  KVM_GET_XCRS: ior(0xa6, kvmXcrs),
  KVM_SET_XCRS: iow(0xa7, kvmXcrs),
  KVM_KVMCLOCK_CTRL: io(0xad),
  KVM_GET_STATS_FD: io(0xce),
  KVM_GET_XSAVE2: ior(0xcf, kvmXsave),
  KVM_SET_DEVICE_ATTR: iow(0xe1, kvmDeviceAttr),
  KVM_GET_DEVICE_ATTR: iow(0xe2, kvmDeviceAttr),
  KVM_HAS_DEVICE_ATTR: iow(0xe3, kvmDeviceAttr),
} as const;

export type IoctlName = keyof typeof ioctls;
