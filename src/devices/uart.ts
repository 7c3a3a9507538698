/**
 * The serial port: a 16550A UART as a PC has it. Source: PC16550D data sheet (National Semiconductor, 1995), section 8.
 *
 * Its line is endless in speed: a byte is sent as it is written, and a byte that waits at the far end arrives as soon
 * as it may. The far end is a terminal with hardware handshake: it always gives DSR, CTS and DCD, and it sends only
 * while the guest gives RTS, or has never set MCR. A byte leaves the far end only when the guest takes it, or fills
 * the receive FIFO while the received-data interrupt is on and reaches the bus: what a driver throws away while it
 * probes is not lost. (So IIR without OUT2 tells of waiting bytes as a time-out, never as the trigger level.)
 *
 * Left out: baud rate, word length, parity and break (kept in their registers, without effect), DMA modes, writes to
 * LSR and MSR (factory tests). All registers are a byte wide: the bus must split wider accesses (range of width 1).
 */
import { bytes, type StructOf, struct, u8 } from '../memory/struct.js';
import type { ByteSink, ByteSource, InterruptLine, Registers, TakesLateWrites } from './device.js';

/** Register offsets; with DLAB set, 0 and 1 are the divisor latch. */
const RBR_THR = 0;
const IER = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

/** Interrupt Enable Register (8.6). */
const IER_RECEIVED_DATA = 1 << 0;
const IER_THR_EMPTY = 1 << 1;
const IER_LINE_STATUS = 1 << 2;
const IER_MODEM_STATUS = 1 << 3;
const IER_MASK = IER_RECEIVED_DATA | IER_THR_EMPTY | IER_LINE_STATUS | IER_MODEM_STATUS;

/** Interrupt Identification Register (8.5), table IV: by priority. */
const IIR_LINE_STATUS = 0x06;
const IIR_RECEIVED_DATA = 0x04;
const IIR_CHARACTER_TIMEOUT = 0x0c;
const IIR_THR_EMPTY = 0x02;
const IIR_MODEM_STATUS = 0x00;
const IIR_NONE = 0x01;
const IIR_FIFOS_ENABLED = 0xc0;

/** FIFO Control Register (8.4). */
const FCR_ENABLE = 1 << 0;
const FCR_RECEIVER_RESET = 1 << 1;
const FCR_DMA_MODE = 1 << 3;
const FCR_TRIGGER_SHIFT = 6;
const FCR_KEPT = FCR_ENABLE | FCR_DMA_MODE | (3 << FCR_TRIGGER_SHIFT);
/** Bytes at which the received-data interrupt comes, by the two trigger bits. */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const FIFO_BYTES = 16;

/** Line Control Register (8.1): divisor latch access bit. */
const LCR_DLAB = 1 << 7;

/** Modem Control Register (8.7). */
const MCR_DTR = 1 << 0;
const MCR_RTS = 1 << 1;
const MCR_OUT1 = 1 << 2;
/** On a PC this output opens the gate between the UART's interrupt pin and the bus. */
const MCR_OUT2 = 1 << 3;
const MCR_LOOP = 1 << 4;
const MCR_MASK = MCR_DTR | MCR_RTS | MCR_OUT1 | MCR_OUT2 | MCR_LOOP;

/** Line Status Register (8.3). */
const LSR_DATA_READY = 1 << 0;
const LSR_OVERRUN = 1 << 1;
const LSR_THR_EMPTY = 1 << 5;
const LSR_TRANSMITTER_EMPTY = 1 << 6;

/** Modem Status Register (8.8): what changed since it was read, and the lines. */
const MSR_DELTA_CTS = 1 << 0;
const MSR_DELTA_DSR = 1 << 1;
const MSR_TRAILING_RI = 1 << 2;
const MSR_DELTA_DCD = 1 << 3;
const MSR_CTS = 1 << 4;
const MSR_DSR = 1 << 5;
const MSR_RI = 1 << 6;
const MSR_DCD = 1 << 7;
const MSR_FAR_END = MSR_CTS | MSR_DSR | MSR_DCD;

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
  /** Whether the guest ever wrote MCR. */
  mcrWritten: u8,
  /** Whether LSR or IIR told of a byte that still is at the far end; the next read of RBR takes it. */
  dataShown: u8,
  fifoStart: u8,
  fifoLength: u8,
  fifo: bytes(FIFO_BYTES),
});

export class Uart implements Registers, TakesLateWrites {
  constructor(
    private readonly state: StructOf<typeof uartState>,
    private readonly irq: InterruptLine,
    private readonly out: ByteSink,
    private readonly input: ByteSource,
  ) {}

  read(offset: number): number {
    const { state } = this;
    const divisorLatch = (state.lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR:
        return divisorLatch ? state.divisorLow : this.#takeReceived();
      case IER:
        return divisorLatch ? state.divisorHigh : state.ier;
      case IIR_FCR:
        return this.#identifyInterrupt();
      case LCR:
        return state.lcr;
      case MCR:
        return state.mcr;
      case LSR:
        return this.#readLineStatus();
      case MSR:
        return this.#readModemStatus();
      case SCR:
        return state.scr;
      default:
        return 0;
    }
  }

