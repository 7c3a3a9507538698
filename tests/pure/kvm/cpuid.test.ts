import { describe, expect, it } from 'vitest';
import type { CpuidEntry } from '../../../src/kvm/abi/registers.js';
import { filterCpuid, pvFeatureNames, vendorOf } from '../../../src/kvm/cpuid.js';

const entry = (leaf: number, words: Partial<CpuidEntry> = {}): CpuidEntry => ({
  function: leaf,
  index: 0,
  flags: 0,
  eax: 0,
  ebx: 0,
  ecx: 0,
  edx: 0,
  ...words,
});

const INTEL = { ebx: 0x756e6547, edx: 0x49656e69, ecx: 0x6c65746e };
const AMD = { ebx: 0x68747541, edx: 0x69746e65, ecx: 0x444d4163 };
const ALL_PV = 0x0100_7efb;

/** A host of 16 threads whose topology must not show. */
function host(vendor: typeof INTEL): CpuidEntry[] {
  return [
    entry(0, { eax: 0x1f, ...vendor }),
    entry(1, { eax: 0x306c3, ebx: 0x0a100800, ecx: 0x76fa3203, edx: 0x1f8bfbff }),
    entry(4, { index: 0, eax: 0x1c004121, flags: 1 }),
    entry(4, { index: 3, eax: 0x1c03c163, flags: 1 }),
    entry(4, { index: 4, eax: 0, flags: 1 }),
    entry(7, { ebx: 0x9c4fbb, edx: 0xbc000410 }),
    entry(0xb, { index: 0, eax: 1, ebx: 2, ecx: 0x100, edx: 10, flags: 1 }),
    entry(0xb, { index: 1, eax: 4, ebx: 16, ecx: 0x201, edx: 10, flags: 1 }),
    entry(0x1f, { index: 0, eax: 1, ebx: 2, ecx: 0x100, edx: 10, flags: 1 }),
    entry(0x40000000, { eax: 0x40000001 }),
    entry(0x40000001, { eax: ALL_PV }),
    entry(0x80000001, { ecx: 0x21, edx: 0x2c100800 }),
    entry(0x80000008, { eax: 0x3027, ecx: 0x400f }),
    entry(0x8000001d, { index: 3, eax: 0x0003c163, flags: 1 }),
    entry(0x8000001e, { eax: 10, ebx: 0x0105, ecx: 1 }),
  ];
}

const find = (entries: readonly CpuidEntry[], leaf: number, index = 0): CpuidEntry => {
  const found = entries.filter((one) => one.function === leaf && one.index === index);
  if (found.length !== 1 || !found[0]) throw new Error(`leaf ${leaf.toString(16)}.${index}: ${found.length} entries`);
  return found[0];
};

