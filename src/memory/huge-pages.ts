/**
 * Pages of 2 MiB behind guest RAM. `transparent`: the host gives them as it can. A guest that will use much of its RAM
 * then makes a fault for each 2 MiB, where it would make one for each 4 KiB; one that touches a few pages waits for 2 MiB
 * of zeros each. `explicit`: from the host's pool (vm.nr_hugepages), all of them at once. `none`: never.
 */
export type HugePages = 'none' | 'transparent' | 'explicit';
export const HUGE_PAGES: readonly HugePages[] = ['none', 'transparent', 'explicit'];
