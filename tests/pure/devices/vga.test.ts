import { beforeEach, describe, expect, it } from 'vitest';
import { initVga, Vga, vgaState } from '../../../src/devices/vga.js';
import { inb, outb } from './parts.js';

let state = vgaState.make();
let vga = new Vga(state);

beforeEach(() => {
  state = vgaState.make();
  initVga(state);
  vga = new Vga(state);
});

const writeCrtc = (index: number, value: number): void => {
  outb(vga.crtc, 0, index);
  outb(vga.crtc, 1, value);
};
const readCrtc = (index: number): number => {
  outb(vga.crtc, 0, index);
  return inb(vga.crtc, 1);
};

describe('VGA in text mode', () => {
  it('begins at mode 3: text memory from its start, an underline cursor at home', () => {
    expect(vga.view).toEqual({ start: 0, cursor: 0, cursorOn: true, cursorLines: [13, 14], blinks: true });
    expect([inb(vga.general, 0xc), readCrtc(1) + 1, readCrtc(9) & 0x1f]).toEqual([0x67, 80, 15]);
  });

  it('moves the start and the cursor, and hides it', () => {
    for (const [index, value] of [
      [0x0c, 0x12],
      [0x0d, 0x34],
      [0x0e, 0x07],
      [0x0f, 0xcf],
      [0x0a, 0x20],
      [0x0b, 0x0f],
    ] as const) {
      writeCrtc(index, value);
      expect(readCrtc(index)).toBe(value);
    }
    expect(vga.view).toEqual({ start: 0x1234, cursor: 0x7cf, cursorOn: false, cursorLines: [0, 15], blinks: true });
  });

  it('blinks or gives bright backgrounds, as the mode control of the attribute controller says', () => {
    inb(vga.crtc, 6);
    outb(vga.general, 0, 0x30);
    outb(vga.general, 0, 0x04);
    expect(vga.view.blinks).toBe(false);
  });

  it('protects CRTC registers 0 to 7 while bit 7 of 0x11 is set, but line compare in 7', () => {
    writeCrtc(0x00, 0x11);
    writeCrtc(0x07, 0x10);
    expect([readCrtc(0), readCrtc(7)]).toEqual([0x5f, 0x1f]);
    writeCrtc(0x07, 0x0f);
    expect(readCrtc(7)).toBe(0x0f);
    writeCrtc(0x11, 0x0e);
    writeCrtc(0x00, 0x11);
    expect(readCrtc(0)).toBe(0x11);
  });

  it('has registers up to 0x18: behind them nothing is kept', () => {
    for (const index of [0x19, 0x22, 0xff]) {
      writeCrtc(index, 0x55);
      expect(readCrtc(index)).toBe(0);
    }
  });

  it('changes both retrace bits at every look, so that a wait for either edge ends', () => {
    const looks = [0, 1, 2, 3].map(() => inb(vga.crtc, 6) & 0x09);
    expect(looks).toEqual([9, 0, 9, 0]);
  });

  it('takes index and data of the attribute controller in turn; a look at input status 1 begins anew', () => {
    outb(vga.general, 0, 0x30);
    inb(vga.crtc, 6);
    outb(vga.general, 0, 0x11);
    outb(vga.general, 0, 0x2a);
    outb(vga.general, 0, 0x31);
    expect([inb(vga.general, 1), state.attributeIndex]).toEqual([0x2a, 0x31]);
  });

  it('steps through the colours, three bytes of six bits each', () => {
    outb(vga.general, 8, 255);
    for (const value of [0xff, 0x20, 0x10, 0x01]) outb(vga.general, 9, value);
    outb(vga.general, 7, 255);
    expect([0, 1, 2, 3].map(() => inb(vga.general, 9))).toEqual([0x3f, 0x20, 0x10, 0x01]);
    expect(inb(vga.general, 7)).toBe(3);
  });

  it('keeps sequencer, graphics and miscellaneous registers', () => {
    for (const index of [4, 0xe]) {
      outb(vga.general, index, 2);
      outb(vga.general, index + 1, 0x0c);
      expect([inb(vga.general, index), inb(vga.general, index + 1)]).toEqual([2, 0x0c]);
    }
    outb(vga.general, 2, 0x63);
    expect(inb(vga.general, 0xc)).toBe(0x63);
  });
});
