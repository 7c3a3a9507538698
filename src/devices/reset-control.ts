/**
 * The reset control register of Intel's chip sets, port 0xcf9 (82371SB/PIIX3 data sheet, RC register; ICH9, 13.7.5).
 * It is one byte, inside the double word of PCI's CONFIG_ADDRESS, which takes double words only.
 * The machine resets at a write that changes RCPU from 0 to 1; what kind of reset it is makes no difference here.
 */
import { type StructOf, struct, u8 } from '../memory/struct.js';
import type { EndSink, Registers } from './device.js';

/** SRST: the next reset is a hard one. */
const SYSTEM_RESET = 1 << 1;
/** RCPU: a change from 0 to 1 resets. */
const RESET_CPU = 1 << 2;
/** FULL_RST (ICH9): with the power going off and on. */
const FULL_RESET = 1 << 3;
const WRITABLE = SYSTEM_RESET | RESET_CPU | FULL_RESET;

/** What ACPI's reset register writes here: a hard reset at once. */
export const RESET_VALUE = SYSTEM_RESET | RESET_CPU;

export const resetControlState = struct({ control: u8 });

export class ResetControl implements Registers {
  constructor(
    private readonly state: StructOf<typeof resetControlState>,
    private readonly machine: EndSink,
  ) {}

  read(): number {
    return this.state.control;
  }

  write(_offset: number, value: number): void {
    const rising = value & ~this.state.control & RESET_CPU;
    this.state.control = value & WRITABLE;
    if (rising !== 0) this.machine.end({ reason: 'reset', by: 'port 0xcf9' });
  }
}
