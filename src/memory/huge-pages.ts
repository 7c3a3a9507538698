import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Pages of 2 MiB behind guest RAM. `transparent`: the host gives them as it can. A guest that will use much of its RAM
 * then makes a fault for each 2 MiB, where it would make one for each 4 KiB; one that touches a few pages waits for 2 MiB
 * of zeros each. `explicit`: from the host's pool (vm.nr_hugepages), all of them at once. `none`: never.
 */
export type HugePages = 'none' | 'transparent' | 'explicit';
export const HUGE_PAGES: readonly HugePages[] = ['none', 'transparent', 'explicit'];

/**
 * Whether this host's kernel gives transparent ones to who asks. Linux turns them off by itself where it has less than
 * 512 MiB (hugepage_init).
 * @param root where to look in place of "/", for tests
 */
export function hasTransparentHugePages(root = '/'): boolean {
  try {
    return /\[(always|madvise)\]/.test(readFileSync(join(root, TRANSPARENT), 'utf8'));
  } catch {
    return false; // a kernel that has none
  }
}

const TRANSPARENT = 'sys/kernel/mm/transparent_hugepage/enabled';
