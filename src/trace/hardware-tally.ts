import type { ExitEvent, ExitSink, HardwareExit } from './model.js';

/** Hardware exits of one reason, by who handled them. */
export interface HandledBy {
  /** KVM alone: it entered the guest again. */
  kvm: number;
  /** This program: KVM_RUN returned. */
  vmlaunch: number;
}

/** Counts hardware exits by the kernel's reasons, of which there are few, and who handled them. */
export class HardwareTally implements ExitSink {
  readonly #reasons = new Map<string, HandledBy>();

  add({ hardware, continued }: ExitEvent): void {
    const last = continued ? undefined : hardware?.at(-1);
    for (const exit of hardware ?? []) this.#of(exit)[exit === last ? 'vmlaunch' : 'kvm']++;
  }

  kept(hardware: readonly HardwareExit[] | undefined): void {
    for (const exit of hardware ?? []) this.#of(exit).kvm++;
  }

  /** Most first. */
  get byReason(): Readonly<Record<string, Readonly<HandledBy>>> {
    const total = ({ kvm, vmlaunch }: HandledBy): number => kvm + vmlaunch;
    return Object.fromEntries([...this.#reasons].sort(([, a], [, b]) => total(b) - total(a)));
  }

  #of({ reason }: HardwareExit): HandledBy {
    let found = this.#reasons.get(reason);
    if (found === undefined) {
      found = { kvm: 0, vmlaunch: 0 };
      this.#reasons.set(reason, found);
    }
    return found;
  }
}
