import { Uart } from '../../../src/devices/uart.js';
import { uartState } from '../../../src/devices/uart-registers.js';
import { inb, outb, QueuedBytes, RecordedBytes, RecordedDelay, RecordedLine } from './parts.js';

export const RX = 0;
export const TX = 0;
export const IER = 1;
export const IIR = 2;
export const FCR = 2;
export const EFR = 2;
export const LCR = 3;
export const MCR = 4;
export const LSR = 5;
export const MSR = 6;
export const SCR = 7;

export const IER_RDI = 1;
export const IER_THRI = 2;
export const IER_RLSI = 4;
export const IER_MSI = 8;
export const FIFO_ON = 0x01;
export const FIFO_TRIGGER_8 = 0x81;
export const MCR_DTR_RTS = 0x03;
export const MCR_OUT2 = 0x08;
export const MCR_LOOP = 0x10;
export const LSR_IDLE = 0x60;
export const DATA_READY = 0x01;
export const OVERRUN = 0x02;

/** A UART with recorded surroundings, and short names for what a test does with it. */
export function uartRig() {
  const state = uartState.make();
  const irq = new RecordedLine();
  const out = new RecordedBytes();
  const far = new QueuedBytes();
  const delay = new RecordedDelay();
  const uart = new Uart(state, irq, out, far, delay);
  const read = (offset: number): number => inb(uart, offset);
  const write = (offset: number, value: number): void => outb(uart, offset, value);

  /** Another thread brings input. */
  function arrives(text: string): void {
    far.push(text);
    uart.receive();
  }

  /** All that a driver's interrupt handler would take: while DR, read RX. */
  function drain(): string {
    const bytes: number[] = [];
    while (read(LSR) & DATA_READY) bytes.push(read(RX));
    return Buffer.from(bytes).toString('latin1');
  }

  return { state, irq, out, far, delay, uart, read, write, arrives, drain };
}