  write(offset: number, value: number): void {
    const { state } = this;
    const divisorLatch = (state.lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR:
        if (divisorLatch) state.divisorLow = value;
        else this.#transmit(value & 0xff);
        break;
      case IER:
        if (divisorLatch) state.divisorHigh = value;
        else this.#enableInterrupts(value & IER_MASK);
        break;
      case IIR_FCR:
        this.#controlFifos(value);
        break;
      case LCR:
        state.lcr = value;
        break;
      case MCR:
        this.#controlModem(value & MCR_MASK);
        break;
      case SCR:
        state.scr = value;
        break;
    }
  }

  /** To THR, or to the divisor latch in its place: no other write may be late. */
  writeLate(_offset: number, values: Uint32Array, count: number): void {
    const { state } = this;
    if ((state.lcr & LCR_DLAB) !== 0) {
      state.divisorLow = values[count - 1] ?? 0;
      return;
    }
    if (this.#loopback) for (let i = 0; i < count; i++) this.#loopBack(values[i] ?? 0);
    else this.out.writeAll(values, count);
    state.thrEmptyPending = 1;
  }

  /** As #transmit for each byte, but for the line: a driver that sent them without a look gets one edge for all. */
  settle(): void {
    if ((this.state.ier & IER_THR_EMPTY) !== 0) this.irq.set(false);
    this.#updateInterrupt();
  }

  /**
   * Takes what waits at the far end, as far as the guest lets it in, and sets the interrupt line from the state.
   * Whoever filled the byte source calls it, with the device's lock held, and so does whoever restored the state.
   */
  receive(): void {
    this.#fillFifo();
    this.#updateInterrupt();
  }

  get #fifoEnabled(): boolean {
    return (this.state.fcr & FCR_ENABLE) !== 0;
  }

