/** The columns of `vmlaunch bench memory`: how KVM translates a guest's addresses, and what is behind its memory. */
import type { LocalFlavour } from '../../kvm/flavour.js';

export interface MemoryColumn {
  /** "EPT 4 KiB" */
  readonly name: string;
  readonly hugePages: 'none' | 'transparent';
  /** Why the KVM that is here cannot do it; undefined where it can, or where there is none. */
  readonly missing: string | undefined;
}

const BACKINGS = [
  { size: '4 KiB', hugePages: 'none' },
  { size: '2 MiB', hugePages: 'transparent' },
] as const;
const SHADOW = 'shadow';
const NO_LARGE = "this host's kernel gives no transparent huge pages";

/**
 * All four, in the order of the table: a module of KVM has one of the two ways from when it is loaded on.
 * @param isLargeHad whether the host gives transparent huge pages
 */
export function memoryColumns(kvm: Pick<LocalFlavour, 'flavour' | 'parameters'>, isLargeHad: boolean): MemoryColumn[] {
  const twoLevels = kvm.flavour === 'kvm_amd' ? 'NPT' : 'EPT';
  return [twoLevels, SHADOW].flatMap((paging) =>
    BACKINGS.map(({ size, hugePages }) => ({
      name: `${paging} ${size}`,
      hugePages,
      missing: whyMissing(paging, twoLevels, kvm) ?? (hugePages === 'none' || isLargeHad ? undefined : NO_LARGE),
    })),
  );
}

function whyMissing(
  paging: string,
  twoLevels: string,
  { flavour, parameters }: Pick<LocalFlavour, 'flavour' | 'parameters'>,
): string | undefined {
  if (flavour === 'none') return undefined;
  if (flavour === 'kvm_pvm') return paging === SHADOW ? undefined : 'kvm_pvm has shadow paging alone';
  const parameter = twoLevels.toLowerCase();
  const value = parameters[parameter];
  if (value !== 'Y' && value !== 'N') return `this KVM does not say whether it uses ${twoLevels}`;
  const isShadow = value === 'N';
  if (isShadow === (paging === SHADOW)) return undefined;
  return `${flavour} was loaded with ${parameter}=${isShadow ? 0 : 1}, and has this with ${parameter}=${isShadow ? 1 : 0}`;
}
