import { accessSync, constants } from 'node:fs';
import { flavourName } from '../kvm/flavour.js';

export const HOSTS = ['auto', 'local', 'svm', 'vtx'] as const;
export type HostName = (typeof HOSTS)[number];
export type ChosenHost = Exclude<HostName, 'auto'>;

/**
 * The host for a guest: as asked, else the local KVM where it can run the guest, else `other`; says which and why.
 * @param isLinux whether VT-x or SVM is needed, for `what`
 */
export function chooseHost(
  asked: HostName,
  isLinux: boolean,
  other: 'svm' | 'vtx' = 'svm',
  what = 'run Linux',
): { readonly host: ChosenHost; readonly why: string } {
  if (asked !== 'auto') return { host: asked, why: 'as asked' };
  const flavour = flavourName();
  if (flavour === 'none') return { host: other, why: 'there is no /dev/kvm here' };
  if (!mayOpen('/dev/kvm')) return { host: other, why: '/dev/kvm may not be opened by this user' };
  if (flavour === 'kvm_intel' || flavour === 'kvm_amd') return { host: 'local', why: `${flavour} is here` };
  if (isLinux) return { host: other, why: `the local KVM (${flavour}) cannot ${what}` };
  return { host: 'local', why: `${flavour} is here` };
}

/** Whether a guest, whatever it is, runs on the local KVM: without looking at it. */
export function isSurelyLocal(asked: HostName): boolean {
  return chooseHost(asked, true).host === 'local';
}

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
