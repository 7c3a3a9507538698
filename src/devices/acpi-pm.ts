/**
 * ACPI's fixed power management hardware (ACPI 6.4, 4.8.3) as one block of 12 ports: the PM1a event block at 0 (status,
 * then enable), PM1a control at 4, the PM timer at 8. Any width of 1, 2 or 4 bytes goes anywhere in the block.
 * Left out: events other than the power button (so TMR_STS is never set), sleep states other than S5, GPEs, and
 * legacy mode: the hardware is always in ACPI mode (SCI_EN reads 1).
 */
import { type StructOf, struct, u16 } from '../memory/struct.js';
import type { Clock, EndSink, InterruptLine, Registers } from './device.js';

/** Offsets in the block, in bytes. */
const PM1_STATUS = 0;
const PM1_ENABLE = 2;
const PM1_CONTROL = 4;
const PM_TIMER = 8;

/** PM1 status (table 4.11); a written 1 clears. The enable register (table 4.12) has the same bits but WAK_STS. */
const TMR_STS = 1 << 0;
const GBL_STS = 1 << 5;
const PWRBTN_STS = 1 << 8;
const SLPBTN_STS = 1 << 9;
const RTC_STS = 1 << 10;
const ENABLE_MASK = TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS;

/** PM1 control (table 4.13). SLP_EN and GBL_RLS are write-only. */
const SCI_EN = 1 << 0;
const BM_RLD = 1 << 1;
const SLP_TYP_SHIFT = 10;
const SLP_TYP_MASK = 7 << SLP_TYP_SHIFT;
const SLP_EN = 1 << 13;
const CONTROL_KEPT = BM_RLD | SLP_TYP_MASK;

/** SLP_TYP of S5, soft off, as the DSDT's \_S5 must name it. */
const SLP_TYP_S5 = 5;

/** The PM timer counts at 3.579545 MHz (4.8.3.3), 32 bits wide (TMR_VAL_EXT). */
const TICKS_PER_NS = 3.579545e-3;

export const acpiPmState = struct({ status: u16, enable: u16, control: u16 });

export class AcpiPm implements Registers {
  /** @param sci the System Control Interrupt: up while an event is set in status and enabled */
  constructor(
    private readonly state: StructOf<typeof acpiPmState>,
    private readonly sci: InterruptLine,
    private readonly clock: Clock,
    private readonly machine: EndSink,
  ) {}

  read(offset: number, size: number): number {
    const aligned = offset & ~3;
    const shift = (offset & 3) * 8;
    // Each double word is read once: the timer must not go on between its bytes.
    let value = this.#doubleWord(aligned) >>> shift;
    if (shift + size * 8 > 32) value |= this.#doubleWord(aligned + 4) << (32 - shift);
    return size >= 4 ? value >>> 0 : value & ((1 << (size * 8)) - 1);
  }

  write(offset: number, value: number, size: number): void {
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (i * 8)) & 0xff);
    this.#updateSci();
  }

  /** The fixed power button. The caller holds the device's lock. */
  pressPowerButton(): void {
    this.state.status |= PWRBTN_STS;
    this.#updateSci();
  }

  #doubleWord(offset: number): number {
    switch (offset) {
      case PM1_STATUS:
        return this.state.status | (this.state.enable << 16);
      case PM1_CONTROL:
        return this.state.control | SCI_EN;
      case PM_TIMER:
        return (this.clock.now() * TICKS_PER_NS) >>> 0;
      default:
        return 0;
    }
  }

  #writeByte(offset: number, byte: number): void {
    const { state } = this;
    const shift = (offset & 1) * 8;
    const mask = 0xff << shift;
    const bits = byte << shift;
    switch (offset & ~1) {
      case PM1_STATUS:
        state.status &= ~bits;
        break;
      case PM1_ENABLE:
        state.enable = ((state.enable & ~mask) | bits) & ENABLE_MASK;
        break;
      case PM1_CONTROL:
        state.control = ((state.control & ~mask) | bits) & CONTROL_KEPT;
        // SLP_TYP and SLP_EN are in one byte: whatever the width, they arrive together.
        if ((bits & SLP_EN) !== 0) this.#sleep((bits & SLP_TYP_MASK) >> SLP_TYP_SHIFT);
        break;
    }
  }

  #sleep(type: number): void {
    if (type === SLP_TYP_S5) this.machine.end({ reason: 'power-off' });
  }

  #updateSci(): void {
    this.sci.set((this.state.status & this.state.enable) !== 0);
  }
}
