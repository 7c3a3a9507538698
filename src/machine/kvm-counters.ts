import { VmError } from '../errors.js';
import type { OwnedFd } from '../kvm/fd.js';
import { StatsReader } from '../kvm/stats.js';
import type { Vcpu } from '../kvm/vcpu.js';

type StatsOwner = Pick<Vcpu, 'getStatsFd'>;

/**
 * KVM's own counters of a machine's vCPUs, or of its VM. Their files are opened before the vCPUs run: KVM_GET_STATS_FD waits for a
 * vCPU that is inside KVM_RUN, reading does not.
 */
export class KvmCounters {
  readonly #fds: readonly OwnedFd[];
  #readers: readonly StatsReader[] | undefined;

  /** @param owners vCPUs, or a VM */
  constructor(owners: readonly StatsOwner[]) {
    this.#fds = open(owners);
  }

  /** The counters by name, added up; undefined where KVM has none to read. */
  read(): Record<string, number> | undefined {
    if (this.#fds.length === 0) return undefined;
    this.#readers ??= this.#fds.map((fd) => new StatsReader(fd));
    const sums: Record<string, number> = {};
    for (const reader of this.#readers) {
      for (const [name, value] of reader.read()) sums[name] = (sums[name] ?? 0) + value;
    }
    return sums;
  }

  close(): void {
    for (const fd of this.#fds) fd.close();
  }
}

/** A kernel before 5.14 has no such statistics: none are opened. */
function open(owners: readonly StatsOwner[]): OwnedFd[] {
  const fds: OwnedFd[] = [];
  try {
    for (const owner of owners) fds.push(owner.getStatsFd());
    return fds;
  } catch (error) {
    for (const fd of fds) fd.close();
    if (error instanceof VmError && error.code === 'KVM_CALL_FAILED') return [];
    throw error;
  }
}
