import { beforeEach, describe, expect, it } from 'vitest';
import * as exits from '../../../src/kvm/abi/exits.js';
import { encode, type PartialValue } from '../../../src/kvm/abi/layout.js';
import { kvmCoalescedMmio, kvmRun } from '../../../src/kvm/abi/run.js';
import { CoalescedRing, KVM_COALESCED_MMIO_MAX } from '../../../src/kvm/coalesced.js';
import { RunPage } from '../../../src/kvm/exit.js';
import { describeExit, exitName } from '../../../src/kvm/exit-words.js';

let page: RunPage;
beforeEach(() => {
  page = new RunPage(new Uint8Array(new SharedArrayBuffer(3 * 4096)));
});

/** What KVM would leave in the page. */
function exitWith(exitReason: number, exit: NonNullable<PartialValue<typeof kvmRun>['exit']>): void {
  encode(kvmRun, { exitReason, exit }, page.bytes);
}

describe('RunPage', () => {
  it('reads port I/O, with the direction of string input', () => {
    exitWith(exits.KVM_EXIT_IO, { io: { direction: 0, size: 2, port: 0xfffe, count: 70000, dataOffset: 4096n } });
    expect(page).toMatchObject({ exitReason: 2, ioIsOut: false, ioSize: 2, ioPort: 0xfffe, ioCount: 70000 });
    expect(page.ioDataOffset).toBe(4096);
    exitWith(exits.KVM_EXIT_IO, { io: { direction: 1 } });
    expect(page.ioIsOut).toBe(true);
  });

  it('reads an MMIO address above 4 GiB exactly, as a Number', () => {
    exitWith(exits.KVM_EXIT_MMIO, {
      mmio: { physAddr: 0xf_ffff_ffff_fff7n, data: new Uint8Array([1, 2, 3, 4]), len: 4, isWrite: 1 },
    });
    expect(page).toMatchObject({ mmioAddress: 0xf_ffff_ffff_fff7, mmioLength: 4, mmioIsWrite: true });
    expect(page.view.getUint32(page.mmioDataOffset, true)).toBe(0x04030201);
  });

  it('takes an MSR exit’s answer', () => {
    exitWith(exits.KVM_EXIT_X86_RDMSR, { msr: { index: 0xc0010015, reason: 2 } });
    expect(page).toMatchObject({ msrIndex: 0xc0010015, msrReason: 2 });
    page.setMsrData(0xffffffff, 0x80000000);
    expect([page.msrDataLow, page.msrDataHigh]).toEqual([0xffffffff, 0x80000000]);
    page.msrError = 1;
    expect(page.view.getUint8(kvmRun.fields.exit.offset)).toBe(1);
  });

  it('sets only its own byte for a kick and for an interrupt window', () => {
    page.immediateExit = 1;
    page.requestInterruptWindow = 1;
    expect([...page.bytes.subarray(0, 12)]).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    page.immediateExit = 0;
    expect(page.immediateExit).toBe(0);
    expect(page.requestInterruptWindow).toBe(1);
  });

  it('gives an instruction’s bytes only where KVM says that they are there, and never more than 15', () => {
    const failure = { suberror: 1, ndata: 4, flags: 1n, insnSize: 3, insnBytes: new Uint8Array([0x0f, 0x01, 0xd0]) };
    exitWith(exits.KVM_EXIT_INTERNAL_ERROR, { emulationFailure: failure });
    expect([...(page.emulationFailureBytes ?? [])]).toEqual([0x0f, 0x01, 0xd0]);
    exitWith(exits.KVM_EXIT_INTERNAL_ERROR, { emulationFailure: { ...failure, insnSize: 200 } });
    expect(page.emulationFailureBytes?.length).toBe(15);
    exitWith(exits.KVM_EXIT_INTERNAL_ERROR, { emulationFailure: { ...failure, flags: 0n } });
    expect(page.emulationFailureBytes).toBeUndefined();
    exitWith(exits.KVM_EXIT_INTERNAL_ERROR, { emulationFailure: { ...failure, suberror: 3 } });
    expect(page.emulationFailureBytes).toBeUndefined();
    exitWith(exits.KVM_EXIT_INTERNAL_ERROR, { emulationFailure: { ...failure, ndata: 0 } });
    expect(page.emulationFailureBytes).toBeUndefined();
  });

  it('never reads more than 16 words of an internal error', () => {
    exitWith(exits.KVM_EXIT_INTERNAL_ERROR, { internal: { suberror: 3, ndata: 0xffffffff, data: [5n] } });
    expect(page.internalData.length).toBe(16);
    expect(page.internalData[0]).toBe(5n);
  });
});

