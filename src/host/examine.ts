import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, VmError } from '../errors.js';
import {
  KVM_CAP_BINARY_STATS_FD,
  KVM_CAP_EXT_CPUID,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_IRQCHIP,
  KVM_CAP_MP_STATE,
  KVM_CAP_PIT2,
  KVM_CAP_SET_IDENTITY_MAP_ADDR,
  KVM_CAP_SET_TSS_ADDR,
  KVM_CAP_TSC_DEADLINE_TIMER,
  KVM_CAP_USER_MEMORY,
  KVM_CAP_XSAVE2,
} from '../kvm/abi/capabilities.js';
import { type LocalFlavour, localFlavour } from '../kvm/flavour.js';
import { HOST_KINDS, type HostKind } from './kind.js';
import { type HostState, hostState } from './prepare.js';

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  /** `note`: nothing is wrong, or it cannot be told from here. */
  readonly state: 'ok' | 'note' | 'fault';
  /** What was seen. */
  readonly seen: string;
  /** What to type or do; of a fault never empty, else always. */
  readonly mend: string;
}

export interface Examination {
  readonly flavour: LocalFlavour['flavour'];
  /** Whether the local KVM makes VMs and has every capability that a guest needs. */
  readonly localUsable: boolean;
  /** The nested hosts that are prepared. */
  readonly hostsReady: readonly HostKind[];
  readonly findings: readonly Finding[];
}

/** What the examination needs of an open /dev/kvm. */
export interface OpenKvm {
  checkExtension(capability: number): number;
  createVm(): { close(): void };
  close(): void;
}

/** What is examined; tests put their own in place. */
export interface Surroundings {
  /** Where to look in place of "/". */
  readonly root: string;
  readonly loadKvm: () => Promise<{ open(path: string): OpenKvm }>;
  readonly hostState: (kind: HostKind) => HostState;
}

const THIS_MACHINE: Surroundings = {
  root: '/',
  // Not before it is asked for: an addon that is not built is a finding, not a crash.
  loadKvm: async () => (await import('../kvm/kvm.js')).Kvm,
  hostState,
};

interface Capability {
  readonly name: string;
  readonly number: number;
  /** Without it no guest runs. */
  readonly needed: boolean;
  /** What is lost without it. */
  readonly lost: string;
}

/** The capabilities that are used. */
export const CAPABILITIES: readonly Capability[] = [
  { name: 'KVM_CAP_USER_MEMORY', number: KVM_CAP_USER_MEMORY, needed: true, lost: 'no guest can have memory' },
  { name: 'KVM_CAP_IRQCHIP', number: KVM_CAP_IRQCHIP, needed: true, lost: 'no guest can have interrupts' },
  { name: 'KVM_CAP_PIT2', number: KVM_CAP_PIT2, needed: true, lost: 'no guest can have the timer that it boots with' },
  {
    name: 'KVM_CAP_SET_TSS_ADDR',
    number: KVM_CAP_SET_TSS_ADDR,
    needed: true,
    lost: 'no guest can be laid out on VT-x',
  },
  {
    name: 'KVM_CAP_SET_IDENTITY_MAP_ADDR',
    number: KVM_CAP_SET_IDENTITY_MAP_ADDR,
    needed: true,
    lost: 'no guest can be laid out on VT-x',
  },
  {
    name: 'KVM_CAP_EXT_CPUID',
    number: KVM_CAP_EXT_CPUID,
    needed: true,
    lost: 'no guest can be told its CPU’s features',
  },
  {
    name: 'KVM_CAP_MP_STATE',
    number: KVM_CAP_MP_STATE,
    needed: true,
    lost: 'a guest that halts for ever is not noticed',
  },
  {
    name: 'KVM_CAP_IMMEDIATE_EXIT',
    number: KVM_CAP_IMMEDIATE_EXIT,
    needed: true,
    lost: 'a guest that runs cannot be stopped reliably',
  },
  {
    name: 'KVM_CAP_TSC_DEADLINE_TIMER',
    number: KVM_CAP_TSC_DEADLINE_TIMER,
    needed: false,
    lost: 'guests use a slower timer',
  },
  {
    name: 'KVM_CAP_BINARY_STATS_FD',
    number: KVM_CAP_BINARY_STATS_FD,
    needed: false,
    lost: "--stats lacks KVM's own counters",
  },
  { name: 'KVM_CAP_XSAVE2', number: KVM_CAP_XSAVE2, needed: false, lost: 'the state of AMX registers cannot be read' },
];

