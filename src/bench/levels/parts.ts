/**
 * What the program of `vmlaunch bench levels` does (guest-images/levels/), by the same definitions once more: from them
 * comes what the checksum of a count must be.
 */
import { VmError } from '../../errors.js';
import { workloadNamed } from '../workloads.js';

export const PART_NAMES = ['cpu', 'calls', 'files'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** Java counts in 31 bits. */
export const MOST_COUNT = 2 ** 31 - 1;

const FIRST = 1;
const mix = (sum: number, value: number): number => (Math.imul(sum, 31) + value) | 0;
const BLOCK_WORDS = 1024;
const FILE_BLOCKS = 256;

/** The file at the end: each block begins with the number of the last one that was written there. */
function files(count: number): number {
  let sum = FIRST;
  for (let block = 0; block < Math.min(count, FILE_BLOCKS); block++) {
    const last = block + FILE_BLOCKS * Math.floor((count - 1 - block) / FILE_BLOCKS);
    for (let word = 0; word < BLOCK_WORDS; word++) sum = mix(sum, word === 0 ? last : word);
  }
  return sum >>> 0;
}

/** The loops of `bench` itself. */
function ofWorkload(name: string): (count: number) => number {
  const workload = workloadNamed(name);
  if (workload === undefined) throw new VmError('BUG', `there is no workload ${name}`);
  return workload.checksum;
}

const CHECKSUMS: Readonly<Record<PartName, (count: number) => number>> = {
  cpu: ofWorkload('cpu.integer'),
  calls: ofWorkload('cpu.system-calls'),
  files,
};

/** The last ones, which are asked for in every round: those of millions of iterations take time. */
const known = new Map<string, string>();
const MOST_KNOWN = 64;

/** What the program must print for so many iterations: eight hexadecimal digits. */
export function checksumOf(part: PartName, count: number): string {
  const key = `${part} ${count}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const checksum = CHECKSUMS[part](count).toString(16).padStart(8, '0');
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, checksum);
  return checksum;
}
