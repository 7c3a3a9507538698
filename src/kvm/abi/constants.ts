/** Constants of <linux/kvm.h> and <asm/kvm.h>, other than calls, capabilities and exits. */
export const KVM_API_VERSION = 12;

/** Pages of a vCPU's mapping, from its start. */
export const KVM_DIRTY_LOG_PAGE_OFFSET = 64;
export const KVM_PIO_PAGE_OFFSET = 1;
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 2;

/** kvm_userspace_memory_region.flags */
export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;

/** kvm_mp_state.mp_state */
export const KVM_MP_STATE_RUNNABLE = 0;
export const KVM_MP_STATE_UNINITIALIZED = 1;
export const KVM_MP_STATE_INIT_RECEIVED = 2;
export const KVM_MP_STATE_HALTED = 3;
export const KVM_MP_STATE_SIPI_RECEIVED = 4;
export const KVM_MP_STATE_STOPPED = 5;
export const KVM_MP_STATE_CHECK_STOP = 6;
export const KVM_MP_STATE_OPERATING = 7;
export const KVM_MP_STATE_LOAD = 8;
export const KVM_MP_STATE_AP_RESET_HOLD = 9;
export const KVM_MP_STATE_SUSPENDED = 10;

/** kvm_irqchip.chip_id */
export const KVM_IRQCHIP_PIC_MASTER = 0;
export const KVM_IRQCHIP_PIC_SLAVE = 1;
export const KVM_IRQCHIP_IOAPIC = 2;

/** kvm_irq_routing_entry.type */
export const KVM_IRQ_ROUTING_IRQCHIP = 1;
export const KVM_IRQ_ROUTING_MSI = 2;

/** kvm_irqfd.flags */
export const KVM_IRQFD_FLAG_DEASSIGN = 1;
export const KVM_IRQFD_FLAG_RESAMPLE = 2;

/** kvm_ioeventfd.flags */
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1;
export const KVM_IOEVENTFD_FLAG_PIO = 2;
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4;

/** kvm_msi.flags */
export const KVM_MSI_VALID_DEVID = 1;

/** kvm_pit_config.flags; kvm_pit_state2.flags */
export const KVM_PIT_SPEAKER_DUMMY = 1;
export const KVM_PIT_FLAGS_SPEAKER_DATA_ON = 2;

/** kvm_clock_data.flags */
export const KVM_CLOCK_TSC_STABLE = 0x2;
export const KVM_CLOCK_REALTIME = 0x4;
export const KVM_CLOCK_HOST_TSC = 0x8;

/** kvm_guest_debug.control */
export const KVM_GUESTDBG_ENABLE = 0x1;
export const KVM_GUESTDBG_SINGLESTEP = 0x2;
export const KVM_GUESTDBG_USE_SW_BP = 0x10000;
export const KVM_GUESTDBG_USE_HW_BP = 0x20000;
export const KVM_GUESTDBG_INJECT_DB = 0x40000;
export const KVM_GUESTDBG_INJECT_BP = 0x80000;
export const KVM_GUESTDBG_BLOCKIRQ = 0x100000;

/** kvm_vcpu_events.flags */
export const KVM_VCPUEVENT_VALID_NMI_PENDING = 0x1;
export const KVM_VCPUEVENT_VALID_SIPI_VECTOR = 0x2;
export const KVM_VCPUEVENT_VALID_SHADOW = 0x4;
export const KVM_VCPUEVENT_VALID_SMM = 0x8;
export const KVM_VCPUEVENT_VALID_PAYLOAD = 0x10;
export const KVM_VCPUEVENT_VALID_TRIPLE_FAULT = 0x20;

/** kvm_vcpu_events.interrupt.shadow */
export const KVM_X86_SHADOW_INT_MOV_SS = 0x1;
export const KVM_X86_SHADOW_INT_STI = 0x2;

/** kvm_run.kvm_valid_regs and kvm_dirty_regs */
export const KVM_SYNC_X86_REGS = 0x1;
export const KVM_SYNC_X86_SREGS = 0x2;
export const KVM_SYNC_X86_EVENTS = 0x4;

/** kvm_cpuid_entry2.flags */
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1;

/** The device attribute of a vCPU that holds what is added to the host's TSC */
export const KVM_VCPU_TSC_CTRL = 0;
export const KVM_VCPU_TSC_OFFSET = 0;

/** The argument of KVM_CAP_DISABLE_QUIRKS2 */
export const KVM_X86_QUIRK_LINT0_REENABLED = 0x1;
export const KVM_X86_QUIRK_CD_NW_CLEARED = 0x2;
export const KVM_X86_QUIRK_LAPIC_MMIO_HOLE = 0x4;
export const KVM_X86_QUIRK_OUT_7E_INC_RIP = 0x8;
export const KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT = 0x10;
export const KVM_X86_QUIRK_FIX_HYPERCALL_INSN = 0x20;
export const KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS = 0x40;

/** The argument of KVM_CAP_X86_DISABLE_EXITS */
export const KVM_X86_DISABLE_EXITS_MWAIT = 1;
export const KVM_X86_DISABLE_EXITS_HLT = 2;
export const KVM_X86_DISABLE_EXITS_PAUSE = 4;
export const KVM_X86_DISABLE_EXITS_CSTATE = 8;

/** The argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
export const KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1;
export const KVM_DIRTY_LOG_INITIALLY_SET = 2;

/** kvm_stats_desc.flags: type in bits 0-3, unit in bits 4-7, base of the exponent in bits 8-11. */
export const KVM_STATS_TYPE_CUMULATIVE = 0x0;
export const KVM_STATS_TYPE_INSTANT = 0x1;
export const KVM_STATS_TYPE_PEAK = 0x2;
export const KVM_STATS_TYPE_LINEAR_HIST = 0x3;
export const KVM_STATS_TYPE_LOG_HIST = 0x4;
export const KVM_STATS_UNIT_NONE = 0x0;
export const KVM_STATS_UNIT_BYTES = 0x10;
export const KVM_STATS_UNIT_SECONDS = 0x20;
export const KVM_STATS_UNIT_CYCLES = 0x30;
export const KVM_STATS_UNIT_BOOLEAN = 0x40;
export const KVM_STATS_BASE_POW10 = 0x0;
export const KVM_STATS_BASE_POW2 = 0x100;