const NEWER_KERNEL = 'sudo apt-get install linux-image-amd64, then restart, for a newer kernel';
const NESTED_HOST = 'vmlaunch run --host svm (or vtx) needs no KVM';

const ok = (what: string, seen: string): Finding => ({ what, state: 'ok', seen, mend: '' });
const note = (what: string, seen: string): Finding => ({ what, state: 'note', seen, mend: '' });
const fault = (what: string, seen: string, mend: string): Finding => ({ what, state: 'fault', seen, mend });

/** Looks at this machine. Leaves nothing changed and never rejects: what cannot be looked at is a finding too. */
export async function examine(around: Surroundings = THIS_MACHINE): Promise<Examination> {
  const local = localFlavour(around.root);
  const findings = [
    ...attempt('CPU', () => [cpuFinding(local)]),
    ...attempt('KVM', () => [flavourFinding(local), ...moduleFindings(local)]),
  ];
  const device = local.flavour === 'none' ? [] : [deviceFinding(around.root)];
  const kvm = await examineKvm(around, local.flavour !== 'none');
  const hosts = HOST_KINDS.map((kind) => ({ kind, finding: hostFinding(kind, around) }));
  return {
    flavour: local.flavour,
    localUsable: kvm.usable,
    hostsReady: hosts.filter(({ finding }) => finding.state === 'ok').map(({ kind }) => kind),
    findings: [...findings, ...device, ...kvm.findings, ...hosts.map(({ finding }) => finding)],
  };
}

function attempt(what: string, look: () => Finding[], mend = 'See the message.'): Finding[] {
  try {
    return look();
  } catch (error) {
    return [failure(what, error, mend)];
  }
}

/** A failure's first line, with its own hint where it has one. */
function failure(what: string, error: unknown, mend: string): Finding {
  const hint = error instanceof VmError ? error.hint : '';
  return fault(what, messageOf(error).split('\n')[0] ?? '', hint === '' ? mend : hint);
}

function cpuFinding({ flavour, cpu }: LocalFlavour): Finding {
  const seen = `${cpu.vendor || 'unknown'}, VMX ${cpu.vmx ? 'yes' : 'no'}, SVM ${cpu.svm ? 'yes' : 'no'}`;
  if (cpu.vmx || cpu.svm) return ok('CPU', seen);
  if (flavour === 'kvm_pvm') return note('CPU', `${seen}; kvm_pvm needs neither`);
  return fault(
    'CPU',
    seen,
    `Switch on VT-x or SVM in the firmware, or nested virtualization where this is a VM. ${NESTED_HOST}.`,
  );
}

function flavourFinding({ flavour, cpu }: LocalFlavour): Finding {
  const what = '/dev/kvm';
  switch (flavour) {
    case 'kvm_intel':
    case 'kvm_amd':
      return ok(what, `is there, of ${flavour}`);
    case 'kvm_pvm':
      return fault(what, 'is there, of kvm_pvm, which runs flat images only', 'For Linux: vmlaunch run --host svm');
    case 'unknown':
      return note(what, 'is there, of a module not known here');
    case 'none':
      if (cpu.vmx) return fault(what, 'is not there', 'sudo modprobe kvm_intel');
      if (cpu.svm) return fault(what, 'is not there', 'sudo modprobe kvm_amd');
      return fault(what, 'is not there', `This CPU offers nothing to make it from. ${NESTED_HOST}.`);
  }
}

