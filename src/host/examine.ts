import { messageOf, VmError } from '../errors.js';
import {
  KVM_CAP_BINARY_STATS_FD,
  KVM_CAP_IMMEDIATE_EXIT,
  KVM_CAP_IRQCHIP,
  KVM_CAP_PIT2,
  KVM_CAP_READONLY_MEM,
  KVM_CAP_TSC_DEADLINE_TIMER,
  KVM_CAP_USER_MEMORY,
  KVM_CAP_XSAVE2,
} from '../kvm/abi/capabilities.js';
import { type LocalFlavour, localFlavour } from '../kvm/flavour.js';
import { hostState } from './prepare.js';

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** What was seen. */
  readonly seen: string;
  /** What to type or do; empty where nothing is wrong. */
  readonly mend: string;
}

export interface Examination {
  readonly flavour: LocalFlavour['flavour'];
  /** Whether the local KVM can be used. */
  readonly localUsable: boolean;
  readonly findings: readonly Finding[];
}

/** Capabilities that are used, and what is lost without each. */
const CAPABILITIES = [
  ['KVM_CAP_USER_MEMORY', KVM_CAP_USER_MEMORY, 'no guest can have memory'],
  ['KVM_CAP_IRQCHIP', KVM_CAP_IRQCHIP, 'no guest can have interrupts'],
  ['KVM_CAP_PIT2', KVM_CAP_PIT2, 'no guest can have a timer at boot'],
  ['KVM_CAP_IMMEDIATE_EXIT', KVM_CAP_IMMEDIATE_EXIT, 'a running guest cannot be stopped reliably'],
  ['KVM_CAP_TSC_DEADLINE_TIMER', KVM_CAP_TSC_DEADLINE_TIMER, 'guests use a slower timer'],
  ['KVM_CAP_READONLY_MEM', KVM_CAP_READONLY_MEM, 'no read-only memory'],
  ['KVM_CAP_BINARY_STATS_FD', KVM_CAP_BINARY_STATS_FD, "--stats lacks KVM's own counters"],
  ['KVM_CAP_XSAVE2', KVM_CAP_XSAVE2, 'the state of large vector registers cannot be read'],
] as const;

/** Looks at this machine. Changes nothing and never throws: what cannot be looked at is a finding too. */
export async function examine(): Promise<Examination> {
  const local = localFlavour();
  const { usable, findings } = await examineKvm();
  return {
    flavour: local.flavour,
    localUsable: usable,
    findings: [...cpuFindings(local), ...findings, hostFinding('svm'), hostFinding('vtx')],
  };
}

const UNKNOWN = 'cannot be told without the module';

function cpuFindings({ flavour, parameters, cpu }: LocalFlavour): Finding[] {
  const virtual = cpu.vmx || cpu.svm;
  const named = (what: string, names: readonly string[]): Finding => {
    const value = names.map((name) => parameters[name]).find((v) => v !== undefined);
    const ok = value === 'Y' || value === '1';
    return {
      what,
      ok,
      seen: value ?? UNKNOWN,
      mend: value !== undefined && !ok ? `Load the module with ${names[0]}=1.` : '',
    };
  };
  return [
    {
      what: 'CPU',
      ok: virtual,
      seen: `${cpu.vendor || 'unknown'}, VMX ${cpu.vmx ? 'yes' : 'no'}, SVM ${cpu.svm ? 'yes' : 'no'}`,
      mend: virtual
        ? ''
        : 'Switch on VT-x or SVM in the firmware; in a VM, nested virtualization. Or use --host svm or vtx.',
    },
    {
      what: 'KVM flavour',
      ok: flavour === 'kvm_intel' || flavour === 'kvm_amd',
      seen: flavour,
      mend: flavour === 'none' ? 'modprobe kvm_intel, or kvm_amd; or use --host svm or --host vtx.' : '',
    },
    named('EPT or NPT', ['ept', 'npt']),
    named('VPID', ['vpid']),
    named('unrestricted guest', ['unrestricted_guest']),
  ];
}

async function examineKvm(): Promise<{ usable: boolean; findings: Finding[] }> {
  const what = '/dev/kvm';
  try {
    // Not before: an addon that is not built is a finding, not a crash.
    const { Kvm } = await import('../kvm/kvm.js');
    using kvm = Kvm.open();
    const findings = CAPABILITIES.map(([name, number, lost]): Finding => {
      const ok = kvm.checkExtension(number) > 0;
      return { what: name, ok, seen: ok ? 'yes' : 'no', mend: ok ? '' : `Without it ${lost}: use a newer kernel.` };
    });
    return { usable: true, findings: [{ what, ok: true, seen: 'opens, API version 12', mend: '' }, ...findings] };
  } catch (error) {
    const mend = error instanceof VmError ? error.hint : 'Build the addon: npm run build.';
    return { usable: false, findings: [{ what, ok: false, seen: messageOf(error).split('\n')[0] ?? '', mend }] };
  }
}

function hostFinding(kind: 'svm' | 'vtx'): Finding {
  const { ready, why } = hostState(kind);
  return { what: `host ${kind}`, ok: ready, seen: why, mend: ready ? '' : `vmlaunch setup ${kind}` };
}
