/**
 * pvpanic, through which a guest's panic notifier tells that it panicked (QEMU docs/specs/pvpanic.rst, ISA form:
 * port 0x505, one byte, ACPI id QEMU0001). A read gives the events that are understood. A guest that reports a crash
 * which its own crash kernel is about to handle goes on running.
 * Left out: the PCI form, and the shutdown event of later versions.
 */
import { type StructOf, struct, u8 } from '../memory/struct.js';
import type { EndSink, Registers } from './device.js';

/** "PVPANIC_PANICKED": the guest panicked. */
const PVPANIC_PANICKED = 1 << 0;
/** "PVPANIC_CRASH_LOADED": it panicked and handles that itself, by its crash kernel. */
const PVPANIC_CRASH_LOADED = 1 << 1;
const SUPPORTED = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;

export const pvpanicState = struct({
  /** The events reported so far. */
  events: u8,
});

export class Pvpanic implements Registers {
  constructor(
    private readonly state: StructOf<typeof pvpanicState>,
    private readonly machine: EndSink,
  ) {}

  read(): number {
    return SUPPORTED;
  }

  write(_offset: number, value: number): void {
    this.state.events |= value & SUPPORTED;
    if ((value & PVPANIC_PANICKED) !== 0) this.machine.end({ reason: 'panic', by: 'pvpanic' });
  }
}
