import assert from 'node:assert/strict';
import type { Vcpu } from '../../dist/kvm/vcpu.js';
import { CR4_LA57 } from '../../dist/kvm/x86.js';
import type { TableMode } from './random-tables.js';

export const isLong = (mode: TableMode): boolean => mode === '4-level' || mode === '5-level';

/** CPUID.(EAX=7,ECX=0):ECX.LA57 (SDM volume 2A, CPUID). */
const offersLa57 = (vcpu: Vcpu): boolean =>
  vcpu.getCpuid2().some(({ function: leaf, index, ecx }) => leaf === 7 && index === 0 && (ecx & (1 << 16)) !== 0);

/** Whether no guest can have this mode here, which is said aloud: KVM refuses it then. @param module KVM's */
export function isRefused(mode: TableMode, vcpu: Vcpu, module: string): boolean {
  if (mode !== '5-level' || offersLa57(vcpu)) return false;
  console.error(`5-level paging: ${module} offers no LA57 here, so no guest tried it`);
  const sregs = vcpu.getSregs();
  assert.throws(() => vcpu.setSregs({ ...sregs, cr4: sregs.cr4 | CR4_LA57 }), /KVM_SET_SREGS failed: EINVAL/);
  return true;
}
