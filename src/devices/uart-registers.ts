/** The registers of a 16550A UART, and its state. Source: PC16550D data sheet (National Semiconductor, 1995), section 8. */
import { bytes, struct, u8 } from '../memory/struct.js';

/** Register offsets; with DLAB set, 0 and 1 are the divisor latch. */
export const RBR_THR = 0;
export const IER = 1;
export const IIR_FCR = 2;
export const LCR = 3;
export const MCR = 4;
export const LSR = 5;
export const MSR = 6;
export const SCR = 7;

/** Interrupt Enable Register (8.6). */
export const IER_RECEIVED_DATA = 1 << 0;
export const IER_THR_EMPTY = 1 << 1;
export const IER_LINE_STATUS = 1 << 2;
export const IER_MODEM_STATUS = 1 << 3;
export const IER_MASK = IER_RECEIVED_DATA | IER_THR_EMPTY | IER_LINE_STATUS | IER_MODEM_STATUS;

/** Interrupt Identification Register (8.5), table IV: by priority. */
export const IIR_LINE_STATUS = 0x06;
export const IIR_RECEIVED_DATA = 0x04;
export const IIR_CHARACTER_TIMEOUT = 0x0c;
export const IIR_THR_EMPTY = 0x02;
export const IIR_MODEM_STATUS = 0x00;
export const IIR_NONE = 0x01;
export const IIR_FIFOS_ENABLED = 0xc0;

/** FIFO Control Register (8.4). */
export const FCR_ENABLE = 1 << 0;
export const FCR_RECEIVER_RESET = 1 << 1;
const FCR_DMA_MODE = 1 << 3;
export const FCR_TRIGGER_SHIFT = 6;
export const FCR_KEPT = FCR_ENABLE | FCR_DMA_MODE | (3 << FCR_TRIGGER_SHIFT);
/** Bytes at which the received-data interrupt comes, by the two trigger bits. */
export const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
export const FIFO_BYTES = 16;
/** How long a full FIFO takes at 115,200 baud, of ten bits a byte. */
export const FULL_FIFO_NS = Math.round((FIFO_BYTES * 10 * 1e9) / 115_200);

/** Line Control Register (8.1): divisor latch access bit. */
export const LCR_DLAB = 1 << 7;

/** Modem Control Register (8.7). */
export const MCR_DTR = 1 << 0;
export const MCR_RTS = 1 << 1;
export const MCR_OUT1 = 1 << 2;
/** On a PC this output opens the gate between the UART's interrupt pin and the bus. */
export const MCR_OUT2 = 1 << 3;
export const MCR_LOOP = 1 << 4;
export const MCR_MASK = MCR_DTR | MCR_RTS | MCR_OUT1 | MCR_OUT2 | MCR_LOOP;

/** Line Status Register (8.3). */
export const LSR_DATA_READY = 1 << 0;
export const LSR_OVERRUN = 1 << 1;
export const LSR_THR_EMPTY = 1 << 5;
export const LSR_TRANSMITTER_EMPTY = 1 << 6;

/** Modem Status Register (8.8): what changed since it was read, and the lines. */
export const MSR_DELTA_CTS = 1 << 0;
export const MSR_DELTA_DSR = 1 << 1;
export const MSR_TRAILING_RI = 1 << 2;
export const MSR_DELTA_DCD = 1 << 3;
export const MSR_CTS = 1 << 4;
export const MSR_DSR = 1 << 5;
export const MSR_RI = 1 << 6;
export const MSR_DCD = 1 << 7;
export const MSR_FAR_END = MSR_CTS | MSR_DSR | MSR_DCD;

export const uartState = struct({
  ier: u8,
  fcr: u8,
  lcr: u8,
  mcr: u8,
  scr: u8,
  divisorLow: u8,
  divisorHigh: u8,
  /** The error bits of LSR, until it is read. */
  lineErrors: u8,
  /** The delta bits of MSR, until it is read. */
  modemDeltas: u8,
  /** Whether the THR-empty interrupt waits. */
  thrEmptyPending: u8,
  /** Whether the last write to THR came late. */
  flooded: u8,
  /** Whether that interrupt is to come once the delay is over. */
  thrEmptyDelayed: u8,
  /** Whether the guest ever wrote MCR. */
  mcrWritten: u8,
  /** Whether LSR or IIR told of a byte that still is at the far end; the next read of RBR takes it. */
  dataShown: u8,
  fifoStart: u8,
  fifoLength: u8,
  fifo: bytes(FIFO_BYTES),
});
