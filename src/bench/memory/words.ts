/** What `vmlaunch bench memory` shows, in sentences. */
import type { BenchEngine, BenchResult } from '../result.js';

const WORDS = [
  'EPT (Intel) and NPT (AMD) are a second set of page tables, which the processor walks by itself: from guest-physical ' +
    'addresses to the host’s. Shadow paging does without: KVM keeps tables that lead from the guest’s linear addresses ' +
    'straight to the host’s, and changes them as the guest changes its own.',
  'first-touch: either way a page that nobody has touched is a fault, for which KVM gets memory from the host. With 2 MiB ' +
    'behind it, that is one for 512 pages.',
  'churn: with EPT or NPT the guest changes its tables without an exit. With shadow paging INVLPG is an exit, what was ' +
    'changed has to be found, and the access faults. That is what EPT saves.',
  'stride: a miss of the TLB costs up to 4 references to memory with shadow paging, and up to 24 with EPT or NPT, as each ' +
    'address in the guest’s tables is walked too: 5 walks of 4, and the 4 entries. That is what EPT costs; 2 MiB behind it ' +
    'makes those walks one shorter, and they take less of the TLB.',
];
const COUNTED =
  'On the host vtx a clock counts instructions, which miss no TLB: stride and re-touch show nothing there.';
const INTERPRETED =
  '! kvm_pvm interprets a guest in ring 0, which this one is, instruction by instruction, and maps no page for it: its ' +
  'figures are the interpreter’s.';

/** A paragraph each; what is to be known before the figures are believed begins with "!". */
export function memoryWords({ host, unit, engines }: BenchResult): string[] {
  return [
    ...WORDS,
    ...(unit === 'instructions' ? [COUNTED] : []),
    ...(host.kind === 'local' ? [] : [`The two ways of paging are of two hosts ${host.kind}, one after the other.`]),
    ...(host.flavour === 'kvm_pvm' ? [INTERPRETED] : engines.filter(hasNoLargePage).map(smallToo)),
  ];
}

const LARGE = '2 MiB';
const smallToo = ({ name }: BenchEngine): string => `! ${name}: KVM mapped no page of 2 MiB, so it is 4 KiB too.`;

function hasNoLargePage({ name, counters }: BenchEngine): boolean {
  return (
    name.endsWith(LARGE) &&
    counters !== undefined &&
    Object.values(counters).every(({ pages_2m = 0 }) => pages_2m === 0)
  );
}
