import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../src/memory/guest-memory.js';
import { readStamps } from '../../../src/trace/stamps.js';

const AT = 0x100;

interface Entry {
  readonly tsc: bigint;
  readonly step: number;
  readonly value?: bigint;
}

function memoryWith(entries: readonly Entry[], { count = entries.length, lost = 0, size = 0x20000 } = {}): GuestMemory {
  const buffer = new SharedArrayBuffer(size);
  const view = new DataView(buffer);
  view.setUint32(AT + 4, count, true);
  view.setUint32(AT + 8, lost, true);
  entries.forEach(({ tsc, step, value = 0n }, index) => {
    const at = AT + 16 + index * 32;
    view.setBigUint64(at, tsc, true);
    view.setBigUint64(at + 8, 0x100000n, true);
    view.setUint32(at + 16, step, true);
    view.setBigUint64(at + 24, value, true);
  });
  return new GuestMemory([{ start: 0, size, buffer, offset: 0 }]);
}

describe('[pure] the table of steps that a guest fills', () => {
  it('is read as stamps.h has it', () => {
    const memory = memoryWith(
      [
        { tsc: 5n, step: 2 },
        { tsc: 7n, step: 9, value: 0x68n },
      ],
      { lost: 3 },
    );
    expect(readStamps(memory, AT)).toEqual({
      stamps: [
        { step: 'printfCalled', tsc: 5n, rip: 0x100000n, value: 0n },
        { step: 'out', tsc: 7n, rip: 0x100000n, value: 0x68n },
      ],
      lost: 3,
    });
  });

  it('is refused where the program has written nonsense there', () => {
    expect(() => readStamps(memoryWith([], { count: 0xffff_ffff }), AT)).toThrow(/has room for 2048/);
    expect(() => readStamps(memoryWith([{ tsc: 1n, step: 77 }]), AT)).toThrow(/step 77/);
    expect(() =>
      readStamps(
        memoryWith([
          { tsc: 2n, step: 1 },
          { tsc: 1n, step: 2 },
        ]),
        AT,
      ),
    ).toThrow(/stamp 1 is earlier/);
    expect(() => readStamps(memoryWith([], { count: 2048, size: 0x1000 }), AT)).toThrow(/not all RAM/);
  });
});
