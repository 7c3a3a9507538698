/**
 * Two ports for messages without a driver.
 * Port 0x80: the power-on self-test code of the PC AT (IBM PC AT Technical Reference, "Diagnostic port"); systems
 * also write to it to pass the time of one bus cycle. It remembers the last byte, as the DMA page register behind
 * it does. Left out: the page registers of the DMA controller beside it.
 * Port 0xe9: the debug console of Bochs and QEMU (`port_e9_hack`, `isa-debugcon`): a byte written is a byte out, and
 * a read gives 0xe9, by which a guest finds it. It has no state.
 * Both are a byte wide: ranges of one port.
 */
import { type StructOf, struct, u8 } from '../memory/struct.js';
import type { ByteSink, Registers } from './device.js';

export const postCodeState = struct({ last: u8 });

export class PostCode implements Registers {
  constructor(private readonly state: StructOf<typeof postCodeState>) {}

  read(): number {
    return this.state.last;
  }

  write(_offset: number, value: number): void {
    this.state.last = value;
  }
}

/** What a read of the debug console gives: "there is one". */
const DEBUG_CONSOLE_PRESENT = 0xe9;

export class DebugConsole implements Registers {
  constructor(private readonly out: ByteSink) {}

  read(): number {
    return DEBUG_CONSOLE_PRESENT;
  }

  write(_offset: number, value: number): void {
    this.out.write(value & 0xff);
  }
}