  get #loopback(): boolean {
    return (this.state.mcr & MCR_LOOP) !== 0;
  }

  /** Whether the far end may send now. In loopback the serial input is disconnected (8.7). */
  get #lineOpen(): boolean {
    const { mcr, mcrWritten } = this.state;
    return !this.#loopback && (mcrWritten === 0 || (mcr & MCR_RTS) !== 0);
  }

  /** Whether the PC's gate is open: in loopback the modem outputs, OUT2 among them, are inactive (8.7). */
  get #interruptGate(): boolean {
    return (this.state.mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
  }

  get #dataWaits(): boolean {
    return this.state.fifoLength > 0 || (this.#lineOpen && this.input.ready);
  }

  get #triggerLevel(): number {
    return TRIGGER_LEVELS[this.#fifoEnabled ? this.state.fcr >> FCR_TRIGGER_SHIFT : 0] ?? 1;
  }

  #fillFifo(): void {
    const { state, input } = this;
    if ((state.ier & IER_RECEIVED_DATA) === 0 || !this.#interruptGate || !this.#lineOpen) return;
    const room = this.#fifoEnabled ? FIFO_BYTES : 1;
    while (state.fifoLength < room) {
      const byte = input.next();
      if (byte < 0) return;
      this.#append(byte);
    }
  }

  #append(byte: number): void {
    const { state } = this;
    state.fifo[(state.fifoStart + state.fifoLength) % FIFO_BYTES] = byte;
    state.fifoLength++;
  }

  #takeReceived(): number {
    const { state } = this;
    const byte = state.fifoLength > 0 ? this.#shift() : this.#takeShown();
    state.dataShown = 0;
    // A read ends the character time-out, and a holding register is empty for a moment: the line falls, so that an
    // edge-triggered interrupt controller sees the next byte's interrupt too.
    if (state.fifoLength < this.#triggerLevel) this.irq.set(false);
    this.receive();
    return byte;
  }

  #shift(): number {
    const { state } = this;
    const byte = state.fifo[state.fifoStart % FIFO_BYTES] ?? 0;
    state.fifoStart = (state.fifoStart + 1) % FIFO_BYTES;
    state.fifoLength--;
    return byte;
  }

  #takeShown(): number {
    if (this.state.dataShown === 0 || !this.#lineOpen) return 0;
    return Math.max(this.input.next(), 0);
  }

  #clearReceiver(): void {
    const { state } = this;
    state.fifoStart = 0;
    state.fifoLength = 0;
    state.dataShown = 0;
  }

  #transmit(byte: number): void {
    // The write ends the THR-empty interrupt; it comes again at once, for the byte has gone by then. The line falls
    // between the two: a driver that never reads IIR gets its edge for each byte.
    if ((this.state.ier & IER_THR_EMPTY) !== 0) this.irq.set(false);
    if (this.#loopback) this.#loopBack(byte);
    else this.out.write(byte);
    this.state.thrEmptyPending = 1;
    this.#updateInterrupt();
  }

  /** Nothing holds a driver back that sends to itself: this is where the receiver can overrun (8.3, bit 1). */
  #loopBack(byte: number): void {
    const { state } = this;
    if (state.fifoLength < (this.#fifoEnabled ? FIFO_BYTES : 1)) {
      this.#append(byte);
      return;
    }
    state.lineErrors |= LSR_OVERRUN;
    // In a full FIFO the new byte is lost; a holding register is overwritten.
    if (!this.#fifoEnabled) state.fifo[state.fifoStart % FIFO_BYTES] = byte;
  }

  #enableInterrupts(value: number): void {
    const { state } = this;
    const turnedOn = value & ~state.ier;
    state.ier = value;
    // Turning it on while THR is empty, which it always is, sends the interrupt (again).
    if ((turnedOn & IER_THR_EMPTY) !== 0) state.thrEmptyPending = 1;
    if ((value & IER_THR_EMPTY) === 0) state.thrEmptyPending = 0;
    this.receive();
  }

  #controlFifos(value: number): void {
    const { state } = this;
    const changed = ((value ^ state.fcr) & FCR_ENABLE) !== 0;
    const enable = (value & FCR_ENABLE) !== 0;
    // The other bits are programmed only where bit 0 is written as 1; a change of mode clears the FIFOs.
    if (changed || (enable && (value & FCR_RECEIVER_RESET) !== 0)) this.#clearReceiver();
    state.fcr = enable ? value & FCR_KEPT : 0;
    this.receive();
  }

  #controlModem(value: number): void {
    const { state } = this;
    const before = this.#modemLines;
    state.mcr = value;
    state.mcrWritten = 1;
    state.dataShown = 0;
    const changed = before ^ this.#modemLines;
    if ((changed & MSR_CTS) !== 0) state.modemDeltas |= MSR_DELTA_CTS;
    if ((changed & MSR_DSR) !== 0) state.modemDeltas |= MSR_DELTA_DSR;
    if ((changed & MSR_DCD) !== 0) state.modemDeltas |= MSR_DELTA_DCD;
    if ((changed & before & MSR_RI) !== 0) state.modemDeltas |= MSR_TRAILING_RI;
    this.receive();
  }

  /** The four modem inputs; in loopback they are the four modem outputs (8.7, bit 4). */
  get #modemLines(): number {
    const { mcr } = this.state;
    if (!this.#loopback) return MSR_FAR_END;
    let lines = 0;
    if ((mcr & MCR_RTS) !== 0) lines |= MSR_CTS;
    if ((mcr & MCR_DTR) !== 0) lines |= MSR_DSR;
    if ((mcr & MCR_OUT1) !== 0) lines |= MSR_RI;
    if ((mcr & MCR_OUT2) !== 0) lines |= MSR_DCD;
    return lines;
  }

  #readModemStatus(): number {
    const { state } = this;
    const status = this.#modemLines | state.modemDeltas;
    state.modemDeltas = 0;
    this.#updateInterrupt();
    return status;
  }

  #readLineStatus(): number {
    const { state } = this;
    let status = LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY | state.lineErrors;
    if (this.#dataWaits) {
      status |= LSR_DATA_READY;
      state.dataShown = 1;
    }
    if (state.lineErrors !== 0) {
      state.lineErrors = 0;
      this.#updateInterrupt();
    }
    return status;
  }

  #identifyInterrupt(): number {
    const { state } = this;
    const source = this.#interruptSource();
    if (source === IIR_THR_EMPTY) {
      state.thrEmptyPending = 0;
      this.#updateInterrupt();
    } else if (source === IIR_RECEIVED_DATA || source === IIR_CHARACTER_TIMEOUT) {
      state.dataShown = 1;
    }
    return this.#fifoEnabled ? source | IIR_FIFOS_ENABLED : source;
  }

  #interruptSource(): number {
    const { ier, lineErrors, fifoLength, thrEmptyPending, modemDeltas } = this.state;
    if ((ier & IER_LINE_STATUS) !== 0 && lineErrors !== 0) return IIR_LINE_STATUS;
    if ((ier & IER_RECEIVED_DATA) !== 0 && this.#dataWaits) {
      // On an endlessly fast line the four characters' time without a further byte is over at once.
      const timeout = this.#fifoEnabled && fifoLength < this.#triggerLevel;
      return timeout ? IIR_CHARACTER_TIMEOUT : IIR_RECEIVED_DATA;
    }
    if ((ier & IER_THR_EMPTY) !== 0 && thrEmptyPending !== 0) return IIR_THR_EMPTY;
    if ((ier & IER_MODEM_STATUS) !== 0 && modemDeltas !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #updateInterrupt(): void {
    this.irq.set(this.#interruptGate && this.#interruptSource() !== IIR_NONE);
  }
}
