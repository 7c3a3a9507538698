/**
 * The registers of a VGA in text mode, 80 columns by 25 rows (IBM PS/2 Hardware Interface Technical Reference, "VGA
 * Function"; port numbers below are those of a colour display). Text memory is plain RAM at 0xb8000, which the host
 * reads: a guest writes there without an exit. Two views: `general` for 0x3c0 to 0x3cf and `crtc` for 0x3d4 to 0x3da, a
 * byte wide each.
 * Registers keep what is written; of the screen only start address, cursor, its shape and blinking are looked at. The
 * retrace bits of input status 1 change at every look, so that who waits for either edge sees it.
 * Left out: graphics modes, planes, loadable fonts, the DAC's effect on colours, the monochrome ports 0x3b4 to 0x3ba,
 * and the interrupt.
 */
import { bytes, type StructOf, struct, u8, u16 } from '../memory/struct.js';
import type { Registers } from './device.js';

/** Offsets from 0x3c0. */
const ATTRIBUTE = 0x0;
const ATTRIBUTE_READ = 0x1;
/** Written: miscellaneous output. Read: input status 0. */
const MISC_WRITE = 0x2;
const SEQUENCER_INDEX = 0x4;
const SEQUENCER_DATA = 0x5;
const DAC_MASK = 0x6;
/** Written: read index. Read: state. */
const DAC_READ_INDEX = 0x7;
const DAC_WRITE_INDEX = 0x8;
const DAC_DATA = 0x9;
const FEATURE_READ = 0xa;
const MISC_READ = 0xc;
const GRAPHICS_INDEX = 0xe;
const GRAPHICS_DATA = 0xf;

/** Offsets from 0x3d4. */
const CRTC_INDEX = 0x0;
const CRTC_DATA = 0x1;
/** Read: input status 1. Written: feature control. */
const STATUS_1 = 0x6;

const DISPLAY_DISABLED = 1 << 0;
const VERTICAL_RETRACE = 1 << 3;

/** CRTC registers (index 0 to 0x18). */
const CURSOR_START = 0x0a;
const CURSOR_END = 0x0b;
const START_HIGH = 0x0c;
const START_LOW = 0x0d;
const CURSOR_HIGH = 0x0e;
const CURSOR_LOW = 0x0f;
const VERTICAL_RETRACE_END = 0x11;
/** Bit 7 of 0x11 protects 0 to 7. */
const PROTECT = 1 << 7;
const OVERFLOW = 0x07;
/** Line compare's bit 8 in the overflow register is not protected. */
const LINE_COMPARE_8 = 1 << 4;

const CURSOR_OFF = 1 << 5;
const SCAN_LINE_MASK = 0x1f;

const ATTRIBUTE_REGISTERS = 0x15;
/** The attribute controller's mode control. Its bit 3: bit 7 of a character's attribute blinks it. */
const ATTRIBUTE_MODE = 0x10;
const MODE_BLINK = 1 << 3;
/** The index has five bits, and one that turns the display on. */
const ATTRIBUTE_INDEX_MASK = 0x1f;
const ATTRIBUTE_INDEX_BITS = 0x3f;
const SEQUENCER_REGISTERS = 5;
const GRAPHICS_REGISTERS = 9;
const CRTC_REGISTERS = 0x19;
const DAC_BYTES = 256 * 3;
/** Six bits a colour. */
const DAC_VALUE_MASK = 0x3f;
const DAC_STATE_READ = 3;

/** Registers of mode 3 (80 by 25, 9 by 16 dots), as a BIOS sets them (reference, "Video BIOS: mode tables"). */
const MISC_MODE_3 = 0x67;
const SEQUENCER_MODE_3 = [0x03, 0x00, 0x03, 0x00, 0x02];
const CRTC_MODE_3 = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f,
  0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
];
const GRAPHICS_MODE_3 = [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff];
const ATTRIBUTE_MODE_3 = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f,
  0x08, 0x00,
];
const DISPLAY_ON = 1 << 5;

export const vgaState = struct({
  misc: u8,
  feature: u8,
  status: u8,
  attributeIndex: u8,
  /** Whether the next write to 0x3c0 is data. Reading input status 1 makes it an index. */
  attributeFlipFlop: u8,
  attribute: bytes(ATTRIBUTE_REGISTERS),
  sequencerIndex: u8,
  sequencer: bytes(SEQUENCER_REGISTERS),
  graphicsIndex: u8,
  graphics: bytes(GRAPHICS_REGISTERS),
  crtcIndex: u8,
  crtc: bytes(CRTC_REGISTERS),
  dacMask: u8,
  /** Of the next byte of `dac`: three times the colour's index, and its part. */
  dacRead: u16,
  dacWrite: u16,
  dacState: u8,
  dac: bytes(DAC_BYTES),
});

/** Where the screen's text is, in characters of two bytes from the start of text memory, and where its cursor. */
export interface TextView {
  readonly start: number;
  readonly cursor: number;
  readonly cursorOn: boolean;
  /** First and last scan line of the cursor in a character. */
  readonly cursorLines: readonly [number, number];
  /** Bit 7 of an attribute: blinking, else the background's brightness. */
  readonly blinks: boolean;
}

