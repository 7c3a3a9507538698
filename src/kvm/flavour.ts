/** Which KVM this host has, from /sys and /proc: nothing is opened or changed, and nothing throws. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const MODULES = ['kvm_pvm', 'kvm_intel', 'kvm_amd'] as const;
type Module = (typeof MODULES)[number];

export interface LocalFlavour {
  /** 'none': no /dev/kvm. 'unknown': /dev/kvm, but none of the modules known here. */
  readonly flavour: Module | 'none' | 'unknown';
  /** The module's parameters and those of `kvm`, by name ("ept": "Y"). */
  readonly parameters: Readonly<Record<string, string>>;
  /** What the CPU says of itself in /proc/cpuinfo; empty where that cannot be read. */
  readonly cpu: { readonly vendor: string; readonly vmx: boolean; readonly svm: boolean };
}

/** @param root where to look in place of "/", for tests */
export function localFlavour(root = '/'): LocalFlavour {
  const module = pickModule(root);
  const parameters = { ...readParameters(root, 'kvm'), ...(module && readParameters(root, module)) };
  return { flavour: flavourName(root), parameters, cpu: readCpu(root) };
}

/** `localFlavour().flavour` alone: the rest takes milliseconds to read. */
export function flavourName(root = '/'): LocalFlavour['flavour'] {
  if (!existsSync(join(root, 'dev/kvm'))) return 'none';
  return pickModule(root) ?? 'unknown';
}

/** Both vendors' modules may be built into a kernel; the one that matches the CPU works. */
function pickModule(root: string): Module | undefined {
  const present = MODULES.filter((name) => existsSync(join(root, 'sys/module', name)));
  if (present.length <= 1) return present[0];
  const cpu = readCpu(root);
  if (cpu.vmx && present.includes('kvm_intel')) return 'kvm_intel';
  if (cpu.svm && present.includes('kvm_amd')) return 'kvm_amd';
  return present[0];
}

function readCpu(root: string): LocalFlavour['cpu'] {
  const text = readText(join(root, 'proc/cpuinfo'));
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  const flags = field('flags').split(/\s+/);
  return { vendor: field('vendor_id'), vmx: flags.includes('vmx'), svm: flags.includes('svm') };
}

function readParameters(root: string, module: string): Record<string, string> {
  const directory = join(root, 'sys/module', module, 'parameters');
  return Object.fromEntries(names(directory).map((name) => [name, readText(join(directory, name)).trim()]));
}

/** Some parameters are root's alone: an empty text stands for what cannot be read. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** The software host that this runs in: its kernel's command line says so. Undefined on any other machine. */
export function softwareHost(root = '/'): 'svm' | 'vtx' | undefined {
  const kind = /(?:^|\s)vmlaunch\.host=(svm|vtx)(?:\s|$)/.exec(readText(join(root, 'proc/cmdline')))?.[1];
  return kind === 'svm' || kind === 'vtx' ? kind : undefined;
}
