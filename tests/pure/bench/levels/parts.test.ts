import { describe, expect, it } from 'vitest';
import { checksumOf, PART_NAMES } from '../../../../src/bench/levels/parts.js';

/** The file as the program writes it, block by block. */
function written(count: number): string {
  const file = new Map<number, number>();
  for (let i = 0; i < count; i++) file.set(i % 256, i);
  let sum = 1;
  for (let block = 0; block < Math.min(count, 256); block++) {
    for (let word = 0; word < 1024; word++) {
      sum = (Math.imul(sum, 31) + (word === 0 ? (file.get(block) ?? 0) : word)) | 0;
    }
  }
  return (sum >>> 0).toString(16).padStart(8, '0');
}

describe('the checksums of the program at all levels', () => {
  it.each([1, 2, 255, 256, 257, 511, 512, 513, 1000])('is that of the file after %i blocks', (count) => {
    expect(checksumOf('files', count)).toBe(written(count));
  });

  it.each([
    ['cpu', 5_000_000, 'bc7f1ea2'],
    ['calls', 50_000, '270acb01'],
    ['files', 20_000, '04827081'],
    ['files', 5, '130660b7'],
  ] as const)('is what the program in C and that in Java have printed: %s %i', (part, count, checksum) => {
    expect(checksumOf(part, count)).toBe(checksum);
  });

  it('depends on every iteration', () => {
    for (const part of PART_NAMES) {
      const sums = Array.from({ length: 300 }, (_, i) => checksumOf(part, i + 1));
      expect(new Set(sums).size).toBe(sums.length);
    }
  });
});
