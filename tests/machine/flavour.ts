import { accessSync, constants, existsSync } from 'node:fs';

/** Where a case that needs a KVM can run: this machine's own, or a nested host's. */
export const FLAVOURS = ['local', 'svm', 'vtx'] as const;
export type Flavour = (typeof FLAVOURS)[number];

export type LocalKvm =
  | { readonly usable: true; readonly module: string }
  | { readonly usable: false; readonly why: string };

/** The /dev/kvm of this machine: which module is behind it, or why it is of no use. */
export function localKvm(): LocalKvm {
  if (!existsSync('/dev/kvm')) return { usable: false, why: 'no /dev/kvm on this machine' };
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { usable: false, why: '/dev/kvm may not be opened by this user' };
  }
  const module = ['kvm_intel', 'kvm_amd', 'kvm_pvm'].find((name) => existsSync(`/sys/module/${name}`));
  return { usable: true, module: module ?? 'unknown module' };
}
