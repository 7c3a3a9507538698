/**
 * The serial port: a 16550A UART as a PC has it. Source: PC16550D data sheet (National Semiconductor, 1995), section 8.
 *
 * Its line is endless in speed: a byte is sent as it is written, and a byte that waits at the far end arrives as soon
 * as it may. Only the transmitter's interrupt may be late, in a flood of late writes. The far end is a terminal with
 * hardware handshake: it always gives DSR, CTS and DCD, and it sends only while the guest gives RTS, or has never set
 * MCR. A byte leaves the far end only when the guest takes it, or fills the receive FIFO while the received-data
 * interrupt is on and reaches the bus: what a driver throws away while it probes is not lost. (So IIR without OUT2 tells
 * of waiting bytes as a time-out, never as the trigger level.)
 *
 * Left out: baud rate, word length, parity and break (kept in their registers, without effect), DMA modes, writes to
 * LSR and MSR (factory tests). All registers are a byte wide: the bus must split wider accesses (range of width 1).
 */
import type { StructOf } from '../memory/struct.js';
import type { ByteSink, ByteSource, Delay, InterruptLine, Registers, TakesLateWrites } from './device.js';
import {
  FCR_ENABLE,
  FCR_KEPT,
  FCR_RECEIVER_RESET,
  FCR_TRIGGER_SHIFT,
  FIFO_BYTES,
  FULL_FIFO_NS,
  IER,
  IER_LINE_STATUS,
  IER_MASK,
  IER_MODEM_STATUS,
  IER_RECEIVED_DATA,
  IER_THR_EMPTY,
  IIR_CHARACTER_TIMEOUT,
  IIR_FCR,
  IIR_FIFOS_ENABLED,
  IIR_LINE_STATUS,
  IIR_MODEM_STATUS,
  IIR_NONE,
  IIR_RECEIVED_DATA,
  IIR_THR_EMPTY,
  LCR,
  LCR_DLAB,
  LSR,
  LSR_DATA_READY,
  LSR_OVERRUN,
  LSR_THR_EMPTY,
  LSR_TRANSMITTER_EMPTY,
  MCR,
  MCR_DTR,
  MCR_LOOP,
  MCR_MASK,
  MCR_OUT1,
  MCR_OUT2,
  MCR_RTS,
  MSR,
  MSR_CTS,
  MSR_DCD,
  MSR_DELTA_CTS,
  MSR_DELTA_DCD,
  MSR_DELTA_DSR,
  MSR_DSR,
  MSR_FAR_END,
  MSR_RI,
  MSR_TRAILING_RI,
  RBR_THR,
  SCR,
  TRIGGER_LEVELS,
  type uartState,
} from './uart-registers.js';

export class Uart implements Registers, TakesLateWrites {
  constructor(
    private readonly state: StructOf<typeof uartState>,
    private readonly irq: InterruptLine,
    private readonly out: ByteSink,
    private readonly input: ByteSource,
    private readonly delay: Delay,
  ) {}

