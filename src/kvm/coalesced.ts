import { KVM_COALESCED_MMIO_PAGE_OFFSET } from './abi/constants.js';
import { kvmCoalescedMmio, kvmCoalescedMmioRing } from './abi/run.js';

const PAGE_SIZE = 4096;
const FIRST = kvmCoalescedMmioRing.fields.first.offset / 4;
const LAST = kvmCoalescedMmioRing.fields.last.offset / 4;
const ENTRY = kvmCoalescedMmio.fields;
/** Entries that fit behind the ring's header (KVM_COALESCED_MMIO_MAX): one less than this may wait. */
export const KVM_COALESCED_MMIO_MAX = Math.floor((PAGE_SIZE - kvmCoalescedMmioRing.size) / kvmCoalescedMmio.size);

/**
 * One write that KVM kept back.
 * @param address a port, or a guest-physical address (below 2^52)
 * @param length 1, 2, 4 or 8 bytes
 * @param dataOffset where the bytes are in `CoalescedRing.view`, until the call returns
 */
export type CoalescedWrite = (address: number, length: number, dataOffset: number, isPio: boolean) => void;

/**
 * The ring of coalesced writes (KVM API 4.116). A VM has one, which every vCPU's mapping shows: where there are
 * several vCPUs, whoever drains holds a lock.
 */
export class CoalescedRing {
  readonly view: DataView;
  readonly #indices: Uint32Array;

  /** @param run a vCPU's mapping (`vcpu.page.bytes`) */
  constructor(run: Uint8Array) {
    const start = run.byteOffset + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE_SIZE;
    this.view = new DataView(run.buffer, start, PAGE_SIZE);
    this.#indices = new Uint32Array(run.buffer, start, kvmCoalescedMmioRing.size / 4);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#indices, FIRST) === Atomics.load(this.#indices, LAST);
  }

  /** Hands over every write that waits, oldest first, also those that come meanwhile. Returns how many. */
  drain(write: CoalescedWrite): number {
    let first = Atomics.load(this.#indices, FIRST);
    let count = 0;
    while (first !== Atomics.load(this.#indices, LAST)) {
      this.#give(kvmCoalescedMmioRing.size + first * kvmCoalescedMmio.size, write);
      first = first + 1 === KVM_COALESCED_MMIO_MAX ? 0 : first + 1;
      // KVM may overwrite the entry from here on.
      Atomics.store(this.#indices, FIRST, first);
      count++;
    }
    return count;
  }

  #give(at: number, write: CoalescedWrite): void {
    const address = at + ENTRY.physAddr.offset;
    const low = this.view.getUint32(address, true);
    const high = this.view.getUint32(address + 4, true);
    const length = this.view.getUint32(at + ENTRY.len.offset, true);
    const isPio = this.view.getUint32(at + ENTRY.pio.offset, true) !== 0;
    write(high * 0x100000000 + low, length, at + ENTRY.data.offset, isPio);
  }
}
