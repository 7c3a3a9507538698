/**
 * The keyboard controller of a PC AT: an 8042 with a PS/2 keyboard and no port for a mouse. Source: IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller" and "Keyboard (101- and 102-Key)".
 * It has two one-port views: `dataPort` (0x60) and `commandPort` (0x64: commands in, status out), a byte wide each.
 * Every command that a system waits for is answered at once, so that a probe never runs into a time-out.
 * Left out: the auxiliary port (commands to it answer as a controller without one), the internal RAM beyond the
 * configuration byte, the A20 gate (A20 is always on), and the translation of scan codes (`key` takes what the guest
 * shall see). LEDs and the typematic rate are accepted without effect.
 */
import { bytes, type StructOf, struct, u8 } from '../memory/struct.js';
import type { EndSink, InterruptLine, Registers } from './device.js';

/** Status register. */
const STATUS_OUTPUT_FULL = 1 << 0;
const STATUS_SYSTEM_FLAG = 1 << 2;
const STATUS_COMMAND = 1 << 3;
/** 1: the keyboard is not inhibited by the key lock. */
const STATUS_NOT_INHIBITED = 1 << 4;
const STATUS_TIMEOUT = 1 << 6;

/** Configuration ("command") byte. */
const CONFIG_KEYBOARD_INTERRUPT = 1 << 0;
const CONFIG_SYSTEM_FLAG = 1 << 2;
const CONFIG_DISABLE_KEYBOARD = 1 << 4;
/** Always 1: there is no auxiliary device. */
const CONFIG_DISABLE_AUXILIARY = 1 << 5;
const CONFIG_TRANSLATE = 1 << 6;

/** Output port. */
const OUTPUT_NOT_RESET = 1 << 0;
const OUTPUT_A20 = 1 << 1;
const OUTPUT_KEYBOARD_FULL = 1 << 4;
/** Input port: the keyboard is not inhibited. */
const INPUT_NOT_INHIBITED = 1 << 7;

/** Controller commands. */
const READ_CONFIG = 0x20;
const WRITE_CONFIG = 0x60;
const TEST_AUXILIARY = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_INPUT_PORT = 0xc0;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_OUTPUT = 0xd2;
const WRITE_AUXILIARY_OUTPUT = 0xd3;
const WRITE_AUXILIARY = 0xd4;
/** 0xf0 to 0xff pulse the output port's low four bits, those that are 0 in the command. */
const PULSE_OUTPUT = 0xf0;

const SELF_TEST_PASSED = 0x55;
const TEST_PASSED = 0x00;
/** "Clock line stuck low": what there is behind a port that is not there. */
const TEST_CLOCK_STUCK_LOW = 0x01;

/** Keyboard commands. */
const SET_LEDS = 0xed;
const ECHO = 0xee;
const SCAN_CODE_SET = 0xf0;
const READ_ID = 0xf2;
const SET_TYPEMATIC = 0xf3;
const ENABLE = 0xf4;
const DEFAULT_DISABLE = 0xf5;
const SET_DEFAULT = 0xf6;
const RESEND = 0xfe;
const RESET = 0xff;

/** Keyboard answers. */
const ACK = 0xfa;
const TEST_OK = 0xaa;
const NAK = 0xfe;
const ID_FIRST = 0xab;
const ID_SECOND = 0x83;
/** The controller translates the keyboard's bytes from set 2 to set 1, this answer too. */
const ID_SECOND_TRANSLATED = 0x41;

const DEFAULT_SCAN_CODE_SET = 2;
const SET_TRANSLATED = [0, 0x43, 0x41, 0x3f] as const;

/** Bytes of key strokes that wait at most; the rest of the queue is for answers. */
const KEY_BYTES = 16;
const QUEUE_BYTES = 32;

export const i8042State = struct({
  config: u8,
  /** The controller command that waits for its data byte; 0: none. */
  command: u8,
  /** Whether the guest's last write was a command. */
  lastWasCommand: u8,
  /** The controller's own answer, which goes before the keyboard's bytes, and the status bits with it (0: none). */
  reply: u8,
  replyStatus: u8,
  /** What the data port gives while nothing waits: the last byte. */
  lastData: u8,
  /** The keyboard command that waits for its data byte; 0: none. */
  keyboardCommand: u8,
  scanning: u8,
  scanCodeSet: u8,
  /** The keyboard's last byte, for RESEND. */
  lastSent: u8,
  queueStart: u8,
  queueLength: u8,
  queue: bytes(QUEUE_BYTES),
});

