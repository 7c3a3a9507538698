import { beforeEach, describe, expect, it } from 'vitest';
import { Uart } from '../../../src/devices/uart.js';
import { uartState } from '../../../src/devices/uart-registers.js';
import { inb, QueuedBytes, RecordedLine } from './parts.js';
import {
  DATA_READY,
  FCR,
  FIFO_ON,
  FIFO_TRIGGER_8,
  IER,
  IER_MSI,
  IER_RDI,
  IER_RLSI,
  IER_THRI,
  IIR,
  LCR,
  LSR,
  LSR_IDLE,
  MCR,
  MCR_DTR_RTS,
  MCR_LOOP,
  MCR_OUT2,
  MSR,
  OVERRUN,
  RX,
  SCR,
  TX,
  uartRig,
} from './uart-rig.js';

let { state, irq, out, far, delay, uart, read, write, arrives, drain } = uartRig();

beforeEach(() => {
  ({ state, irq, out, far, delay, uart, read, write, arrives, drain } = uartRig());
});

describe('registers', () => {
  it('scratch, LCR and the divisor latch keep what is written, apart from THR and IER', () => {
    write(SCR, 0xa5);
    write(IER, 0x05);
    write(LCR, 0x83);
    write(0, 0x0c);
    write(1, 0x34);
    expect([read(SCR), read(LCR), read(0), read(1)]).toEqual([0xa5, 0x83, 0x0c, 0x34]);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0x05);
    expect(out.bytes).toEqual([]);
  });

  it('only the bits that exist can be set in IER and MCR', () => {
    write(IER, 0xff);
    write(MCR, 0xff);
    expect([read(IER), read(MCR)]).toEqual([0x0f, 0x1f]);
  });

  it('LSR and MSR are not changed by a write', () => {
    write(LSR, 0xff);
    write(MSR, 0xff);
    expect([read(LSR), read(MSR)]).toEqual([LSR_IDLE, 0xb0]);
  });

  it('IIR shows the FIFOs only while they are on; FCR bits count only with bit 0', () => {
    expect(read(IIR)).toBe(0x01);
    write(FCR, 0xc1);
    expect(read(IIR)).toBe(0xc1);
    write(FCR, 0xc0);
    expect(read(IIR)).toBe(0x01);
  });
});

describe('transmission', () => {
  it('sends each byte once, in order, and is always ready', () => {
    for (const byte of Buffer.from('hello')) {
      expect(read(LSR)).toBe(LSR_IDLE);
      write(TX, byte);
    }
    expect(out.text).toBe('hello');
    expect(irq.edges).toBe(0);
  });

  it('interrupts when THR is empty; reading IIR ends that, the next byte sends it again', () => {
    write(MCR, MCR_OUT2);
    write(IER, IER_THRI);
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(irq.level).toBe(false);
    expect(read(IIR)).toBe(0x01);
    write(TX, 0x41);
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0x02);
    write(IER, IER_THRI);
    expect(irq.level).toBe(false);
  });

  it('gives an edge for each byte to a driver that never reads IIR', () => {
    write(MCR, MCR_OUT2);
    write(IER, IER_THRI);
    for (let i = 0; i < 5; i++) write(TX, i);
    expect(irq.edges).toBe(6);
  });

  it('withdraws the interrupt with its enable bit', () => {
    write(MCR, MCR_OUT2);
    write(IER, IER_THRI);
    write(IER, 0);
    expect(irq.level).toBe(false);
    expect(read(IIR)).toBe(0x01);
  });
});

describe('reception', () => {
  it('gives polled bytes in order without FIFOs, to a guest that never touched MCR', () => {
    arrives('abc');
    expect(drain()).toBe('abc');
    expect(read(LSR)).toBe(LSR_IDLE);
    expect(irq.edges).toBe(0);
  });

  it('tells a guest that polls IIR, with the gate closed, and gives it the bytes', () => {
    write(FCR, FIFO_ON);
    write(IER, IER_RDI);
    arrives('ab');
    const got: number[] = [];
    while ((read(IIR) & 1) === 0) got.push(read(RX));
    expect(Buffer.from(got).toString()).toBe('ab');
    expect(irq.edges).toBe(0);
  });

  it('takes a bounded part of endless input and leaves the rest at the far end', () => {
    write(FCR, FIFO_ON);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI);
    arrives('x'.repeat(10_000));
    for (let i = 0; i < 100; i++) uart.receive();
    expect(far.waiting).toHaveLength(10_000 - 16);
    expect(drain()).toBe('x'.repeat(10_000));
    expect(read(LSR) & OVERRUN).toBe(0);
  });

  it('tells received data at the trigger level, a character time-out below it', () => {
    write(FCR, FIFO_TRIGGER_8);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI);
    arrives('1234567');
    expect(read(IIR)).toBe(0xcc);
    arrives('8');
    expect(read(IIR)).toBe(0xc4);
    read(RX);
    expect(read(IIR)).toBe(0xcc);
    expect(drain()).toBe('2345678');
    expect(read(IIR)).toBe(0xc1);
  });

  it.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])('FCR %i has trigger level %i', (fcr, level) => {
    write(FCR, fcr);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI);
    arrives('x'.repeat(level - 1));
    if (level > 1) expect(read(IIR)).toBe(0xcc);
    arrives('x');
    expect(read(IIR)).toBe(0xc4);
  });

  it('gives an edge for each byte to a driver that reads one per interrupt', () => {
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI);
    arrives('abcd');
    const got: number[] = [];
    for (let seen = 0; seen < irq.edges; seen++) got.push(read(RX));
    expect(Buffer.from(got).toString()).toBe('abcd');
    expect(irq.level).toBe(false);
  });

  it('waits while the guest has taken RTS away', () => {
    write(MCR, MCR_OUT2);
    write(IER, IER_RDI);
    arrives('abc');
    expect(irq.level).toBe(false);
    expect(read(LSR) & DATA_READY).toBe(0);
    expect(read(RX)).toBe(0);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    expect(irq.level).toBe(true);
    expect(drain()).toBe('abc');
  });

  it('the receiver reset throws away what is in the FIFO', () => {
    write(FCR, FIFO_ON);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI);
    arrives('abc');
    write(FCR, FIFO_ON | 0x02);
    expect(irq.level).toBe(false);
    expect(read(LSR)).toBe(LSR_IDLE);
  });
});