  read(offset: number): number {
    const { state } = this;
    switch (offset) {
      case RBR_THR:
        return this.#divisorLatch() ? state.divisorLow : this.#takeReceived();
      case IER:
        return this.#divisorLatch() ? state.divisorHigh : state.ier;
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
    switch (offset) {
      case RBR_THR:
        if (this.#divisorLatch()) state.divisorLow = value;
        else this.#transmit(value & 0xff);
        break;
      case IER:
        if (this.#divisorLatch()) state.divisorHigh = value;
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
    if (this.#divisorLatch()) {
      state.divisorLow = values[count - 1] ?? 0;
      return;
    }
    if (this.#inLoopback()) for (let i = 0; i < count; i++) this.#loopBack(values[i] ?? 0);
    else this.out.writeAll(values, count);
    state.flooded = 1;
    state.thrEmptyPending = 1;
  }

  /** As #transmit for each byte, but for the line: a driver that sent them without a look gets one edge for all. */
  settle(): void {
    const { state } = this;
    // The access that they came before has told of them, or turned the interrupt off.
    if (state.thrEmptyPending === 0) return;
    if ((state.ier & IER_THR_EMPTY) !== 0) this.irq.set(false);
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

  #divisorLatch(): boolean {
    return (this.state.lcr & LCR_DLAB) !== 0;
  }

  #fifoEnabled(): boolean {
    return (this.state.fcr & FCR_ENABLE) !== 0;
  }

  #inLoopback(): boolean {
    return (this.state.mcr & MCR_LOOP) !== 0;
  }

  /** Whether the far end may send now. In loopback the serial input is disconnected (8.7). */
  #lineOpen(): boolean {
    const { mcr, mcrWritten } = this.state;
    return !this.#inLoopback() && (mcrWritten === 0 || (mcr & MCR_RTS) !== 0);
  }

  /** Whether the PC's gate is open: in loopback the modem outputs, OUT2 among them, are inactive (8.7). */
  #interruptGate(): boolean {
    return (this.state.mcr & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
  }

  #dataWaits(): boolean {
    return this.state.fifoLength > 0 || (this.input.ready && this.#lineOpen());
  }

  #triggerLevel(): number {
    return TRIGGER_LEVELS[this.#fifoEnabled() ? this.state.fcr >> FCR_TRIGGER_SHIFT : 0] ?? 1;
  }

  #fillFifo(): void {
    const { state, input } = this;
    if ((state.ier & IER_RECEIVED_DATA) === 0 || !this.#interruptGate() || !this.#lineOpen()) return;
    const room = this.#fifoEnabled() ? FIFO_BYTES : 1;
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
    if (state.fifoLength < this.#triggerLevel()) this.irq.set(false);
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
    if (this.state.dataShown === 0 || !this.#lineOpen()) return 0;
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
    if (this.#inLoopback()) this.#loopBack(byte);
    else this.out.write(byte);
    this.state.flooded = 0;
    this.state.thrEmptyPending = 1;
    this.#updateInterrupt();
  }

  /** Nothing holds a driver back that sends to itself: this is where the receiver can overrun (8.3, bit 1). */
  #loopBack(byte: number): void {
    const { state } = this;
    if (state.fifoLength < (this.#fifoEnabled() ? FIFO_BYTES : 1)) {
      this.#append(byte);
      return;
    }
    state.lineErrors |= LSR_OVERRUN;
    // In a full FIFO the new byte is lost; a holding register is overwritten.
    if (!this.#fifoEnabled()) state.fifo[state.fifoStart % FIFO_BYTES] = byte;
  }

  #enableInterrupts(value: number): void {
    const { state } = this;
    const turnedOn = value & ~state.ier;
    state.ier = value;
    if ((turnedOn & IER_THR_EMPTY) !== 0) this.#tellThrEmpty();
    if ((value & IER_THR_EMPTY) === 0) state.thrEmptyPending = 0;
    this.receive();
  }

  /**
   * Turning the interrupt on while THR is empty, which it always is, sends it (again). In a flood it comes as late as if
   * a full FIFO were sent first: the driver is given more meanwhile, which it then sends with fewer accesses.
   */
  #tellThrEmpty(): void {
    const { state } = this;
    const isLate = state.flooded;
    state.thrEmptyPending = isLate === 0 ? 1 : 0;
    state.thrEmptyDelayed = isLate;
    if (isLate !== 0) this.delay.start(FULL_FIFO_NS);
  }

  /** Called by the delay. Whoever restored the state calls it too. */
  delayOver(): void {
    const { state } = this;
    if (state.thrEmptyDelayed === 0) return;
    state.thrEmptyDelayed = 0;
    if ((state.ier & IER_THR_EMPTY) !== 0) state.thrEmptyPending = 1;
    this.#updateInterrupt();
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
    const before = this.#modemLines();
    state.mcr = value;
    state.mcrWritten = 1;
    state.dataShown = 0;
    const changed = before ^ this.#modemLines();
    if ((changed & MSR_CTS) !== 0) state.modemDeltas |= MSR_DELTA_CTS;
    if ((changed & MSR_DSR) !== 0) state.modemDeltas |= MSR_DELTA_DSR;
    if ((changed & MSR_DCD) !== 0) state.modemDeltas |= MSR_DELTA_DCD;
    if ((changed & before & MSR_RI) !== 0) state.modemDeltas |= MSR_TRAILING_RI;
    this.receive();
  }

  /** The four modem inputs; in loopback they are the four modem outputs (8.7, bit 4). */
  #modemLines(): number {
    const { mcr } = this.state;
    if ((mcr & MCR_LOOP) === 0) return MSR_FAR_END;
    let lines = 0;
    if ((mcr & MCR_RTS) !== 0) lines |= MSR_CTS;
    if ((mcr & MCR_DTR) !== 0) lines |= MSR_DSR;
    if ((mcr & MCR_OUT1) !== 0) lines |= MSR_RI;
    if ((mcr & MCR_OUT2) !== 0) lines |= MSR_DCD;
    return lines;
  }

  #readModemStatus(): number {
    const { state } = this;
    const deltas = state.modemDeltas;
    if (deltas !== 0) {
      state.modemDeltas = 0;
      this.#updateInterrupt();
    }
    return this.#modemLines() | deltas;
  }

  #readLineStatus(): number {
    const { state } = this;
    const { lineErrors } = state;
    let status = LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY | lineErrors;
    if (this.#dataWaits()) {
      status |= LSR_DATA_READY;
      state.dataShown = 1;
    }
    if (lineErrors !== 0) {
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
      // What is left has less priority.
      this.irq.set(this.#interruptGate() && this.#modemStatusWaits());
    } else if (source === IIR_RECEIVED_DATA || source === IIR_CHARACTER_TIMEOUT) {
      state.dataShown = 1;
    }
    return this.#fifoEnabled() ? source | IIR_FIFOS_ENABLED : source;
  }

  #interruptSource(): number {
    const { state } = this;
    // A field is read where it is needed: until V8 has optimized it, each is a call.
    const { ier } = state;
    if ((ier & IER_LINE_STATUS) !== 0 && state.lineErrors !== 0) return IIR_LINE_STATUS;
    if ((ier & IER_RECEIVED_DATA) !== 0 && this.#dataWaits()) {
      // On an endlessly fast line the four characters' time without a further byte is over at once.
      const timeout = this.#fifoEnabled() && state.fifoLength < this.#triggerLevel();
      return timeout ? IIR_CHARACTER_TIMEOUT : IIR_RECEIVED_DATA;
    }
    if ((ier & IER_THR_EMPTY) !== 0 && state.thrEmptyPending !== 0) return IIR_THR_EMPTY;
    return this.#modemStatusWaits() ? IIR_MODEM_STATUS : IIR_NONE;
  }

  #modemStatusWaits(): boolean {
    return (this.state.ier & IER_MODEM_STATUS) !== 0 && this.state.modemDeltas !== 0;
  }

  #updateInterrupt(): void {
    this.irq.set(this.#interruptGate() && this.#interruptSource() !== IIR_NONE);
  }
}