/** The state that firmware leaves: self-test passed, keyboard scanning, its interrupt and translation on. */
export function initI8042(state: StructOf<typeof i8042State>): void {
  state.config = CONFIG_KEYBOARD_INTERRUPT | CONFIG_SYSTEM_FLAG | CONFIG_DISABLE_AUXILIARY | CONFIG_TRANSLATE;
  state.scanning = 1;
  state.scanCodeSet = DEFAULT_SCAN_CODE_SET;
}

export class I8042 {
  /** Port 0x60. */
  readonly dataPort: Registers = {
    read: () => this.#readData(),
    write: (_offset, value) => this.#writeData(value & 0xff),
  };
  /** Port 0x64. */
  readonly commandPort: Registers = {
    read: () => this.#status(),
    write: (_offset, value) => this.#writeCommand(value & 0xff),
  };

  /** @param irq the keyboard's interrupt, IRQ 1 */
  constructor(
    private readonly state: StructOf<typeof i8042State>,
    private readonly irq: InterruptLine,
    private readonly machine: EndSink,
  ) {}

  /**
   * Key strokes: bytes as the guest shall read them, all or none. Returns false where the keyboard does not scan or
   * too much waits already. The caller holds the device's lock.
   */
  key(scanCodes: readonly number[]): boolean {
    const { state } = this;
    if (state.scanning === 0 || state.queueLength + scanCodes.length > KEY_BYTES) return false;
    for (const code of scanCodes) this.#send(code);
    this.#updateInterrupt();
    return true;
  }

