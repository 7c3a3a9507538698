import { describe, expect, it } from 'vitest';
import { KVM_EXIT_IO, KVM_EXIT_IO_OUT, KVM_EXIT_MMIO } from '../../../src/kvm/abi/exits.js';
import type { PartialValue } from '../../../src/kvm/abi/layout.js';
import { encode } from '../../../src/kvm/abi/layout.js';
import { kvmRun } from '../../../src/kvm/abi/run.js';
import { RunPage } from '../../../src/kvm/exit.js';
import { finishRecording } from '../../../src/machine/exit-recorder.js';
import { ExitRing, exitRingBuffer, HEADER_BYTES, type RawExit, RECORD_BYTES } from '../../../src/machine/exit-ring.js';

const RECORDS = 4;

/** The writer's part, as native/recorder.h lays it out. */
class Writer {
  readonly buffer = exitRingBuffer(RECORDS);
  readonly cells = new Uint32Array(this.buffer, 0, 4);
  readonly counts = new Float64Array(this.buffer, 0, 6);
  readonly page = new RunPage(new Uint8Array(new SharedArrayBuffer(0x2000)));

  open(number: number, run: PartialValue<typeof kvmRun>): DataView {
    encode(kvmRun, run, this.page.bytes);
    const at = HEADER_BYTES + ((this.cells[0] ?? 0) % RECORDS) * RECORD_BYTES;
    const record = new DataView(this.buffer, at, RECORD_BYTES);
    record.setFloat64(0, 100 * number, true);
    record.setFloat64(8, 100 * number + 50, true);
    record.setUint32(24, number, true);
    record.setUint32(28, this.page.exitReason, true);
    new Uint8Array(this.buffer, at + 32, 32).set(this.page.bytes.subarray(32, 64));
    record.setBigUint64(64, 0xffffffff81000000n, true);
    record.setUint8(88, 0);
    this.cells[2] = 1;
    this.counts[2] = number + 1;
    return record;
  }

  close(): void {
    this.cells[2] = 0;
    this.cells[0] = ((this.cells[0] ?? 0) + 1) >>> 0;
  }
}

const out = (value: number): PartialValue<typeof kvmRun> => {
  const io = { direction: KVM_EXIT_IO_OUT, size: 1, port: 0x3f8, count: 1, dataOffset: 0x1000n };
  return { exitReason: KVM_EXIT_IO, exit: { io } as never, cr8: BigInt(value) };
};

function drained(ring: ExitRing): Pick<RawExit, 'number' | 'handled'>[] {
  const taken: Pick<RawExit, 'number' | 'handled'>[] = [];
  ring.take(ring.waiting, ({ number, handled }) => taken.push({ number, handled }));
  return taken;
}

describe('the ring of exits', () => {
  it('gives what kvm_run said, and nothing of a record that is open', () => {
    const writer = new Writer();
    const ring = new ExitRing(writer.buffer);
    const record = writer.open(0, out(0));
    expect(drained(ring)).toEqual([]);
    record.setBigUint64(80, 0x41n, true);
    writer.close();
    let seen = 0;
    ring.take(ring.waiting, ({ page, data, rip, entered, returned, place }) => {
      seen++;
      expect([page.exitReason, page.ioPort, page.ioSize, page.ioIsOut]).toEqual([KVM_EXIT_IO, 0x3f8, 1, true]);
      expect([data, rip, entered, returned]).toEqual([0x41n, 0xffffffff81000000n, 0, 50]);
      expect(place).toBeUndefined();
    });
    expect(seen).toBe(1);
    expect([ring.exits, ring.lost]).toEqual([1, 0]);
  });

  it('gives a new place with its mode', () => {
    const writer = new Writer();
    const record = writer.open(0, out(0));
    record.setUint8(88, 1);
    record.setUint8(89, 1);
    record.setUint8(91, 3);
    record.setBigUint64(96, 0x5000n, true);
    record.setUint32(104, 0x80000001, true);
    record.setUint32(112, 0x500, true);
    writer.close();
    new ExitRing(writer.buffer).take(1, ({ place }) => {
      expect(place).toEqual({
        cpl: 3,
        bits: 64,
        csBase: 0n,
        paging: { cr0: 0x80000001n, cr3: 0x5000n, cr4: 0n, efer: 0x500n },
      });
    });
    expect.assertions(1);
  });

  it('goes round, and over the end of its counters', () => {
    const writer = new Writer();
    writer.cells[0] = 0xfffffffe;
    writer.cells[1] = 0xfffffffe;
    const ring = new ExitRing(writer.buffer);
    for (let i = 0; i < 10; i++) {
      writer.open(i, out(i));
      writer.close();
      expect(drained(ring)).toEqual([{ number: i, handled: 0 }]);
    }
  });

  it('is completed at the end of the loop, with what the device answered', () => {
    const writer = new Writer();
    const ring = new ExitRing(writer.buffer);
    const mmio = { physAddr: 0xd0000000n, data: Uint8Array.of(1, 2, 3, 4), len: 4, isWrite: 0 };
    writer.open(0, { exitReason: KVM_EXIT_MMIO, exit: { mmio } } as PartialValue<typeof kvmRun>);
    writer.page.bytes.set([9, 8, 7, 6], writer.page.mmioDataOffset);
    finishRecording(writer.buffer, writer.page, 777);
    ring.take(ring.waiting, ({ data, handled }) => {
      expect([data & 0xffffffffn, handled]).toEqual([0x06070809n, 777]);
    });
    expect.assertions(2);
    expect(ring.interruptedRun).toBeUndefined();
  });

  it('tells of no KVM_RUN where the vCPU was stopped before its first', () => {
    const writer = new Writer();
    finishRecording(writer.buffer, writer.page, 5000);
    expect(new ExitRing(writer.buffer).interruptedRun).toBeUndefined();
  });

  it('tells of a last KVM_RUN that made no exit', () => {
    const writer = new Writer();
    writer.counts[4] = 1000;
    finishRecording(writer.buffer, writer.page, 5000);
    const ring = new ExitRing(writer.buffer);
    expect(drained(ring)).toEqual([]);
    expect(ring.interruptedRun).toEqual({ entered: 1000, ended: 5000 });
  });
});
