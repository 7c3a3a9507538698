import type { Access, ExitEvent, HardwareExit } from '../../../src/trace/model.js';

/** A write of 'A' to the first serial port. */
export const UART_WRITE: Access = {
  bus: 'pio',
  write: true,
  address: 0x3f8,
  size: 1,
  count: 1,
  value: 0x41n,
  device: 'uart',
};

export function hardwareExit(fields: Partial<HardwareExit> = {}): HardwareExit {
  return {
    enteredNs: 1_100,
    exitedNs: 1_400,
    reason: 'IO_INSTRUCTION',
    rip: 0x100010n,
    info1: 0x3f8_0000n,
    info2: 0n,
    interruptInfo: 0,
    injected: [],
    ...fields,
  };
}

export function exitEvent(fields: Partial<ExitEvent> = {}): ExitEvent {
  return {
    cpu: 0,
    number: 0,
    reason: 'IO',
    access: UART_WRITE,
    detail: undefined,
    rip: 0x100010n,
    ripIs: 'exact',
    bits: 64,
    cpl: 0,
    enteredNs: 1_000,
    returnedNs: 1_500,
    handledNs: 2_000,
    continued: false,
    hardware: [hardwareExit()],
    ...fields,
  };
}

/**
 * A made-up run, `count` exits of each vCPU: most write to the serial port, one in eight reads a disk by MMIO, and one in
 * five has an external interrupt before it, which KVM keeps. Halfway there is a pause.
 */
export function* madeUpRun(count: number, cpus = 1, kernelSide = true): Generator<ExitEvent> {
  for (let number = 0; number < count; number++) {
    for (let cpu = 0; cpu < cpus; cpu++) {
      const start = 1_000 + number * 10_000 + cpu * 777 + (number > count / 2 ? 20_000 : 0);
      const kept = hardwareExit({
        enteredNs: start + 500,
        exitedNs: start + 2_000,
        reason: 'EXTERNAL_INTERRUPT',
        interruptInfo: 0x800000ec,
      });
      const led = hardwareExit({
        enteredNs: start + 2_500,
        exitedNs: start + 6_000,
        injected: number % 5 === 0 ? [0x30] : [],
        rip: BigInt(0x100000 + (number % 40) * 4),
      });
      const mmio = number % 8 === 3;
      yield exitEvent({
        cpu,
        number,
        reason: mmio ? 'MMIO' : 'IO',
        access: mmio
          ? { ...UART_WRITE, bus: 'mmio', write: false, address: 0xfe000000, size: 4, device: 'disk' }
          : UART_WRITE,
        rip: led.rip,
        ripIs: mmio ? 'after' : 'exact',
        cpl: number % 3 === 0 ? 3 : 0,
        enteredNs: start,
        returnedNs: start + 7_000,
        handledNs: start + 10_000 - (number % 7),
        hardware: kernelSide ? (number % 5 === 0 ? [kept, led] : [led]) : undefined,
      });
    }
  }
}
