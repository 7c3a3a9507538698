/** Control registers decoded into the manual's names of their bits. */
import { RFLAGS_RESERVED } from '../kvm/x86.js';

type Bits = Readonly<Record<number, string>>;

/** SDM volume 3, 2.5. */
const CR0: Bits = {
  0: 'PE',
  1: 'MP',
  2: 'EM',
  3: 'TS',
  4: 'ET',
  5: 'NE',
  16: 'WP',
  18: 'AM',
  29: 'NW',
  30: 'CD',
  31: 'PG',
};

/** SDM volume 3, 2.5. */
const CR4: Bits = {
  0: 'VME',
  1: 'PVI',
  2: 'TSD',
  3: 'DE',
  4: 'PSE',
  5: 'PAE',
  6: 'MCE',
  7: 'PGE',
  8: 'PCE',
  9: 'OSFXSR',
  10: 'OSXMMEXCPT',
  11: 'UMIP',
  12: 'LA57',
  13: 'VMXE',
  14: 'SMXE',
  16: 'FSGSBASE',
  17: 'PCIDE',
  18: 'OSXSAVE',
  19: 'KL',
  20: 'SMEP',
  21: 'SMAP',
  22: 'PKE',
  23: 'CET',
  24: 'PKS',
  25: 'UINTR',
};

/** SDM volume 3, 2.2.1; from SVME on: APM volume 2, 3.1.7. */
const EFER: Bits = {
  0: 'SCE',
  8: 'LME',
  10: 'LMA',
  11: 'NXE',
  12: 'SVME',
  13: 'LMSLE',
  14: 'FFXSR',
  15: 'TCE',
  17: 'MCOMMIT',
  18: 'INTWB',
  20: 'UAIE',
  21: 'AIBRSE',
};

/** SDM volume 1, 3.4.3. Bit 1 is always set, and has no name. IOPL: see `flagsOf`. */
const RFLAGS: Bits = {
  0: 'CF',
  2: 'PF',
  4: 'AF',
  6: 'ZF',
  7: 'SF',
  8: 'TF',
  9: 'IF',
  10: 'DF',
  11: 'OF',
  14: 'NT',
  16: 'RF',
  17: 'VM',
  18: 'AC',
  19: 'VIF',
  20: 'VIP',
  21: 'ID',
};
const RFLAGS_IOPL_SHIFT = 12n;
const RFLAGS_IOPL = 3n << RFLAGS_IOPL_SHIFT;

const NAMES = { cr0: CR0, cr4: CR4, efer: EFER, rflags: RFLAGS } as const;

export type FlagRegister = keyof typeof NAMES;

/** The names of the bits that are set, lowest first; "bit 42" for one without a name, "IOPL=3" for that field. */
export function flagsOf(register: FlagRegister, value: bigint): string[] {
  const isRflags = register === 'rflags';
  const single = isRflags ? value & ~(RFLAGS_IOPL | RFLAGS_RESERVED) : value;
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((single >> BigInt(bit)) & 1n) === 1n) names.push(NAMES[register][bit] ?? `bit ${bit}`);
  }
  const iopl = isRflags ? (value & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT : 0n;
  return iopl === 0n ? names : [...names, `IOPL=${iopl}`];
}
