import { exitLabel } from '../kvm/exit-words.js';
import type { ControlBlock } from './control.js';

/** What a machine's vCPUs did, added up over all of them. */
export interface MachineStats {
  readonly exits: {
    readonly total: number;
    /** By KVM's name of the reason, without KVM_EXIT_. */
    readonly byReason: Readonly<Record<string, number>>;
  };
  /** CLOCK_MONOTONIC before the first KVM_RUN, in nanoseconds; absent before it. */
  readonly startedNs?: number;
  /** Nanoseconds inside and outside of KVM_RUN; absent where the machine is not timed. */
  readonly time?: { readonly insideNs: number; readonly outsideNs: number };
  /** Accesses that no device claimed, in bytes. */
  readonly unclaimed: { readonly pio: number; readonly mmio: number };
  /** KVM's own counters of the vCPUs; absent where KVM has none to read. */
  readonly kvm?: Readonly<Record<string, number>>;
}

/** Reads what the vCPU threads counted. */
export function collectStats(
  controls: readonly ControlBlock[],
  timed: boolean,
  kvm: Readonly<Record<string, number>> | undefined,
): MachineStats {
  const byReason: Record<string, number> = {};
  const unclaimed = { pio: 0, mmio: 0 };
  const starts: number[] = [];
  let total = 0;
  let insideNs = 0;
  let outsideNs = 0;
  for (const control of controls) {
    control.byReason.forEach((count, reason) => {
      if (count === 0) return;
      total += count;
      const name = exitLabel(reason);
      byReason[name] = (byReason[name] ?? 0) + count;
    });
    const { unclaimedPio, unclaimedMmio, startTicks, endTicks, startNs, endNs, insideTicks } = control.fields;
    unclaimed.pio += unclaimedPio;
    unclaimed.mmio += unclaimedMmio;
    if (startNs > 0) starts.push(startNs);
    const ticks = endTicks - startTicks;
    if (ticks <= 0) continue;
    const inside = (insideTicks / ticks) * (endNs - startNs);
    insideNs += inside;
    outsideNs += endNs - startNs - inside;
  }
  const time = timed ? { time: { insideNs: Math.round(insideNs), outsideNs: Math.round(outsideNs) } } : {};
  const started = starts.length > 0 ? { startedNs: Math.min(...starts) } : {};
  return { exits: { total, byReason }, ...started, ...time, unclaimed, ...(kvm === undefined ? {} : { kvm }) };
}

/** What two runs of a machine did, one after the other. What only one of them has is absent. */
export function addStats(first: MachineStats, second: MachineStats): MachineStats {
  const time = first.time && second.time && sumOf(first.time, second.time);
  const kvm = first.kvm && second.kvm && sumOf(first.kvm, second.kvm);
  return {
    exits: {
      total: first.exits.total + second.exits.total,
      byReason: sumOf(first.exits.byReason, second.exits.byReason),
    },
    ...(first.startedNs === undefined ? {} : { startedNs: first.startedNs }),
    ...(time === undefined ? {} : { time }),
    unclaimed: sumOf(first.unclaimed, second.unclaimed),
    ...(kvm === undefined ? {} : { kvm }),
  };
}

/** Adds numbers by name; a name that one of them lacks counts 0 there. */
function sumOf<Counts extends Readonly<Record<string, number>>>(first: Counts, second: Counts): Counts {
  const sums: Record<string, number> = { ...first };
  for (const [name, count] of Object.entries(second)) sums[name] = (sums[name] ?? 0) + count;
  return sums as Counts;
}
