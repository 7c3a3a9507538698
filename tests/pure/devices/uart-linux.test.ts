import { beforeEach, describe, expect, it } from 'vitest';
import {
  EFR,
  FCR,
  FIFO_ON,
  FIFO_TRIGGER_8,
  IER,
  IER_RDI,
  IER_RLSI,
  IER_THRI,
  IIR,
  LCR,
  LSR,
  MCR,
  MCR_DTR_RTS,
  MCR_LOOP,
  MCR_OUT2,
  MSR,
  RX,
  TX,
  uartRig,
} from './uart-rig.js';

let { irq, out, read, write, arrives, drain } = uartRig();

beforeEach(() => {
  ({ irq, out, read, write, arrives, drain } = uartRig());
});

/** The accesses of Linux's 8250 driver when it looks for a port (drivers/tty/serial/8250, autoconfig), in order. */
function probeAsLinux(): { ier: number[]; loop: number; iir: number; efr: number } {
  const savedIer = read(IER);
  write(IER, 0);
  const none = read(IER);
  write(IER, 0x0f);
  const all = read(IER);
  write(IER, savedIer);
  const savedMcr = read(MCR);
  const savedLcr = read(LCR);
  write(MCR, MCR_LOOP | 0x0a);
  const loop = read(MSR) & 0xf0;
  write(MCR, savedMcr);
  write(LCR, 0xbf);
  write(EFR, 0);
  write(LCR, 0);
  write(FCR, FIFO_ON);
  const iir = read(IIR);
  write(LCR, 0xbf);
  const efr = read(EFR);
  write(LCR, savedLcr);
  write(MCR, savedMcr);
  clearFifos();
  read(RX);
  write(IER, 0);
  return { ier: [none, all], loop, iir, efr };
}

function clearFifos(): void {
  write(FCR, FIFO_ON);
  write(FCR, FIFO_ON | 0x06);
  write(FCR, 0);
}

/** The accesses of the same driver when the port is opened (serial8250_do_startup, set_termios), in order. */
function openAsLinux(): { firstIir: number; secondIir: number } {
  clearFifos();
  for (const register of [LSR, RX, IIR, MSR]) read(register);
  write(LCR, 3);
  write(MCR, MCR_OUT2);
  write(IER, IER_THRI);
  const firstIir = read(IIR);
  write(IER, 0);
  write(IER, IER_THRI);
  const secondIir = read(IIR);
  write(IER, 0);
  for (const register of [LSR, RX, IIR, MSR]) read(register);
  write(IER, IER_RDI | IER_RLSI);
  write(LCR, 0x83);
  write(0, 1);
  write(1, 0);
  write(LCR, 3);
  write(FCR, FIFO_ON);
  write(FCR, FIFO_TRIGGER_8);
  write(MCR, MCR_OUT2 | MCR_DTR_RTS);
  return { firstIir, secondIir };
}

describe('as Linux probes it', () => {
  it('is a 16550A', () => {
    const found = probeAsLinux();
    expect(found.ier).toEqual([0, 0x0f]);
    expect(found.loop).toBe(0x90);
    expect(found.iir & 0xc0).toBe(0xc0);
    // No EFR: its place still is IIR, not 0, or it would be taken for a 16650.
    expect(found.efr).not.toBe(0);
    expect(out.bytes).toEqual([]);
  });

  it('has no 64-byte FIFO, no UUE bit in IER, and counts 16 bytes in loopback', () => {
    write(FCR, FIFO_ON | 0x20);
    expect(read(IIR) & 0x20).toBe(0);
    write(IER, 0x40);
    expect(read(IER)).toBe(0);
    write(FCR, FIFO_ON | 0x06);
    write(MCR, MCR_LOOP);
    for (let i = 0; i < 256; i++) write(TX, i);
    expect(drain()).toHaveLength(16);
    expect(out.bytes).toEqual([]);
  });

  it('sends the THR-empty interrupt again each time it is turned on', () => {
    probeAsLinux();
    const { firstIir, secondIir } = openAsLinux();
    expect(firstIir & 0x0f).toBe(0x02);
    expect(secondIir & 0x0f).toBe(0x02);
  });

  it.each([
    ['', false],
    ['after an early console that had set DTR and RTS', true],
  ])('loses no byte of input that waited from the start %s', (_when, earlyConsole) => {
    arrives('first line\nsecond line, longer than any FIFO\n');
    if (earlyConsole) {
      write(IER, 0);
      write(FCR, 0);
      write(MCR, MCR_DTR_RTS);
      for (const byte of Buffer.from('early')) {
        while ((read(LSR) & 0x20) === 0);
        write(TX, byte);
      }
    }
    probeAsLinux();
    // The serial core takes RTS away until the port is opened.
    write(MCR, 0);
    openAsLinux();
    expect(irq.level).toBe(true);
    expect(drain()).toBe('first line\nsecond line, longer than any FIFO\n');
    expect(irq.level).toBe(false);
  });
});
