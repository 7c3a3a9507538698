import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { encode } from '../../../src/kvm/abi/layout.js';
import { kvmStatsDesc, kvmStatsHeader } from '../../../src/kvm/abi/vm.js';
import { Fd } from '../../../src/kvm/fd.js';
import { localFlavour, softwareHost } from '../../../src/kvm/flavour.js';
import { readStatsLayout, StatsReader, statValues } from '../../../src/kvm/stats.js';

const pread = vi.hoisted(() => vi.fn<(fd: number, view: Uint8Array, offset: number) => number>());
vi.mock('../../../src/kvm/native.js', () => ({ native: { pread } }));

describe('localFlavour', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vmlaunch-flavour-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function put(files: Record<string, string>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }

  it('is none on a machine without anything', () => {
    expect(localFlavour(root)).toEqual({
      flavour: 'none',
      parameters: {},
      cpu: { vendor: '', vmx: false, svm: false },
    });
  });

  it('knows a software host by its kernel command line, and no other machine', () => {
    expect(softwareHost(root)).toBeUndefined();
    put({ 'proc/cmdline': 'quiet vmlaunch.host=vtx\n' });
    expect(softwareHost(root)).toBe('vtx');
    put({ 'proc/cmdline': 'quiet xvmlaunch.host=svm vmlaunch.host=vtxx\n' });
    expect(softwareHost(root)).toBeUndefined();
  });

  it('is kvm_intel with its parameters and those of kvm', () => {
    put({
      'dev/kvm': '',
      'sys/module/kvm_intel/parameters/ept': 'Y\n',
      'sys/module/kvm/parameters/tdp_mmu': 'N\n',
      'proc/cpuinfo': 'vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx de\n',
    });
    expect(localFlavour(root)).toEqual({
      flavour: 'kvm_intel',
      parameters: { ept: 'Y', tdp_mmu: 'N' },
      cpu: { vendor: 'GenuineIntel', vmx: true, svm: false },
    });
  });

  it('is none where the module is there but its device is not', () => {
    put({ 'sys/module/kvm_amd/parameters/npt': '1\n' });
    expect(localFlavour(root)).toMatchObject({ flavour: 'none', parameters: { npt: '1' } });
  });

  it('is the one that fits the CPU where both vendors’ are built in', () => {
    put({
      'dev/kvm': '',
      'sys/module/kvm_intel/parameters/ept': 'N\n',
      'sys/module/kvm_amd/parameters/npt': 'Y\n',
      'proc/cpuinfo': 'vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm\n',
    });
    expect(localFlavour(root)).toMatchObject({ flavour: 'kvm_amd', parameters: { npt: 'Y' } });
  });

  it('is kvm_pvm, which needs neither VMX nor SVM', () => {
    put({ 'dev/kvm': '', 'sys/module/kvm_pvm/parameters/x': 'Y', 'proc/cpuinfo': 'flags : fpu\n' });
    expect(localFlavour(root).flavour).toBe('kvm_pvm');
  });

  it('is unknown where /dev/kvm is somebody else’s', () => {
    put({ 'dev/kvm': '' });
    expect(localFlavour(root).flavour).toBe('unknown');
  });
});

describe('binary statistics', () => {
  const NAME_SIZE = 48;
  const STRIDE = kvmStatsDesc.size + NAME_SIZE;

  /** A file as KVM API 4.133 describes it: header, id, descriptors, data. */
  function file(stats: readonly { name: string; values: readonly bigint[] }[]): Uint8Array {
    const idOffset = kvmStatsHeader.size;
    const descOffset = idOffset + NAME_SIZE;
    const dataOffset = descOffset + STRIDE * stats.length;
    const data = stats.flatMap(({ values }) => values);
    const bytes = new Uint8Array(dataOffset + 8 * data.length);
    encode(kvmStatsHeader, { nameSize: NAME_SIZE, numDesc: stats.length, idOffset, descOffset, dataOffset }, bytes);
    bytes.set(Buffer.from('kvm-42/vcpu-0'), idOffset);
    let offset = 0;
    for (const [i, { name, values }] of stats.entries()) {
      const at = descOffset + i * STRIDE;
      encode(kvmStatsDesc, { size: values.length, offset, exponent: -9 }, bytes.subarray(at));
      bytes.set(Buffer.from(name), at + kvmStatsDesc.size);
      offset += 8 * values.length;
    }
    const view = new DataView(bytes.buffer);
    for (const [i, value] of data.entries()) view.setBigUint64(dataOffset + 8 * i, value, true);
    return bytes;
  }

  it('reads names and values; a histogram is added up', () => {
    const bytes = file([
      { name: 'exits', values: [0x1_0000_0001n] },
      { name: 'halt_wait_hist', values: [1n, 2n, 3n] },
      { name: 'pages_2m', values: [7n] },
    ]);
    const layout = readStatsLayout((offset, length) => bytes.slice(offset, offset + length));
    expect(layout).toMatchObject({ id: 'kvm-42/vcpu-0', dataSize: 40 });
    expect(layout.descriptors[0]).toMatchObject({ name: 'exits', exponent: -9, size: 1 });
    const data = bytes.slice(layout.dataOffset, layout.dataOffset + layout.dataSize);
    expect([...statValues(layout, data)]).toEqual([
      ['exits', 0x1_0000_0001],
      ['halt_wait_hist', 6],
      ['pages_2m', 7],
    ]);
  });

  it('reads the descriptors once and the data again and again, by short reads too', () => {
    const bytes = file([{ name: 'exits', values: [1n] }]);
    pread.mockImplementation((_fd, view, offset) => {
      const part = bytes.subarray(offset, offset + Math.min(5, view.length));
      view.set(part);
      return part.length;
    });
    const reader = new StatsReader(new Fd({ name: 'x', number: 3, open: new Int32Array([1]) }));
    new DataView(bytes.buffer).setBigUint64(reader.layout.dataOffset, 9n, true);
    pread.mockClear();
    expect(reader.read().get('exits')).toBe(9);
    expect(pread.mock.calls.map(([, , offset]) => offset - reader.layout.dataOffset)).toEqual([0, 5]);
  });

  it.each([
    [-5, 'reading KVM’s statistics failed: errno 5'],
    [0, 'reading KVM’s statistics failed: the file ends too early'],
  ])('pread that gives %d is a VmError', (result, message) => {
    pread.mockReturnValue(result);
    expect(() => new StatsReader(new Fd({ name: 'x', number: 3, open: new Int32Array([1]) }))).toThrow(
      expect.objectContaining({ code: 'KVM_CALL_FAILED', message }),
    );
  });
});