describe('filterCpuid', () => {
  const three = filterCpuid(host(INTEL), { cpuIndex: 2, cpuCount: 3, tscDeadline: true });
  const one = filterCpuid(host(INTEL), { cpuIndex: 0, cpuCount: 1, tscDeadline: false });

  it('gives leaf 1 this CPU’s APIC ID, the count, and keeps the rest of ebx', () => {
    expect(find(three, 1).ebx).toBe(0x02030800);
    expect(find(one, 1).ebx).toBe(0x00010800);
  });

  it('shows HTT only where there is more than one CPU', () => {
    expect(find(three, 1).edx & (1 << 28)).not.toBe(0);
    expect(find(one, 1).edx & (1 << 28)).toBe(0);
  });

  it('always shows the hypervisor bit, as an unsigned word', () => {
    expect(find(one, 1).ecx).toBe((0x76fa3203 | 0x80000000) >>> 0);
  });

  it('shows the TSC deadline timer as the capability says', () => {
    expect(find(three, 1).ecx & (1 << 24)).not.toBe(0);
    expect(find(one, 1).ecx & (1 << 24)).toBe(0);
  });

  it('describes caches of this machine: a core’s own, and the package’s', () => {
    // 4 addressable IDs for 3 cores: value 3 in both fields
    expect(find(three, 4, 0).eax >>> 26).toBe(3);
    expect((find(three, 4, 0).eax >>> 14) & 0xfff).toBe(0);
    expect((find(three, 4, 3).eax >>> 14) & 0xfff).toBe(3);
    expect(find(three, 4, 3).eax & 0x3fff).toBe(0x0163);
    expect(find(three, 4, 4).eax).toBe(0);
    expect(find(one, 4, 3).eax).toBe(0x0163);
  });

  it.each([0xb, 0x1f])('replaces leaf 0x%x: one thread a core, the x2APIC ID, an end', (leaf) => {
    expect(find(three, leaf, 0)).toMatchObject({ eax: 0, ebx: 1, ecx: 0x100, edx: 2, flags: 1 });
    expect(find(three, leaf, 1)).toMatchObject({ eax: 2, ebx: 3, ecx: 0x201, edx: 2, flags: 1 });
    expect(find(three, leaf, 2)).toMatchObject({ eax: 0, ebx: 0, ecx: 2, edx: 2 });
  });

  it('adds no topology leaf beyond the highest', () => {
    const old = host(INTEL).map((leaf) => (leaf.function === 0 ? { ...leaf, eax: 0xa } : leaf));
    const shown = filterCpuid(old, { cpuIndex: 0, cpuCount: 2, tscDeadline: false });
    expect(shown.some((leaf) => leaf.function === 0xb || leaf.function === 0x1f)).toBe(false);
  });

  it('counts cores AMD’s way on AMD, and leaves Intel’s reserved words alone', () => {
    const amd = filterCpuid(host(AMD), { cpuIndex: 2, cpuCount: 3, tscDeadline: true });
    expect(find(amd, 0x80000008).ecx).toBe(0x2002);
    expect(find(amd, 0x80000001).ecx & 2).toBe(2);
    expect(find(amd, 0x8000001d, 3).eax).toBe(0x0163 | (3 << 14));
    expect(find(amd, 0x8000001e)).toMatchObject({ eax: 2, ebx: 2, ecx: 0, edx: 0 });
    expect(find(three, 0x80000008).ecx).toBe(0x400f);
    expect(find(three, 0x80000001).ecx).toBe(0x21);
  });

  it('keeps what KVM supports elsewhere, FSRM for one', () => {
    expect(find(three, 7)).toEqual(find(host(INTEL), 7));
    expect(vendorOf(three)).toBe('GenuineIntel');
  });

  it('signs as KVM', () => {
    const { eax, ebx, ecx, edx } = find(one, 0x40000000);
    expect(eax).toBe(0x40000001);
    expect(Buffer.from(new Uint32Array([ebx, ecx, edx]).buffer).toString('latin1')).toBe('KVMKVMKVM\0\0\0');
  });

  it('shows paravirtual features that KVM has, each of which can be switched off', () => {
    expect(find(one, 0x40000001).eax).toBe(ALL_PV);
    let left = ALL_PV;
    for (const name of pvFeatureNames) {
      const without = filterCpuid(host(INTEL), {
        cpuIndex: 0,
        cpuCount: 1,
        tscDeadline: false,
        features: { [name]: false },
      });
      const eax = find(without, 0x40000001).eax;
      expect(eax, name).not.toBe(ALL_PV);
      left &= eax;
    }
    expect(left, 'all of them together leave nothing').toBe(0);
  });

  it('switches kvmclock off with all its bits', () => {
    const features = { kvmclock: false };
    const shown = filterCpuid(host(INTEL), { cpuIndex: 0, cpuCount: 1, tscDeadline: false, features });
    expect(find(shown, 0x40000001).eax).toBe(ALL_PV & ~((1 << 0) | (1 << 3) | (1 << 24)));
  });

  it('never invents a feature that KVM has not', () => {
    const plain = host(INTEL).filter((leaf) => leaf.function < 0x40000000 || leaf.function > 0x40000001);
    const shown = filterCpuid(plain, { cpuIndex: 0, cpuCount: 1, tscDeadline: false, features: { pvEoi: true } });
    expect(find(shown, 0x40000001).eax).toBe(0);
  });

  it('does not change what it was given', () => {
    const given = host(AMD);
    filterCpuid(given, { cpuIndex: 1, cpuCount: 2, tscDeadline: true });
    expect(given).toEqual(host(AMD));
  });

  it('makes words that are all unsigned 32-bit', () => {
    const all = filterCpuid(host(AMD), { cpuIndex: 255, cpuCount: 256, tscDeadline: true });
    for (const { eax, ebx, ecx, edx } of all) {
      for (const word of [eax, ebx, ecx, edx]) expect(word).toBe(word >>> 0);
    }
    expect(find(all, 1).ebx).toBe(0xffff0800);
  });
});
