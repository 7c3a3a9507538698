import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { benchCommandLine } from '../../../src/bench/guest-image.js';
import { parseBenchOutput } from '../../../src/bench/guest-output.js';
import { MEMORY_WORKLOADS, serialBytes, WORKLOADS, workloadNamed } from '../../../src/bench/workloads.js';

const NATIVE = new URL('../../../build/guest-images/bench-native', import.meta.url).pathname;
const ALL = [...WORKLOADS, ...MEMORY_WORKLOADS];
const COUNTS = [1, 2, 3, 255, 1024, 1025, 2500];

/** FIRST × 31^n + Σ value(i) × 31^(n - 1 - i), in whole numbers, then modulo 2^32. */
function mixed(count: number, valueAt: (i: number) => number): number {
  let sum = 31n ** BigInt(count);
  for (let i = 0; i < count; i++) sum += BigInt(valueAt(i)) * 31n ** BigInt(count - 1 - i);
  return Number(sum % 2n ** 32n);
}

const numbers = (count: number) => mixed(count, (i) => i);
const readBack = (count: number) => (numbers(count) * 31 + (numbers(count - 1) % 256)) % 2 ** 32;

/** The pages of the stride, in order: those that come after page 0. */
const STRIDE: number[] = [];
for (let i = 0; i < 8192; i++) STRIDE.push(((STRIDE.at(-1) ?? 0) * 1229 + 677) % 8192);

describe('the checksums', () => {
  it.each([
    ['exits.out', readBack],
    ['exits.string-out', readBack],
    ['exits.in', (count: number) => mixed(count, () => 0xa5)],
    ['exits.in-kernel', (count: number) => mixed(count, () => 0xfb)],
    ['exits.cpuid', (count: number) => mixed(count, () => 1)],
    ['exits.halt', (count: number) => mixed(count, () => 1)],
    ['exits.mmio-write', numbers],
    ['exits.ioeventfd', numbers],
    ['memory.first-touch', numbers],
    ['memory.re-touch', (count: number) => mixed(count, (i) => (i % 1024) * 7)],
    ['memory.stride', (count: number) => mixed(count, (i) => (STRIDE[i] ?? 0) * 7)],
    ['memory.churn', (count: number) => mixed(count, (i) => (i % 64) * 7)],
    ['serial.bytes', (count: number) => mixed(count, (i) => serialBytes(count).charCodeAt(i))],
  ])('of %s are what the definition says', (name, reference) => {
    const counts = [1, 2, 64, 65, 500];
    const workload = workloadNamed(name);
    expect(counts.map((count) => workload?.checksum(count))).toEqual(counts.map(reference));
  });

  it("of the processor's workloads are those of the program in C", () => {
    const names = WORKLOADS.filter(({ kind }) => kind === 'processor').map(({ name }) => name);
    const asked = names.flatMap((name) => COUNTS.map((count) => ({ name, count })));
    const text = execFileSync(NATIVE, benchCommandLine(asked).split(' '), { encoding: 'latin1' });
    const { where, bits, results } = parseBenchOutput(text, asked);
    expect({ where, bits }).toEqual({ where: 'native', bits: 64 });
    expect(results.filter(({ outcome }) => outcome !== 'ran')).toEqual([]);
  });

  it('differ with each iteration', () => {
    for (const { checksum } of ALL) {
      const sums = Array.from({ length: 300 }, (_, i) => checksum(i + 1));
      expect(new Set(sums).size).toBe(sums.length);
    }
  });
});

describe('the workloads', () => {
  it('have names of their own, and counts to begin with', () => {
    expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length);
    expect(ALL.every(({ firstCount }) => Number.isInteger(firstCount) && firstCount > 0)).toBe(true);
  });

  it('of memory stride over each page once before one comes again', () => {
    expect(new Set(STRIDE).size).toBe(8192);
  });
});
