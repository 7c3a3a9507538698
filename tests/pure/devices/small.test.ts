import { describe, expect, it } from 'vitest';
import { DebugExit, debugExitState } from '../../../src/devices/debug-exit.js';
import { DebugConsole, PostCode, postCodeState } from '../../../src/devices/debug-port.js';
import type { Registers } from '../../../src/devices/device.js';
import { Pvpanic, pvpanicState } from '../../../src/devices/pvpanic.js';
import { RESET_VALUE, ResetControl, resetControlState } from '../../../src/devices/reset-control.js';
import { inb, outb, RecordedBytes, RecordedEnds } from './parts.js';

describe('debug ports', () => {
  it('port 0x80 remembers the last code', () => {
    const state = postCodeState.make();
    const port = new PostCode(state);
    expect(inb(port)).toBe(0);
    outb(port, 0, 0x55);
    outb(port, 0, 0xaa);
    expect([inb(port), state.last]).toEqual([0xaa, 0xaa]);
  });

  it('port 0xe9 says that it is there and sends each byte', () => {
    const out = new RecordedBytes();
    const port = new DebugConsole(out);
    expect(inb(port)).toBe(0xe9);
    for (const byte of Buffer.from('hi\n')) outb(port, 0, byte);
    expect(out.text).toBe('hi\n');
  });
});

describe('isa-debug-exit', () => {
  it.each([
    [0, 1, 0, 1],
    [1, 1, 0, 3],
    [0x10, 4, 0, 0x21],
    [0x7f, 2, 2, 0xff],
    [0x80, 1, 3, 0x01],
    [0xffffffff, 4, 0, 0xff],
    [0x80000000, 4, 0, 0x01],
  ])('value %i of %i bytes at offset %i ends with status %i', (value, size, offset, status) => {
    const machine = new RecordedEnds();
    const state = debugExitState.make();
    const device: Registers = new DebugExit(state, machine);
    device.write(offset, value, size);
    expect(machine.ends).toEqual([{ reason: 'debug-exit', status }]);
    expect(state.written).toBe(value);
    expect(device.read(offset, size)).toBe(0);
  });
});

describe('pvpanic', () => {
  it('offers both events, ends at a panic, goes on where a crash kernel is loaded', () => {
    const machine = new RecordedEnds();
    const state = pvpanicState.make();
    const device = new Pvpanic(state, machine);
    expect(inb(device)).toBe(3);
    outb(device, 0, 0xfc);
    expect(state.events).toBe(0);
    outb(device, 0, 2);
    expect(machine.ends).toEqual([]);
    outb(device, 0, 1);
    expect(machine.ends).toEqual([{ reason: 'panic', by: 'pvpanic' }]);
    expect(state.events).toBe(3);
  });
});

describe('reset control, port 0xcf9', () => {
  const reset = { reason: 'reset', by: 'port 0xcf9' };

  it("resets at ACPI's reset value", () => {
    const machine = new RecordedEnds();
    outb(new ResetControl(resetControlState.make(), machine), 0, RESET_VALUE);
    expect(machine.ends).toEqual([reset]);
  });

  it('resets at 2 then 6, as Linux does, and not at 2', () => {
    const machine = new RecordedEnds();
    const device = new ResetControl(resetControlState.make(), machine);
    outb(device, 0, 0x02);
    expect([machine.ends.length, inb(device)]).toEqual([0, 0x02]);
    outb(device, 0, 0x06);
    expect(machine.ends).toEqual([reset]);
  });

  it('resets only where bit 2 rises', () => {
    const machine = new RecordedEnds();
    const state = resetControlState.make();
    const device = new ResetControl(state, machine);
    outb(device, 0, 0x04);
    outb(device, 0, 0x06);
    outb(device, 0, 0xfb);
    expect([machine.ends.length, inb(device)]).toEqual([1, 0x0a]);
    outb(device, 0, 0x0e);
    expect(machine.ends).toEqual([reset, reset]);
  });
});