describe('exits in words', () => {
  it.each<[string, number, NonNullable<PartialValue<typeof kvmRun>['exit']>]>([
    ['KVM_EXIT_IO: port I/O (1 byte in from port 0x60)', exits.KVM_EXIT_IO, { io: { size: 1, port: 0x60, count: 1 } }],
    [
      'KVM_EXIT_IO: port I/O (2 bytes in from port 0x1f0, 256 times)',
      exits.KVM_EXIT_IO,
      { io: { size: 2, port: 0x1f0, count: 256 } },
    ],
    [
      'KVM_EXIT_MMIO: memory-mapped I/O (write of 2 bytes at 0xfee000b0: 12 34)',
      exits.KVM_EXIT_MMIO,
      { mmio: { physAddr: 0xfee000b0n, len: 2, isWrite: 1, data: new Uint8Array([0x12, 0x34]) } },
    ],
    [
      'KVM_EXIT_FAIL_ENTRY: the CPU refused to enter the guest (hardware reason 0x80000021)',
      exits.KVM_EXIT_FAIL_ENTRY,
      { failEntry: { hardwareEntryFailureReason: 0x80000021n } },
    ],
    [
      'KVM_EXIT_INTERNAL_ERROR: KVM could not go on (suberror 1: it cannot emulate an instruction, bytes 0f c7)',
      exits.KVM_EXIT_INTERNAL_ERROR,
      { emulationFailure: { suberror: 1, ndata: 3, flags: 1n, insnSize: 2, insnBytes: new Uint8Array([0x0f, 0xc7]) } },
    ],
    [
      'KVM_EXIT_INTERNAL_ERROR: KVM could not go on (suberror 3: an exit while it delivered an event, data 0x7 0x8)',
      exits.KVM_EXIT_INTERNAL_ERROR,
      { internal: { suberror: 3, ndata: 2, data: [7n, 8n] } },
    ],
    [
      'KVM_EXIT_X86_WRMSR: a write to a model-specific register (MSR 0x10 = 0x100000002, not known to KVM)',
      exits.KVM_EXIT_X86_WRMSR,
      { msr: { index: 0x10, data: 0x1_0000_0002n, reason: 2 } },
    ],
    [
      'KVM_EXIT_SYSTEM_EVENT: the guest asked for a system event (reset)',
      exits.KVM_EXIT_SYSTEM_EVENT,
      { systemEvent: { type: 2 } },
    ],
    ['KVM_EXIT_SHUTDOWN: a triple fault', exits.KVM_EXIT_SHUTDOWN, {}],
  ])('%s', (words, reason, exit) => {
    exitWith(reason, exit);
    if (reason === exits.KVM_EXIT_IO) page.view.setUint32(kvmRun.fields.exit.offset + 8, 4096, true);
    expect(describeExit(page)).toBe(words);
  });

  it('never throws, whatever the page holds, for reasons of today and tomorrow', () => {
    for (const filler of [0x00, 0x7f, 0xff]) {
      for (let reason = 0; reason < 64; reason++) {
        page.bytes.fill(filler);
        page.view.setUint32(kvmRun.fields.exitReason.offset, reason, true);
        expect(describeExit(page)).toContain(exitName(reason));
      }
    }
    expect(exitName(63)).toBe('KVM_EXIT_63');
  });
});

