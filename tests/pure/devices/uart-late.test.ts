import { beforeEach, describe, expect, it } from 'vitest';
import { Uart } from '../../../src/devices/uart.js';
import {
  DATA_READY,
  FCR,
  FIFO_ON,
  IER,
  IER_THRI,
  IIR,
  LCR,
  LSR,
  MCR,
  MCR_LOOP,
  MCR_OUT2,
  RX,
  TX,
  uartRig,
} from './uart-rig.js';

const DLAB = 0x80;
const IIR_THRE = 0xc2;
const IIR_NONE = 0xc1;

let { state, irq, out, far, delay, uart, read, write, drain } = uartRig();

beforeEach(() => {
  ({ state, irq, out, far, delay, uart, read, write, drain } = uartRig());
  write(FCR, FIFO_ON);
});

/** What the machine does: the writes that wait, then the access before which they came, then the line. */
function late(text: string, access: () => unknown = () => {}): unknown {
  uart.writeLate(TX, Uint32Array.from(Buffer.from(text, 'latin1')), text.length);
  const value = access();
  uart.settle();
  return value;
}

describe('late writes to the transmitter', () => {
  it('are sent in order, before what is written after them', () => {
    write(TX, 0x30);
    late('123', () => write(TX, 0x34));
    expect(out.text).toBe('01234');
  });

  it('go where the divisor latch access bit says, and so does the byte after it', () => {
    write(LCR, DLAB);
    late('AB', () => write(LCR, 0));
    late('c');
    write(LCR, DLAB);
    expect([out.text, read(RX)]).toEqual(['c', 0x42]);
  });

  it('in loopback come back', () => {
    write(MCR, MCR_LOOP);
    late('loop');
    expect([read(LSR) & DATA_READY, drain(), out.text]).toEqual([1, 'loop', '']);
  });

  it('of more than the FIFO holds are all sent: the line is endlessly fast', () => {
    late('x'.repeat(169));
    expect(out.bytes.length).toBe(169);
  });
});

describe('the interrupt of late writes', () => {
  beforeEach(() => {
    write(MCR, MCR_OUT2);
    write(IER, IER_THRI);
  });

  it('comes once for all of them, to a driver that does not read IIR', () => {
    expect([irq.level, irq.edges]).toEqual([true, 1]);
    late('burst');
    expect([irq.level, irq.edges]).toEqual([true, 2]);
  });

  it('is found in IIR by a driver that reads it after them, and makes no edge then', () => {
    expect(read(IIR)).toBe(IIR_THRE);
    expect(irq.level).toBe(false);
    expect(late('burst', () => read(IIR))).toBe(IIR_THRE);
    expect([irq.level, irq.edges, read(IIR)]).toEqual([false, 1, IIR_NONE]);
  });

  it('comes after another access than that of IIR', () => {
    read(IIR);
    late('burst', () => read(LSR));
    expect([irq.level, irq.edges]).toEqual([true, 2]);
  });

  it('does not come where the driver turns it off after them', () => {
    read(IIR);
    late('last', () => write(IER, 0));
    expect([irq.level, irq.edges]).toEqual([false, 1]);
  });
});

describe('the interrupt turned on in a flood', () => {
  /** 16 bytes at 115,200 baud, ten bits each. */
  const FULL_FIFO_NS = 1_388_889;

  beforeEach(() => {
    write(MCR, MCR_OUT2);
    late('flood');
    write(IER, IER_THRI);
  });

  it('comes as late as if a full FIFO were sent first', () => {
    expect([irq.level, read(IIR), delay.waiting]).toEqual([false, IIR_NONE, FULL_FIFO_NS]);
    uart.delayOver();
    expect([irq.level, irq.edges, read(IIR), irq.level]).toEqual([true, 1, IIR_THRE, false]);
  });

  it('does not come where the driver has turned it off', () => {
    write(IER, 0);
    uart.delayOver();
    expect([irq.edges, read(IIR)]).toEqual([0, IIR_NONE]);
  });

  it('comes once, whatever else the driver does', () => {
    uart.delayOver();
    read(IIR);
    uart.delayOver();
    expect([irq.level, irq.edges, read(IIR)]).toEqual([false, 1, IIR_NONE]);
  });

  it('comes with the next bytes where a driver does not wait for it', () => {
    late('more');
    expect([irq.level, read(IIR)]).toEqual([true, IIR_THRE]);
  });

  it('comes at once where the flood is over: a byte made an exit', () => {
    write(IER, 0);
    write(TX, 0x2e);
    write(IER, IER_THRI);
    expect([irq.level, irq.edges, read(IIR)]).toEqual([true, 1, IIR_THRE]);
  });

  it('waits in the state: a machine that is restored goes on', () => {
    const restored = new Uart(state, irq, out, far, delay);
    restored.delayOver();
    expect([irq.level, read(IIR)]).toEqual([true, IIR_THRE]);
  });
});
