import { describe, expect, it } from 'vitest';
import { CAPABILITIES, type Examination } from '../../src/host/examine.js';
import { runInHost } from '../../src/host/forward.js';
import { HOST_KINDS } from '../../src/host/kind.js';
import { openInput, Sink } from './host-support.js';

/** What the KVM in each host is, as its kernel module and its CPU tell. */
const EXPECTED = {
  svm: {
    flavour: 'kvm_amd',
    seen: {
      CPU: 'AuthenticAMD, VMX no, SVM yes',
      NPT: 'npt=Y',
      VPID: 'SVM has ASIDs in its place, which cannot be switched off',
      'unrestricted guest': 'SVM needs no such thing',
    },
  },
  vtx: {
    flavour: 'kvm_intel',
    seen: {
      CPU: 'GenuineIntel, VMX yes, SVM no',
      EPT: 'ept=Y',
      VPID: 'vpid=Y',
      'unrestricted guest': 'unrestricted_guest=Y',
    },
  },
} as const;

describe.each(HOST_KINDS)('[%s] vmlaunch doctor --json', (kind) => {
  it('tells what the KVM there is and has', async () => {
    const [stdout, stderr] = [new Sink(), new Sink()];
    const stdin = openInput().end();
    const argv = ['doctor', '--json'];
    const status = await runInHost({ kind, argv, upload: [], download: [], clock: 'fixed', stdin, stdout, stderr });
    const { flavour, localUsable, findings } = JSON.parse(stdout.bytes().toString('utf8')) as Examination;
    expect({ status, flavour, localUsable }).toEqual({ status: 0, flavour: EXPECTED[kind].flavour, localUsable: true });
    const seen = Object.fromEntries(findings.map((finding) => [finding.what, finding.seen]));
    expect(seen).toMatchObject(EXPECTED[kind].seen);
    expect(seen).toMatchObject({
      '/dev/kvm': `is there, of ${flavour}`,
      'opening /dev/kvm': 'permitted',
      addon: 'loads',
      'a VM': 'can be made',
    });
    for (const { name } of CAPABILITIES) expect(seen[name], name).toMatch(/^[1-9][0-9]*$/);
    // A host has no hosts of its own.
    const faults = findings.filter(({ state }) => state === 'fault').map(({ what }) => what);
    expect(faults).toEqual(['host svm', 'host vtx']);
  });
});
