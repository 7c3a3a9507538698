import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { doctorStatus, examinationText } from '../../../src/cli/doctor.js';
import { VmError } from '../../../src/errors.js';
import {
  CAPABILITIES,
  type Examination,
  examine,
  type Finding,
  type OpenKvm,
  type Surroundings,
} from '../../../src/host/examine.js';
import { KVM_CAP_BINARY_STATS_FD, KVM_CAP_IRQCHIP } from '../../../src/kvm/abi/capabilities.js';

test('doctor aligns its findings and says under a fault what to do', () => {
  const text = examinationText({
    flavour: 'none',
    localUsable: false,
    hostsReady: [],
    findings: [
      { what: 'CPU', state: 'ok', seen: 'GenuineIntel', mend: '' },
      { what: 'VPID', state: 'note', seen: 'cannot be told', mend: '' },
      { what: '/dev/kvm', state: 'fault', seen: 'is not there', mend: 'sudo modprobe kvm_intel' },
    ],
  });
  expect(text).toBe(
    'ok  CPU       GenuineIntel\n--  VPID      cannot be told\n!!  /dev/kvm  is not there\n' +
      '              to mend: sudo modprobe kvm_intel\n',
  );
});

describe('the examination', () => {
  let root: string;
  let open: number;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vmlaunch-doctor-'));
    open = 0;
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function put(files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }

  /** A KVM with every capability but those named; it counts what is left open. */
  function fakeKvm(missing: readonly number[] = [], createVm?: () => never): OpenKvm {
    const closable = () => {
      open++;
      return { close: () => void open-- };
    };
    return {
      ...closable(),
      createVm: createVm ?? closable,
      checkExtension: (capability) => (missing.includes(capability) ? 0 : 1),
    };
  }

  const around = (kvm: () => OpenKvm, more: Partial<Surroundings> = {}): Surroundings => ({
    root,
    loadKvm: async () => ({ open: kvm }),
    hostState: () => ({ ready: false, why: 'never prepared' }),
    ...more,
  });

  const INTEL = {
    'dev/kvm': '',
    'proc/cpuinfo': 'vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n',
    'sys/module/kvm_intel/parameters/ept': 'Y\n',
    'sys/module/kvm_intel/parameters/vpid': 'N\n',
    'sys/module/kvm_intel/parameters/unrestricted_guest': 'Y\n',
  };

  const byName = (findings: readonly Finding[]) => new Map(findings.map((finding) => [finding.what, finding]));

  it('finds a usable kvm_intel, and the one parameter that is off', async () => {
    put(INTEL);
    const examination = await examine(around(() => fakeKvm()));
    expect(examination).toMatchObject({ flavour: 'kvm_intel', localUsable: true, hostsReady: [] });
    expect(doctorStatus(examination)).toBe(0);
    const found = byName(examination.findings);
    expect(found.get('EPT')).toMatchObject({ state: 'ok' });
    expect(found.get('VPID')).toMatchObject({ state: 'fault', mend: expect.stringContaining('kvm_intel vpid=1') });
    expect(found.get('opening /dev/kvm')).toMatchObject({ state: 'ok' });
    expect(open).toBe(0);
  });

  it('tells a capability that no guest can do without from one that only adds something', async () => {
    put(INTEL);
    const optional = await examine(around(() => fakeKvm([KVM_CAP_BINARY_STATS_FD])));
    expect(optional.localUsable).toBe(true);
    expect(byName(optional.findings).get('KVM_CAP_BINARY_STATS_FD')).toMatchObject({
      state: 'fault',
      seen: expect.stringContaining('--stats'),
    });
    expect((await examine(around(() => fakeKvm([KVM_CAP_IRQCHIP])))).localUsable).toBe(false);
  });

  it('asks kvm_amd for npt alone', async () => {
    put({
      'dev/kvm': '',
      'proc/cpuinfo': 'vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm\n',
      'sys/module/kvm_amd/parameters/npt': '0\n',
    });
    const found = byName((await examine(around(() => fakeKvm()))).findings);
    expect(found.get('NPT')).toMatchObject({ state: 'fault', mend: expect.stringContaining('kvm_amd npt=1') });
    expect(found.get('VPID')).toMatchObject({ state: 'note' });
  });

  it('turns everything that fails into a finding with something to do, and the status into 4', async () => {
    put(INTEL);
    const fails = (text: string) => () => {
      throw new Error(`${text}\nmore`);
    };
    const busy = () => {
      throw new VmError('KVM_CALL_FAILED', 'KVM_CREATE_VM failed: EBUSY');
    };
    const cases: [Surroundings, string, string][] = [
      [around(() => fakeKvm(), { loadKvm: async () => fails('not built')() }), 'addon', 'not built'],
      [around(fails('will not open')), 'KVM API', 'will not open'],
      [around(() => fakeKvm([], busy)), 'a VM', 'KVM_CREATE_VM failed: EBUSY'],
      [around(() => ({ ...fakeKvm(), checkExtension: fails('broken') })), 'KVM_CAP_IRQCHIP', 'broken'],
      [around(fails('-'), { hostState: fails('no cache') }), 'host vtx', 'no cache'],
    ];
    for (const [surroundings, what, seen] of cases) {
      const examination = await examine(surroundings);
      expect(byName(examination.findings).get(what)).toMatchObject({ state: 'fault', seen });
      expect(examination.findings.filter(({ state, mend }) => (state === 'fault') !== (mend !== ''))).toEqual([]);
      expect(doctorStatus(examination), what).toBe(4);
    }
    expect(open).toBe(0);
  });

  it.each([
    ['kvm_pvm', { 'sys/module/kvm_pvm/parameters/x': '' }, 'fault', 'vmlaunch run --host svm'],
    ['unknown', {}, 'note', ''],
  ])('tells of a /dev/kvm of %s what it can run', async (flavour, module, state, mend) => {
    put({ 'dev/kvm': '', 'proc/cpuinfo': 'vendor_id\t: GenuineIntel\nflags\t\t: fpu\n', ...module });
    const examination = await examine(around(() => fakeKvm()));
    expect(examination.flavour).toBe(flavour);
    const found = byName(examination.findings);
    expect(found.get('/dev/kvm')).toMatchObject({ state, mend: expect.stringContaining(mend) });
    for (const what of ['EPT or NPT', 'VPID', 'unrestricted guest']) expect(found.get(what)?.state).toBe('note');
  });

  it.each([
    ['vmx', 'sudo modprobe kvm_intel'],
    ['svm', 'sudo modprobe kvm_amd'],
    ['', 'vmlaunch run --host svm'],
  ])('says what to type where there is no /dev/kvm, on a CPU with "%s"', async (flag, mend) => {
    put({ 'proc/cpuinfo': `vendor_id\t: some\nflags\t\t: fpu ${flag}\n` });
    const found = byName((await examine(around(() => fakeKvm()))).findings);
    expect(found.get('/dev/kvm')).toMatchObject({ state: 'fault', mend: expect.stringContaining(mend) });
    expect(found.get('CPU')?.state).toBe(flag === '' ? 'fault' : 'ok');
  });

  it('takes directories in place of files, and files in place of directories, as they come', async () => {
    put({ 'dev/kvm/x': '', 'proc/cpuinfo/x': '', 'sys/module/kvm_intel/parameters/ept/x': '' });
    const examination = await examine(around(() => fakeKvm()));
    const found = byName(examination.findings);
    expect(found.get('opening /dev/kvm')).toMatchObject({ state: 'fault', mend: expect.stringContaining('usermod') });
    expect(found.get('EPT')).toMatchObject({ state: 'note' });
    rmSync(root, { recursive: true });
    writeFileSync(root, '');
    expect(await examine(around(() => fakeKvm()))).toMatchObject({ flavour: 'none', localUsable: false });
  });

  it('tells of every capability that is missing what is lost without it', async () => {
    put(INTEL);
    const missing = CAPABILITIES.map(({ number }) => number);
    const examination = await examine(around(() => fakeKvm(missing)));
    const found = byName(examination.findings);
    for (const { name, lost } of CAPABILITIES) {
      expect(found.get(name)).toMatchObject({ state: 'fault', seen: `missing: ${lost}` });
      expect(found.get(name)?.mend).not.toBe('');
    }
    expect(examination.localUsable).toBe(false);
  });

  it('without anything says so; one nested host that is ready is enough', async () => {
    const nothing = () => {
      throw new Error('opened though it is not there');
    };
    const none = await examine(around(nothing));
    expect(none).toMatchObject({ flavour: 'none', localUsable: false });
    expect(doctorStatus(none)).toBe(4);
    const hostState: Surroundings['hostState'] = (kind) =>
      kind === 'vtx' ? { ready: true, why: 'prepared', directory: root } : { ready: false, why: 'never prepared' };
    const examination = await examine(around(nothing, { hostState }));
    expect(examination.hostsReady).toEqual(['vtx']);
    expect(doctorStatus(examination)).toBe(0);
    expect(byName(examination.findings).get('host svm')).toMatchObject({ mend: 'vmlaunch setup svm' });
  });
});

test('the command itself needs no home, no cache and no directory to stand in', () => {
  const gone = mkdtempSync(join(tmpdir(), 'vmlaunch-doctor-'));
  const bin = new URL('../../../dist/bundle/vmlaunch.cjs', import.meta.url).pathname;
  const script = `cd '${gone}' && rmdir '${gone}' && exec '${process.execPath}' '${bin}' doctor --json`;
  const env = { PATH: '/usr/bin:/bin', VMLAUNCH_CACHE: join(bin, 'below/a/file') };
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8', env });
  const { findings, localUsable } = JSON.parse(stdout) as Examination;
  expect([status, stderr]).toEqual([localUsable ? 0 : 4, '']);
  expect(findings.filter(({ state, mend }) => (state === 'fault') !== (mend !== ''))).toEqual([]);
});
