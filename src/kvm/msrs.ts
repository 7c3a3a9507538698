/** Model-specific registers by number (Intel SDM volume 4; KVM's own: abi/para.ts). */
export const IA32_TSC = 0x10;
export const IA32_APIC_BASE = 0x1b;
export const IA32_FEATURE_CONTROL = 0x3a;
export const IA32_TSC_ADJUST = 0x3b;
export const IA32_SPEC_CTRL = 0x48;
export const IA32_BIOS_SIGN_ID = 0x8b;
export const IA32_SMBASE = 0x9e;
export const IA32_MTRRCAP = 0xfe;
export const IA32_ARCH_CAPABILITIES = 0x10a;
export const IA32_SYSENTER_CS = 0x174;
export const IA32_SYSENTER_ESP = 0x175;
export const IA32_SYSENTER_EIP = 0x176;
export const IA32_MCG_CAP = 0x179;
export const IA32_MCG_STATUS = 0x17a;
export const IA32_MISC_ENABLE = 0x1a0;
export const IA32_MTRR_PHYSBASE0 = 0x200;
export const IA32_MTRR_PHYSMASK0 = 0x201;
export const IA32_MTRR_FIX64K_00000 = 0x250;
export const IA32_PAT = 0x277;
export const IA32_MTRR_DEF_TYPE = 0x2ff;
export const IA32_TSC_DEADLINE = 0x6e0;
export const IA32_XSS = 0xda0;
export const IA32_EFER = 0xc0000080;
export const IA32_STAR = 0xc0000081;
export const IA32_LSTAR = 0xc0000082;
export const IA32_CSTAR = 0xc0000083;
export const IA32_FMASK = 0xc0000084;
export const IA32_FS_BASE = 0xc0000100;
export const IA32_GS_BASE = 0xc0000101;
export const IA32_KERNEL_GS_BASE = 0xc0000102;
export const IA32_TSC_AUX = 0xc0000103;

/** IA32_MISC_ENABLE: fast string operations, as firmware leaves them. */
export const MISC_ENABLE_FAST_STRING = 1n << 0n;
/** IA32_MTRR_DEF_TYPE: MTRRs on. With type 6, write-back, below it: all memory is cacheable. */
export const MTRR_DEF_TYPE_ENABLE = 1n << 11n;
export const MTRR_TYPE_WRITE_BACK = 6n;
/** IA32_APIC_BASE: this is the bootstrap processor. */
export const APIC_BASE_BSP = 1n << 8n;
/** IA32_APIC_BASE: x2APIC mode; the APIC is on. */
export const APIC_BASE_X2APIC_ENABLE = 1n << 10n;
export const APIC_BASE_ENABLE = 1n << 11n;
