import { beforeEach, describe, expect, it } from 'vitest';
import type { Registers } from '../../../src/devices/device.js';
import { HostBridge, hostBridgeState, initHostBridge } from '../../../src/devices/host-bridge.js';
import { PciHost, pciAddress, pciState } from '../../../src/devices/pci.js';

const ENABLE = 0x80000000;
const ONES = 0xffffffff;

let narrow: [string, ...number[]][] = [];
let pci = new PciHost(pciState.make(), new Map(), { read: () => 0, write: () => {} });

beforeEach(() => {
  narrow = [];
  const behind: Registers = {
    read: (offset, size) => {
      narrow.push(['read', offset, size]);
      return 0x5a;
    },
    write: (offset, value, size) => {
      narrow.push(['write', offset, value, size]);
    },
  };
  const bridge = hostBridgeState.make();
  initHostBridge(bridge);
  pci = new PciHost(pciState.make(), new Map([[pciAddress(0), new HostBridge(bridge)]]), behind);
});

const select = (bus: number, device: number, fn: number, register: number): void =>
  pci.address.write(0, (ENABLE | (bus << 16) | (device << 11) | (fn << 8) | register) >>> 0, 4);

function read(register: number, size = 4, bus = 0, device = 0, fn = 0): number {
  select(bus, device, fn, register & 0xfc);
  return pci.data.read(register & 3, size);
}

function write(register: number, value: number, size: number): void {
  select(0, 0, 0, register & 0xfc);
  pci.data.write(register & 3, value, size);
}

describe('CONFIG_ADDRESS', () => {
  it('keeps a double word but its reserved bits', () => {
    pci.address.write(0, ONES, 4);
    expect(pci.address.read(0, 4)).toBe(0x80fffffc);
  });

  it('takes double words only: narrower accesses go on to what is there', () => {
    pci.address.write(0, ENABLE, 4);
    pci.address.write(1, 6, 1);
    pci.address.write(2, 0x1234, 2);
    expect([pci.address.read(1, 1), pci.address.read(0, 4)]).toEqual([0x5a, ENABLE]);
    expect(narrow).toEqual([
      ['write', 1, 6, 1],
      ['write', 2, 0x1234, 2],
      ['read', 1, 1],
    ]);
  });

  it('is found as Linux looks for it: a byte that changes nothing, then a value that stays', () => {
    pci.address.write(3, 0x01, 1);
    const before = pci.address.read(0, 4);
    pci.address.write(0, ENABLE, 4);
    expect([before, pci.address.read(0, 4), pci.data.read(2, 2)]).toEqual([0, ENABLE, 0x1237]);
  });
});

describe('CONFIG_DATA', () => {
  it('shows the host bridge in any width', () => {
    expect([read(0), read(0, 2), read(2, 2), read(0, 1), read(3, 1)]).toEqual([0x12378086, 0x8086, 0x1237, 0x86, 0x12]);
    expect([read(8), read(0x0e, 1)]).toEqual([0x06000002, 0]);
    expect([read(4, 2), read(6, 2), read(0x2c), read(0x3c)]).toEqual([0x0006, 0x0280, 0x11001af4, 0]);
    for (const bar of [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30]) expect(read(bar)).toBe(0);
  });

  it('gives all ones where no function is, and while it is not enabled', () => {
    for (const [bus, device, fn] of [
      [0, 1, 0],
      [0, 31, 7],
      [0, 0, 1],
      [1, 0, 0],
      [255, 31, 7],
    ] as const) {
      expect([4, 2, 1].map((size) => read(0, size, bus, device, fn))).toEqual([ONES, 0xffff, 0xff]);
    }
    pci.address.write(0, 0, 4);
    expect([pci.data.read(0, 4), pci.data.read(1, 1)]).toEqual([ONES, 0xff]);
  });

  it('has registers that stay, and shadowing that firmware can set', () => {
    for (let register = 0; register < 256; register++) {
      const before = read(register, 1);
      write(register, ~before & 0xff, 1);
      const changed = read(register, 1) !== before;
      expect([register, changed]).toEqual([register, register >= 0x59 && register < 0x60]);
    }
    write(0x5c, 0x33333333, 4);
    expect(read(0x5c)).toBe(0x33333333);
    pci.address.write(0, 0, 4);
    pci.data.write(0, 0, 4);
    expect(read(0x5c)).toBe(0x33333333);
  });
});
