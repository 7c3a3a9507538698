import assert from 'node:assert/strict';
import type { Vcpu } from '../../dist/kvm/vcpu.js';
import { CR4_LA57 } from '../../dist/kvm/x86.js';
import type { TableMode } from './random-tables.js';

export const isLong = (mode: TableMode): boolean => mode === '4-level' || mode === '5-level';

/** What CPUID.(EAX=7,ECX=0) says of paging (SDM volume 2A, CPUID). */
export function featuresOf(vcpu: Vcpu): { readonly smep: boolean; readonly smap: boolean; readonly la57: boolean } {
  const leaf = vcpu.getCpuid2().find(({ function: number, index }) => number === 7 && index === 0);
  const { ebx, ecx } = leaf ?? { ebx: 0, ecx: 0 };
  return { smep: (ebx & (1 << 7)) !== 0, smap: (ebx & (1 << 20)) !== 0, la57: (ecx & (1 << 16)) !== 0 };
}

/** Whether no guest can have this mode here, which is said aloud: KVM refuses it then. @param module KVM's */
export function isRefused(mode: TableMode, vcpu: Vcpu, module: string): boolean {
  if (mode !== '5-level' || featuresOf(vcpu).la57) return false;
  console.error(`5-level paging: ${module} offers no LA57 here, so no guest tried it`);
  const sregs = vcpu.getSregs();
  assert.throws(() => vcpu.setSregs({ ...sregs, cr4: sregs.cr4 | CR4_LA57 }), /KVM_SET_SREGS failed: EINVAL/);
  return true;
}