describe('interrupts', () => {
  it('reach the bus only while OUT2 is set', () => {
    write(IER, IER_THRI);
    expect(irq.level).toBe(false);
    expect(read(IIR)).toBe(0x02);
    write(IER, 0);
    write(IER, IER_THRI);
    write(MCR, MCR_OUT2);
    expect(irq.level).toBe(true);
    write(MCR, 0);
    expect(irq.level).toBe(false);
  });

  it('are identified by priority: line status, data, THR empty, modem status', () => {
    write(IER, IER_RDI | IER_THRI | IER_RLSI | IER_MSI);
    write(MCR, MCR_LOOP);
    write(TX, 1);
    write(TX, 2);
    expect(read(IIR)).toBe(0x06);
    expect(read(LSR)).toBe(LSR_IDLE | DATA_READY | OVERRUN);
    expect(read(IIR)).toBe(0x04);
    // The second byte overran the first, and is the one that is there.
    expect(read(RX)).toBe(2);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x00);
    expect(read(MSR) & 0x0f).toBe(0x0b);
    expect(read(IIR)).toBe(0x01);
  });

  it('are held back in loopback, where OUT2 is inactive outside', () => {
    write(IER, IER_THRI);
    write(MCR, MCR_LOOP | MCR_OUT2);
    expect(irq.level).toBe(false);
    write(MCR, MCR_OUT2);
    expect(irq.level).toBe(true);
  });
});

describe('loopback and modem status', () => {
  it('brings the four outputs back as inputs, each to its own', () => {
    const seen = [0x01, 0x02, 0x04, 0x08].map((output) => {
      write(MCR, MCR_LOOP | output);
      return read(MSR) & 0xf0;
    });
    expect(seen).toEqual([0x20, 0x10, 0x40, 0x80]);
  });

  it('tells what changed once; the ring only when it ends', () => {
    write(MCR, MCR_LOOP);
    read(MSR);
    write(MCR, MCR_LOOP | 0x04);
    expect(read(MSR)).toBe(0x40);
    write(MCR, MCR_LOOP);
    expect(read(MSR)).toBe(0x04);
    expect(read(MSR)).toBe(0x00);
  });

  it('gives DSR, CTS and DCD outside of loopback', () => {
    expect(read(MSR)).toBe(0xb0);
  });

  it('receives what it sends, sends nothing out and lets nothing in', () => {
    write(FCR, FIFO_ON);
    write(MCR, MCR_LOOP | MCR_DTR_RTS);
    arrives('outside');
    for (const byte of Buffer.from('inside')) write(TX, byte);
    expect(drain()).toBe('inside');
    expect(out.bytes).toEqual([]);
    write(MCR, MCR_DTR_RTS);
    expect(drain()).toBe('outside');
  });

  it('keeps the FIFO and loses the newest byte in an overrun', () => {
    write(FCR, FIFO_ON);
    write(MCR, MCR_LOOP);
    for (const byte of Buffer.from('0123456789abcdef!')) write(TX, byte);
    expect(read(LSR) & OVERRUN).toBe(OVERRUN);
    expect(read(LSR) & OVERRUN).toBe(0);
    expect(drain()).toBe('0123456789abcdef');
  });
});

describe('state', () => {
  it('is all in the struct: another instance over it goes on', () => {
    write(FCR, FIFO_ON);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI | IER_THRI);
    arrives('abc');
    read(RX);
    const other = new Uart(state, irq, out, far, delay);
    expect(inb(other, RX)).toBe(0x62);
    expect(read(RX)).toBe(0x63);
  });

  it('copied by field name into a new machine, it raises its interrupt and the console lives', () => {
    write(FCR, FIFO_ON);
    write(MCR, MCR_OUT2 | MCR_DTR_RTS);
    write(IER, IER_RDI | IER_THRI);
    arrives('a');
    const copy = uartState.make();
    const { fifo, ...scalars } = uartState.valuesOf(state);
    Object.assign(copy, scalars);
    copy.fifo.set(fifo);
    const line = new RecordedLine();
    const input = new QueuedBytes();
    const restored = new Uart(copy, line, out, input, delay);
    restored.receive();
    expect(line.level).toBe(true);
    expect(inb(restored, RX)).toBe(0x61);
    expect(inb(restored, IIR) & 0x0f).toBe(0x02);
    input.push('b');
    restored.receive();
    expect(line.level).toBe(true);
    expect(inb(restored, RX)).toBe(0x62);
  });
});
