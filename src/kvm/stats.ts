/** KVM's binary statistics (KVM API 4.133): a header, descriptors that never change, and a block of u64. */
import { VmError } from '../errors.js';
import { decode } from './abi/layout.js';
import { kvmStatsDesc, kvmStatsHeader } from './abi/vm.js';
import type { Fd } from './fd.js';
import { native } from './native.js';

/** One statistic: where its values are. */
export interface StatDescriptor {
  readonly name: string;
  /** KVM_STATS_TYPE_*, _UNIT_*, _BASE_* */
  readonly flags: number;
  /** The unit's power of 10 or 2. */
  readonly exponent: number;
  /** How many u64: more than 1 for a histogram. */
  readonly size: number;
  /** Bytes from the start of the data block. */
  readonly offset: number;
  /** The width of a linear histogram's bucket. */
  readonly bucketSize: number;
}

export interface StatsLayout {
  /** Whose they are, such as "kvm-1234/vcpu-0". */
  readonly id: string;
  readonly descriptors: readonly StatDescriptor[];
  /** Where in the file the data block is, and its length, in bytes. */
  readonly dataOffset: number;
  readonly dataSize: number;
}

/** Reads `length` bytes of the file from `offset`. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

/** Reads the parts that never change. */
export function readStatsLayout(readAt: ReadAt): StatsLayout {
  const header = decode(kvmStatsHeader, readAt(0, kvmStatsHeader.size));
  const stride = kvmStatsDesc.size + header.nameSize;
  const block = readAt(header.descOffset, stride * header.numDesc);
  const descriptors = Array.from({ length: header.numDesc }, (_, i) => {
    const bytes = block.subarray(i * stride, (i + 1) * stride);
    return { ...decode(kvmStatsDesc, bytes), name: text(bytes.subarray(kvmStatsDesc.size)) };
  });
  const dataSize = descriptors.reduce((end, { offset, size }) => Math.max(end, offset + 8 * size), 0);
  return { id: text(readAt(header.idOffset, header.nameSize)), descriptors, dataOffset: header.dataOffset, dataSize };
}

/** The text before the first zero byte. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.slice(0, end < 0 ? bytes.length : end));
}

/** Values by name. A histogram's buckets are added up: how often, not how long. Exact below 2^53. */
export function statValues(layout: StatsLayout, data: Uint8Array): Map<string, number> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Map<string, number>();
  for (const { name, size, offset } of layout.descriptors) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += Number(view.getBigUint64(offset + 8 * i, true));
    values.set(name, sum);
  }
  return values;
}

/** Reads the statistics of one VM or vCPU again and again; the descriptors once. */
export class StatsReader {
  readonly layout: StatsLayout;
  readonly #fd: Fd;

  /** @param fd what `Vm.getStatsFd` or `Vcpu.getStatsFd` gave; whoever called that closes it */
  constructor(fd: Fd) {
    this.#fd = fd;
    this.layout = readStatsLayout((offset, length) => this.#readAt(offset, length));
  }

  /** The values now. Throws VmError KVM_CALL_FAILED, or CLOSED. */
  read(): Map<string, number> {
    return statValues(this.layout, this.#readAt(this.layout.dataOffset, this.layout.dataSize));
  }

  #readAt(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = native.pread(this.#fd.number, bytes.subarray(done), offset + done);
      if (count <= 0) throw readFailure(count);
      done += count;
    }
    return bytes;
  }
}

function readFailure(count: number): VmError {
  const why = count === 0 ? 'the file ends too early' : `errno ${-count}`;
  return new VmError('KVM_CALL_FAILED', `reading KVM’s statistics failed: ${why}`);
}
