import { KVM_EXIT_IO } from '../kvm/abi/exits.js';
import type { Vcpu } from '../kvm/vcpu.js';
import * as ring from './exit-ring.js';
import { modeOf } from './guest-code.js';

const NEW_PLACE = 1;

/**
 * The vCPU thread's part of recording: what stands in KVM_RUN's place in the loop. The addon writes each exit down;
 * here is what is seldom needed. Without recording none of it is there.
 */
export class ExitRecorder {
  readonly #vcpu: Vcpu;
  readonly #cells: Int32Array;
  readonly #records: DataView;
  readonly #mask: number;
  /** For the loop, in KVM_RUN's place. */
  readonly run: () => number | undefined;

  /** @param buffer an `ExitRing`'s */
  constructor(vcpu: Vcpu, buffer: SharedArrayBuffer) {
    this.#vcpu = vcpu;
    this.#cells = new Int32Array(buffer, 0, ring.HEADER_BYTES / 4);
    this.#records = new DataView(buffer, ring.HEADER_BYTES);
    this.#mask = this.#records.byteLength / ring.RECORD_BYTES - 1;
    const run = vcpu.makeRecordingRun(new Uint8Array(buffer));
    this.run = () => {
      const result = run();
      return result === NEW_PLACE ? this.#writePlace() : result;
    };
  }

  /** The loop has ended: completes the last record. @param now the TSC */
  finish(now: number): void {
    if (this.#cells[ring.OPEN] === 0) return;
    const at = this.#openRecord;
    const { page } = this.#vcpu;
    const from = page.exitReason === KVM_EXIT_IO ? page.ioDataOffset : page.mmioDataOffset;
    this.#records.setBigUint64(at + ring.DATA, page.view.getBigUint64(from, true), true);
    this.#records.setFloat64(at + ring.HANDLED, now, true);
    this.#cells[ring.OPEN] = 0;
    Atomics.add(this.#cells, ring.HEAD, 1);
  }

  get #openRecord(): number {
    return ((this.#cells[ring.HEAD] ?? 0) & this.#mask) * ring.RECORD_BYTES;
  }

  #writePlace(): undefined {
    const sregs = this.#vcpu.getSregs();
    const records = this.#records;
    const at = this.#openRecord;
    const low = (offset: number, value: bigint): void =>
      records.setUint32(at + offset, Number(value & 0xffffffffn), true);
    // modeOf asks RFLAGS for virtual-8086 mode only, whose code has 16 bits by its segment too.
    records.setUint32(at + ring.PLACE_MODE, sregs.ss.dpl | (modeOf(sregs, 0n).bits << 8), true);
    low(ring.PLACE_CS_BASE, sregs.cs.base);
    records.setBigUint64(at + ring.PLACE_CR3, sregs.cr3, true);
    low(ring.PLACE_CR0, sregs.cr0);
    low(ring.PLACE_CR4, sregs.cr4);
    low(ring.PLACE_EFER, sregs.efer);
  }
}
