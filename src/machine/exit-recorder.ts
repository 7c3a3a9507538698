import { KVM_EXIT_IO } from '../kvm/abi/exits.js';
import type { RunPage } from '../kvm/exit.js';
import { DATA, HANDLED, HEAD, HEADER_BYTES, OPEN, RECORD_BYTES, RUN_ENDED } from './exit-ring.js';

/**
 * The vCPU's loop has ended. Completes the record of its last exit, which is open until KVM_RUN is called again; where
 * there is none, its last KVM_RUN made no exit.
 * @param buffer an `ExitRing`'s; @param page the vCPU's; @param now the TSC
 */
export function finishRecording(buffer: SharedArrayBuffer, page: RunPage, now: number): void {
  const cells = new Int32Array(buffer, 0, HEADER_BYTES / 4);
  if (cells[OPEN] === 0) {
    new Float64Array(buffer, 0, HEADER_BYTES / 8)[RUN_ENDED] = now;
    return;
  }
  const records = new DataView(buffer, HEADER_BYTES);
  const at = ((cells[HEAD] ?? 0) * RECORD_BYTES) % records.byteLength;
  const from = page.exitReason === KVM_EXIT_IO ? page.ioDataOffset : page.mmioDataOffset;
  records.setBigUint64(at + DATA, page.view.getBigUint64(from, true), true);
  records.setFloat64(at + HANDLED, now, true);
  cells[OPEN] = 0;
  Atomics.add(cells, HEAD, 1);
}