describe('CoalescedRing', () => {
  const RING = 2 * 4096;

  function put(index: number, physAddr: bigint, pio: number, byte: number): void {
    const entry = { physAddr, len: 1, pio, data: new Uint8Array([byte]) };
    page.bytes.set(encode(kvmCoalescedMmio, entry), RING + 8 + 24 * index);
  }

  function setIndices(first: number, last: number): void {
    page.view.setUint32(RING, first, true);
    page.view.setUint32(RING + 4, last, true);
  }

  function drain(ring: CoalescedRing): unknown[] {
    const writes: unknown[] = [];
    ring.drain(({ address, length, isPio, count, values }) =>
      writes.push([address, length, [...values.subarray(0, count)], isPio]),
    );
    return writes;
  }

  it('hands writes over in order, around the end of the ring', () => {
    const ring = new CoalescedRing(page.bytes);
    const end = KVM_COALESCED_MMIO_MAX - 1;
    put(end, 0x3f8n, 1, 0x41);
    put(0, 0x1_0000_0000n, 0, 0x42);
    setIndices(end, 1);
    expect(ring.isEmpty).toBe(false);
    expect(drain(ring)).toEqual([
      [0x3f8, 1, [0x41], true],
      [0x100000000, 1, [0x42], false],
    ]);
    expect(page.view.getUint32(RING, true)).toBe(1);
    expect(ring.isEmpty).toBe(true);
    expect(drain(ring)).toEqual([]);
  });

  it('hands over at once what was written in a row in one width to one place', () => {
    const writes = [
      { physAddr: 0x3f8n, len: 1, pio: 1, data: Uint8Array.of(0x80, 0xee) }, // KVM clears no byte beyond the length
      { physAddr: 0x3f8n, len: 1, pio: 1, data: Uint8Array.of(0xff) },
      { physAddr: 0x3f8n, len: 2, pio: 1, data: Uint8Array.of(0x34, 0x92, 0xee) },
      { physAddr: 0x3f8n, len: 2, pio: 0, data: Uint8Array.of(1, 0) },
      { physAddr: 0x1_0000_03f8n, len: 2, pio: 0, data: Uint8Array.of(2, 0) },
      { physAddr: 0x1_0000_03f8n, len: 4, pio: 0, data: Uint8Array.of(0xff, 0xff, 0xff, 0xff) },
    ];
    writes.forEach((write, index) => {
      page.bytes.set(encode(kvmCoalescedMmio, write), RING + 8 + 24 * index);
    });
    setIndices(0, writes.length);
    expect(drain(new CoalescedRing(page.bytes))).toEqual([
      [0x3f8, 1, [0x80, 0xff], true],
      [0x3f8, 2, [0x9234], true],
      [0x3f8, 2, [1], false],
      [0x1000003f8, 2, [2], false],
      [0x1000003f8, 4, [0xffffffff], false],
    ]);
  });

  it('holds 170 entries, and gives every one of a full ring', () => {
    expect(KVM_COALESCED_MMIO_MAX).toBe(170);
    for (let i = 0; i < KVM_COALESCED_MMIO_MAX; i++) put(i, 0x3f8n, 1, i);
    setIndices(5, 4);
    const toTheEnd = [...Array(165).keys()].map((i) => i + 5);
    expect(drain(new CoalescedRing(page.bytes))).toEqual([
      [0x3f8, 1, toTheEnd, true],
      [0x3f8, 1, [0, 1, 2, 3], true],
    ]);
  });

  it('gives also what comes while it drains, and frees an entry only after it was carried out', () => {
    const ring = new CoalescedRing(page.bytes);
    put(0, 1n, 1, 1);
    put(1, 2n, 1, 2);
    setIndices(0, 1);
    const seen: number[] = [];
    ring.drain(({ address }) => {
      seen.push(address);
      expect(page.view.getUint32(RING, true)).toBe(address - 1);
      expect(ring.isEmpty).toBe(false);
      setIndices(address - 1, 2);
    });
    expect(seen).toEqual([1, 2]);
  });

  it('does not say that it took up to the end of the page while more wait at its start', () => {
    for (const i of [168, 169, 0, 1]) put(i, 0x3f8n, 1, i);
    setIndices(168, 2);
    const firsts: number[] = [];
    new CoalescedRing(page.bytes).drain(() => firsts.push(page.view.getUint32(RING, true)));
    expect([firsts, page.view.getUint32(RING, true)]).toEqual([[168, 168], 2]);
  });

  it('shows by its position that a write came, or was taken', () => {
    const ring = new CoalescedRing(page.bytes);
    const positions = new Set([ring.position]);
    setIndices(0, 1);
    positions.add(ring.position);
    setIndices(1, 1);
    positions.add(ring.position);
    expect(positions.size).toBe(3);
  });
});
