import { describe, expect, it } from 'vitest';
import type { Segment } from '../../../src/boot/plan.js';
import { loadSegments } from '../../../src/machine/load.js';
import { GuestMemory } from '../../../src/memory/guest-memory.js';

const PAGE = 4096;

/** What guest memory has once the segments are in it. */
function loaded(segments: readonly Segment[]): Uint8Array {
  const buffer = new SharedArrayBuffer(PAGE);
  const memory = new GuestMemory([{ start: 0, size: PAGE, buffer, offset: 0 }]);
  loadSegments(memory, { form: 'flat', isLinux: false, segments, entry: { mode: 'long', rip: 0 }, description: '' });
  return new Uint8Array(buffer);
}

describe('segments in guest memory', () => {
  const bytes = Uint8Array.from({ length: 48 }, (_, i) => i + 1);

  it('are the bytes of the plan, and nothing else', () => {
    const memory = loaded([{ address: 0x100, bytes, what: 'a' }]);
    expect(memory.subarray(0x100, 0x130)).toEqual(bytes);
    expect([...memory.subarray(0, 0x100), ...memory.subarray(0x130)].every((byte) => byte === 0)).toBe(true);
  });

  it('have other random bytes each time, where the plan says so and nowhere else', () => {
    const plan = [{ address: 0x100, bytes, what: 'seed', randomFrom: 16 }];
    const [one, other] = [loaded(plan), loaded(plan)];
    for (const memory of [one, other]) {
      expect(memory.subarray(0x100, 0x110)).toEqual(bytes.subarray(0, 16));
      expect(memory.subarray(0x110, 0x130)).not.toEqual(bytes.subarray(16));
      expect([...memory.subarray(0, 0x100), ...memory.subarray(0x130)].every((byte) => byte === 0)).toBe(true);
    }
    expect(one.subarray(0x110, 0x130)).not.toEqual(other.subarray(0x110, 0x130));
    expect(bytes[16]).toBe(17);
  });
});
