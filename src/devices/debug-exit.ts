/**
 * QEMU's `isa-debug-exit` (hw/misc/debugexit.c), at ports 0xf4 to 0xf7: the guest writes v, of one, two or four bytes,
 * to any of them, and the machine ends with status ((v << 1) | 1) & 0xff, which is always odd. Reads give 0.
 * Nothing is left out.
 */
import { type StructOf, struct, u32 } from '../memory/struct.js';
import type { EndSink, Registers } from './device.js';

export const debugExitState = struct({
  /** What the guest wrote last. */
  written: u32,
});

export class DebugExit implements Registers {
  constructor(
    private readonly state: StructOf<typeof debugExitState>,
    private readonly machine: EndSink,
  ) {}

  read(): number {
    return 0;
  }

  write(_offset: number, value: number): void {
    this.state.written = value;
    this.machine.end({ reason: 'debug-exit', status: ((value << 1) | 1) & 0xff });
  }
}