/** Mode 3, as a video BIOS leaves it. */
export function initVga(state: StructOf<typeof vgaState>): void {
  state.misc = MISC_MODE_3;
  state.sequencer.set(SEQUENCER_MODE_3);
  state.crtc.set(CRTC_MODE_3);
  state.graphics.set(GRAPHICS_MODE_3);
  state.attribute.set(ATTRIBUTE_MODE_3);
  state.attributeIndex = DISPLAY_ON;
  state.dacMask = 0xff;
}

export class Vga {
  readonly general: Registers = {
    read: (offset) => this.#readGeneral(offset),
    write: (offset, value) => this.#writeGeneral(offset, value & 0xff),
  };
  readonly crtc: Registers = {
    read: (offset) => this.#readCrtc(offset),
    write: (offset, value) => this.#writeCrtc(offset, value & 0xff),
  };

  constructor(private readonly state: StructOf<typeof vgaState>) {}

  /** The caller holds the device's lock, or can bear a start and a cursor that are half written. */
  get view(): TextView {
    const { crtc, attribute } = this.state;
    const at = (index: number) => crtc[index] ?? 0;
    return {
      start: (at(START_HIGH) << 8) | at(START_LOW),
      cursor: (at(CURSOR_HIGH) << 8) | at(CURSOR_LOW),
      cursorOn: (at(CURSOR_START) & CURSOR_OFF) === 0,
      cursorLines: [at(CURSOR_START) & SCAN_LINE_MASK, at(CURSOR_END) & SCAN_LINE_MASK],
      blinks: ((attribute[ATTRIBUTE_MODE] ?? 0) & MODE_BLINK) !== 0,
    };
  }

  #readGeneral(offset: number): number {
    const { state } = this;
    switch (offset) {
      case ATTRIBUTE:
        return state.attributeFlipFlop === 0 ? state.attributeIndex : 0;
      case ATTRIBUTE_READ:
        return state.attribute[state.attributeIndex & ATTRIBUTE_INDEX_MASK] ?? 0;
      case SEQUENCER_INDEX:
        return state.sequencerIndex;
      case SEQUENCER_DATA:
        return state.sequencer[state.sequencerIndex] ?? 0;
      case DAC_MASK:
        return state.dacMask;
      case DAC_READ_INDEX:
        return state.dacState;
      case DAC_WRITE_INDEX:
        return Math.floor(state.dacWrite / 3);
      case DAC_DATA:
        return this.#readDac();
      case FEATURE_READ:
        return state.feature;
      case MISC_READ:
        return state.misc;
      case GRAPHICS_INDEX:
        return state.graphicsIndex;
      case GRAPHICS_DATA:
        return state.graphics[state.graphicsIndex] ?? 0;
      default:
        return 0;
    }
  }

  #writeGeneral(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case ATTRIBUTE:
        if (state.attributeFlipFlop === 0) state.attributeIndex = value & ATTRIBUTE_INDEX_BITS;
        else state.attribute[state.attributeIndex & ATTRIBUTE_INDEX_MASK] = value;
        state.attributeFlipFlop ^= 1;
        break;
      case MISC_WRITE:
        state.misc = value;
        break;
      case SEQUENCER_INDEX:
        state.sequencerIndex = value & 7;
        break;
      case SEQUENCER_DATA:
        state.sequencer[state.sequencerIndex] = value;
        break;
      case DAC_MASK:
        state.dacMask = value;
        break;
      case DAC_READ_INDEX:
        state.dacRead = value * 3;
        state.dacState = DAC_STATE_READ;
        break;
      case DAC_WRITE_INDEX:
        state.dacWrite = value * 3;
        state.dacState = 0;
        break;
      case DAC_DATA:
        state.dac[state.dacWrite] = value & DAC_VALUE_MASK;
        state.dacWrite = (state.dacWrite + 1) % DAC_BYTES;
        break;
      case GRAPHICS_INDEX:
        state.graphicsIndex = value & 0xf;
        break;
      case GRAPHICS_DATA:
        state.graphics[state.graphicsIndex] = value;
    }
  }

  #readDac(): number {
    const { state } = this;
    const value = state.dac[state.dacRead] ?? 0;
    state.dacRead = (state.dacRead + 1) % DAC_BYTES;
    return value;
  }

  #readCrtc(offset: number): number {
    const { state } = this;
    switch (offset) {
      case CRTC_INDEX:
        return state.crtcIndex;
      case CRTC_DATA:
        return state.crtc[state.crtcIndex] ?? 0;
      case STATUS_1:
        state.attributeFlipFlop = 0;
        state.status ^= DISPLAY_DISABLED | VERTICAL_RETRACE;
        return state.status;
      default:
        return 0xff;
    }
  }

  #writeCrtc(offset: number, value: number): void {
    const { state } = this;
    if (offset === CRTC_INDEX) state.crtcIndex = value;
    else if (offset === STATUS_1) state.feature = value;
    else if (offset === CRTC_DATA) this.#writeCrtcRegister(state.crtcIndex, value);
  }

  #writeCrtcRegister(index: number, value: number): void {
    const { crtc } = this.state;
    const locked = index <= OVERFLOW && ((crtc[VERTICAL_RETRACE_END] ?? 0) & PROTECT) !== 0;
    if (!locked) crtc[index] = value;
    else if (index === OVERFLOW) crtc[index] = ((crtc[index] ?? 0) & ~LINE_COMPARE_8) | (value & LINE_COMPARE_8);
  }
}
