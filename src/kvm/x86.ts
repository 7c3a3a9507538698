/** Bits of the registers that say in which mode a vCPU is (SDM volume 3, 2.5 and 2.2.1; volume 1, 3.4.3). */
export const CR0_PE = 1n << 0n;
export const CR0_ET = 1n << 4n;
export const CR0_WP = 1n << 16n;
export const CR0_PG = 1n << 31n;

export const CR4_PSE = 1n << 4n;
export const CR4_PAE = 1n << 5n;
export const CR4_LA57 = 1n << 12n;
export const CR4_SMEP = 1n << 20n;
export const CR4_SMAP = 1n << 21n;

export const EFER_LME = 1n << 8n;
export const EFER_LMA = 1n << 10n;
export const EFER_NXE = 1n << 11n;

/** Always set. */
export const RFLAGS_RESERVED = 1n << 1n;
export const RFLAGS_IF = 1n << 9n;
/** With CR4.SMAP: alignment checks, which it names, are of ring 3. */
export const RFLAGS_AC = 1n << 18n;
/** Virtual-8086 mode. */
export const RFLAGS_VM = 1n << 17n;
