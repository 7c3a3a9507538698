import type { BenchHost } from './result.js';

/** The kernel's files about itself; undefined, or no names, where there is no such file or it may not be read. */
export interface HostFiles {
  read(path: string): string | undefined;
  names(directory: string): readonly string[];
}

export type HostDescription = Omit<BenchHost, 'load'>;

const CPUS = '/sys/devices/system/cpu';
const VULNERABILITIES = `${CPUS}/vulnerabilities`;

/** What of a machine makes times longer or shorter. @param where what runs it, and its KVM module */
export function describeHost(files: HostFiles, where: Pick<BenchHost, 'kind' | 'flavour'>): HostDescription {
  const cpuinfo = files.read('/proc/cpuinfo') ?? '';
  const text = (path: string): string => files.read(path)?.trim() ?? '';
  const mitigations = files.names(VULNERABILITIES).map((name) => [name, text(`${VULNERABILITIES}/${name}`)] as const);
  return {
    ...where,
    processor: /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1]?.trim() ?? '',
    cpus: cpuinfo.match(/^processor\s*:/gm)?.length ?? 0,
    kernel: text('/proc/sys/kernel/osrelease'),
    mitigations: Object.fromEntries(mitigations),
    governor: governorOf(files),
  };
}

/** Those of all processors, each once. */
function governorOf(files: HostFiles): string | null {
  const governors = files
    .names(CPUS)
    .filter((name) => /^cpu\d+$/.test(name))
    .flatMap((name) => files.read(`${CPUS}/${name}/cpufreq/scaling_governor`)?.trim() ?? []);
  return governors.length === 0 ? null : [...new Set(governors)].join(', ');
}

/** Programs that want to run, over the last minute. */
export function loadOf(files: HostFiles): number | null {
  const [load = ''] = (files.read('/proc/loadavg') ?? '').split(' ');
  return /^\d+(\.\d+)?$/.test(load) ? Number(load) : null;
}