  #keyboardEnabled(): boolean {
    return (this.state.config & CONFIG_DISABLE_KEYBOARD) === 0;
  }

  #keyboardWaits(): boolean {
    return this.state.queueLength > 0 && this.#keyboardEnabled();
  }

  #translated(): boolean {
    return (this.state.config & CONFIG_TRANSLATE) !== 0;
  }

  #status(): number {
    const { config, lastWasCommand, replyStatus } = this.state;
    let status = STATUS_NOT_INHIBITED | replyStatus;
    if (this.#keyboardWaits()) status |= STATUS_OUTPUT_FULL;
    if ((config & CONFIG_SYSTEM_FLAG) !== 0) status |= STATUS_SYSTEM_FLAG;
    if (lastWasCommand !== 0) status |= STATUS_COMMAND;
    return status;
  }

  #readData(): number {
    const { state } = this;
    if (state.replyStatus !== 0) {
      state.replyStatus = 0;
      state.lastData = state.reply;
    } else if (this.#keyboardWaits()) {
      state.lastData = state.queue[state.queueStart % QUEUE_BYTES] ?? 0;
      state.queueStart = (state.queueStart + 1) % QUEUE_BYTES;
      state.queueLength--;
    }
    // The buffer is empty for a moment: the next byte gives the interrupt controller an edge of its own.
    this.irq.set(false);
    this.#updateInterrupt();
    return state.lastData;
  }

  #writeCommand(command: number): void {
    const { state } = this;
    state.lastWasCommand = 1;
    state.command = 0;
    this.#carryOut(command);
    this.#updateInterrupt();
  }

  /** Commands that are not here (A20, the auxiliary port on and off, internal RAM) do nothing and answer nothing. */
  #carryOut(command: number): void {
    const { state } = this;
    switch (command) {
      case READ_CONFIG:
        this.#answer(state.config);
        break;
      case TEST_AUXILIARY:
        this.#answer(TEST_CLOCK_STUCK_LOW);
        break;
      case SELF_TEST:
        state.config |= CONFIG_SYSTEM_FLAG;
        this.#answer(SELF_TEST_PASSED);
        break;
      case TEST_KEYBOARD:
        this.#answer(TEST_PASSED);
        break;
      case DISABLE_KEYBOARD:
        state.config |= CONFIG_DISABLE_KEYBOARD;
        break;
      case ENABLE_KEYBOARD:
        state.config &= ~CONFIG_DISABLE_KEYBOARD;
        break;
      case READ_INPUT_PORT:
        this.#answer(INPUT_NOT_INHIBITED);
        break;
      case READ_OUTPUT_PORT:
        this.#answer(OUTPUT_NOT_RESET | OUTPUT_A20 | (this.#keyboardWaits() ? OUTPUT_KEYBOARD_FULL : 0));
        break;
      case WRITE_CONFIG:
      case WRITE_OUTPUT_PORT:
      case WRITE_KEYBOARD_OUTPUT:
      case WRITE_AUXILIARY_OUTPUT:
      case WRITE_AUXILIARY:
        state.command = command;
        break;
      default:
        if (command >= PULSE_OUTPUT) this.#driveOutputPort(command);
    }
  }

  #writeData(value: number): void {
    const { state } = this;
    const { command } = state;
    state.lastWasCommand = 0;
    state.command = 0;
    switch (command) {
      case WRITE_CONFIG:
        state.config = value | CONFIG_DISABLE_AUXILIARY;
        break;
      case WRITE_OUTPUT_PORT:
        this.#driveOutputPort(value);
        break;
      case WRITE_KEYBOARD_OUTPUT:
      // Without an auxiliary port its loopback gives the byte without the auxiliary's status bit: no mouse here.
      case WRITE_AUXILIARY_OUTPUT:
        this.#answer(value);
        break;
      case WRITE_AUXILIARY:
        // Nobody answered the controller: RESEND, and the time-out bit with it.
        this.#answer(NAK, STATUS_TIMEOUT);
        break;
      default:
        // A byte for the keyboard switches its interface on.
        state.config &= ~CONFIG_DISABLE_KEYBOARD;
        this.#toKeyboard(value);
    }
    this.#updateInterrupt();
  }

  #driveOutputPort(value: number): void {
    if ((value & OUTPUT_NOT_RESET) === 0) this.machine.end({ reason: 'reset', by: 'keyboard controller' });
  }

  /** Puts the controller's answer into the output buffer; one that nobody fetched gives way. */
  #answer(value: number, status = 0): void {
    this.state.reply = value;
    this.state.replyStatus = STATUS_OUTPUT_FULL | status;
  }

  #toKeyboard(value: number): void {
    const { state } = this;
    const command = state.keyboardCommand;
    state.keyboardCommand = 0;
    if (command !== 0) this.#keyboardData(command, value);
    else this.#keyboardCommand(value);
  }

  #keyboardCommand(command: number): void {
    const { state } = this;
    switch (command) {
      case SET_LEDS:
      case SCAN_CODE_SET:
      case SET_TYPEMATIC:
        state.keyboardCommand = command;
        this.#send(ACK);
        break;
      case ECHO:
        this.#send(ECHO);
        break;
      case READ_ID:
        this.#send(ACK);
        this.#send(ID_FIRST);
        this.#send(this.#translated() ? ID_SECOND_TRANSLATED : ID_SECOND);
        break;
      case ENABLE:
        this.#restartKeyboard({ scanning: 1, scanCodeSet: state.scanCodeSet });
        break;
      case DEFAULT_DISABLE:
        this.#restartKeyboard({ scanning: 0, scanCodeSet: DEFAULT_SCAN_CODE_SET });
        break;
      case SET_DEFAULT:
        this.#restartKeyboard({ scanning: 1, scanCodeSet: DEFAULT_SCAN_CODE_SET });
        break;
      case RESET:
        this.#restartKeyboard({ scanning: 1, scanCodeSet: DEFAULT_SCAN_CODE_SET });
        this.#send(TEST_OK);
        break;
      case RESEND:
        this.#send(state.lastSent);
        break;
      default:
        this.#send(NAK);
    }
  }

  #keyboardData(command: number, value: number): void {
    const { state } = this;
    this.#send(ACK);
    if (command !== SCAN_CODE_SET) return;
    if (value === 0) {
      this.#send((this.#translated() ? SET_TRANSLATED[state.scanCodeSet] : state.scanCodeSet) ?? 0);
    } else if (value < SET_TRANSLATED.length) {
      state.scanCodeSet = value;
    }
  }

  /** What was typed before goes; the acknowledgement comes first. */
  #restartKeyboard({ scanning, scanCodeSet }: { readonly scanning: number; readonly scanCodeSet: number }): void {
    const { state } = this;
    state.queueStart = 0;
    state.queueLength = 0;
    state.scanning = scanning;
    state.scanCodeSet = scanCodeSet;
    this.#send(ACK);
  }

  /** Queues a byte of the keyboard; where a guest asks and never reads, the answers end at the queue's end. */
  #send(byte: number): void {
    const { state } = this;
    if (state.queueLength >= QUEUE_BYTES) return;
    state.queue[(state.queueStart + state.queueLength) % QUEUE_BYTES] = byte;
    state.queueLength++;
    state.lastSent = byte;
  }

  #updateInterrupt(): void {
    const { config, replyStatus } = this.state;
    const full = replyStatus !== 0 || this.#keyboardWaits();
    this.irq.set(full && (config & CONFIG_KEYBOARD_INTERRUPT) !== 0);
  }
}