/** Nested paging, VPID and unrestricted guest, under the names that the module gives them. */
function moduleFindings({ flavour, parameters }: LocalFlavour): Finding[] {
  const parameter = (what: string, name: string) => parameterFinding(what, flavour, name, parameters[name]);
  switch (flavour) {
    case 'kvm_intel':
      return [
        parameter('EPT', 'ept'),
        parameter('VPID', 'vpid'),
        parameter('unrestricted guest', 'unrestricted_guest'),
      ];
    case 'kvm_amd':
      return [
        parameter('NPT', 'npt'),
        note('VPID', 'SVM has ASIDs in its place, which cannot be switched off'),
        note('unrestricted guest', 'SVM needs no such thing'),
      ];
    default: {
      const seen = flavour === 'kvm_pvm' ? 'kvm_pvm has none' : 'cannot be told without kvm_intel or kvm_amd';
      return ['EPT or NPT', 'VPID', 'unrestricted guest'].map((what) => note(what, seen));
    }
  }
}

function parameterFinding(what: string, module: string, name: string, value: string | undefined): Finding {
  if (value === undefined) return note(what, `${module} has no parameter ${name}`);
  if (value === '') return note(what, `${module}'s parameter ${name} cannot be read by this user`);
  if (value === 'Y' || value === '1') return ok(what, `${name}=${value}`);
  return fault(
    what,
    `${name}=${value}: guests are slower`,
    `sudo modprobe -r ${module} && sudo modprobe ${module} ${name}=1 (it stays off where the CPU lacks it)`,
  );
}

/** Whether this user may open the device: told without the addon. */
function deviceFinding(root: string): Finding {
  const what = 'opening /dev/kvm';
  try {
    closeSync(openSync(join(root, 'dev/kvm'), constants.O_RDWR));
    return ok(what, 'permitted');
  } catch (error) {
    return failure(what, error, 'sudo usermod -aG kvm "$USER", then log in again; or run as root');
  }
}

async function examineKvm(
  { root, loadKvm }: Surroundings,
  present: boolean,
): Promise<{ readonly usable: boolean; readonly findings: readonly Finding[] }> {
  const findings: Finding[] = [];
  let kvm: OpenKvm | undefined;
  try {
    const { open } = await loadAddon(loadKvm, findings);
    if (!present || open === undefined) return { usable: false, findings };
    kvm = open(join(root, 'dev/kvm'));
    findings.push(...vmFindings(kvm), ...capabilityFindings(kvm));
  } catch (error) {
    findings.push(failure('KVM API', error, NESTED_HOST));
  } finally {
    kvm?.close();
  }
  return { usable: kvm !== undefined && isUsable(findings), findings };
}

async function loadAddon(
  loadKvm: Surroundings['loadKvm'],
  findings: Finding[],
): Promise<{ readonly open?: (path: string) => OpenKvm }> {
  try {
    const Kvm = await loadKvm();
    findings.push(ok('addon', 'loads'));
    return { open: (path) => Kvm.open(path) };
  } catch (error) {
    findings.push(failure('addon', error, 'npm run build'));
    return {};
  }
}

/** Makes a VM and gives it back: another hypervisor that holds VT-x or SVM shows only here. */
function vmFindings(kvm: OpenKvm): Finding[] {
  const mend = `End other hypervisors, such as VirtualBox, and see sudo dmesg | grep -i kvm. ${NESTED_HOST}.`;
  const make = () => {
    kvm.createVm().close();
    return [ok('a VM', 'can be made')];
  };
  return attempt('a VM', make, mend);
}

function capabilityFindings(kvm: OpenKvm): Finding[] {
  return CAPABILITIES.flatMap(({ name, number, lost }) => {
    const look = () => {
      const value = kvm.checkExtension(number);
      return [value > 0 ? ok(name, String(value)) : fault(name, `missing: ${lost}`, NEWER_KERNEL)];
    };
    return attempt(name, look, NEWER_KERNEL);
  });
}

function isUsable(findings: readonly Finding[]): boolean {
  const needed = new Set<string>(['a VM', ...CAPABILITIES.filter((c) => c.needed).map(({ name }) => name)]);
  const good = findings.filter(({ what, state }) => state === 'ok' && needed.has(what));
  return good.length === needed.size;
}

function hostFinding(kind: HostKind, around: Surroundings): Finding {
  const what = `host ${kind}`;
  const mend = `vmlaunch setup ${kind}`;
  try {
    const { ready, why } = around.hostState(kind);
    return ready ? ok(what, why) : fault(what, why, mend);
  } catch (error) {
    return failure(what, error, mend);
  }
}
