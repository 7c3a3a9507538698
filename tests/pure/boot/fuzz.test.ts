import { describe, expect, it } from 'vitest';
import { FUZZ_TARGETS, fuzzLoader } from '../../fuzz/loaders.js';

/** The long run is `npm run test:long`, or VMLAUNCH_LONG=1; VMLAUNCH_FUZZ_SEED gives other images. */
const isLong = process.env.VMLAUNCH_LONG === '1';
const COUNT = isLong ? 100_000 : 3000;
const SEED = Number(process.env.VMLAUNCH_FUZZ_SEED ?? 1);
const TIMEOUT = isLong ? 1_800_000 : 60_000;

describe('a mutated image gives a sound plan or a VmError, in good time', () => {
  it.each(FUZZ_TARGETS)('%s', { timeout: TIMEOUT }, (target) => {
    const { planned, refused, slowestMs } = fuzzLoader(target, SEED, COUNT);
    if (isLong) console.log(`${target}: ${planned} planned, ${refused} refused, slowest ${slowestMs.toFixed(1)} ms`);
    expect(planned + refused).toBe(COUNT);
    // Images that all fail, or none, would show nothing.
    expect(planned).toBeGreaterThan(COUNT / 50);
    expect(refused).toBeGreaterThan(COUNT / 50);
  });
});
