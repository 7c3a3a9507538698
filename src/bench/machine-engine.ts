import { messageOf, VmError } from '../errors.js';
import { Kvm } from '../kvm/kvm.js';
import type { MachineEnd } from '../machine/end.js';
import { Machine } from '../machine/machine.js';
import type { MachineOptions } from '../machine/options.js';
import { Arrivals } from './arrivals.js';
import type { Engine, Launch, Start } from './engine.js';

/** This project's own machine, in this process, on the KVM that is here. */
export class MachineEngine implements Pick<Engine, 'name' | 'probe' | 'launch'> {
  readonly name = 'kvm';

  /** @param machineOf the guest with a command line */
  constructor(
    private readonly version: string,
    private readonly machineOf: (start: Start) => MachineOptions,
  ) {}

  async probe(): Promise<{ readonly version: string } | { readonly missing: string }> {
    try {
      Kvm.open().close();
      return { version: this.version };
    } catch (error) {
      return { missing: messageOf(error) };
    }
  }

  async launch(start: Start, signal: AbortSignal): Promise<Launch> {
    await using machine = await Machine.create(this.machineOf(start));
    const stop = (): void => void machine.stop();
    signal.addEventListener('abort', stop, { once: true });
    const arrivals = new Arrivals();
    machine.output.on('data', (bytes: Buffer) => {
      if (!arrivals.take(bytes)) stop();
    });
    machine.start();
    if (signal.aborted) stop();
    const end = await machine.ended;
    signal.removeEventListener('abort', stop);
    return arrivals.launch(arrivals.ended ? undefined : failureOf(end));
  }
}

export function failureOf(end: MachineEnd): string {
  if (end.reason !== 'error') return `ended: ${end.reason}`;
  return end.error instanceof VmError ? end.error.message : messageOf(end.error);
}
