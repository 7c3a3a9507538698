import { describe, expect, it } from 'vitest';
import type { DmaMemory } from '../../../src/devices/device.js';
import { FW_CFG_MAX_NAME, FwCfg, type FwCfgFile, fwCfgItems, fwCfgState } from '../../../src/devices/fw-cfg.js';
import { random } from './parts.js';

const RAM_BYTES = 0x40000;
const FILE_DIR = 0x19;
const READ = 2;
const SKIP = 4;
const SELECT = 8;
const WRITE = 16;
const ERROR = 1;

/** RAM from 0 on; it refuses what a device must not ask for. */
class Ram implements DmaMemory {
  readonly bytes = new Uint8Array(RAM_BYTES).fill(0xcc);

  contains(address: number, length: number): boolean {
    return address >= 0 && address + length <= RAM_BYTES;
  }

  read(address: number, to: Uint8Array): void {
    if (!this.contains(address, to.length)) throw new Error(`read of ${to.length} bytes at ${address}`);
    to.set(this.bytes.subarray(address, address + to.length));
  }

  write(address: number, bytes: Uint8Array): void {
    if (!this.contains(address, bytes.length)) throw new Error(`write of ${bytes.length} bytes at ${address}`);
    this.bytes.set(bytes, address);
  }
}

const swap = (value: number): number => Buffer.from(Uint32Array.of(value).buffer).readUInt32BE();

const text = (name: string, content: string): FwCfgFile => ({ name, bytes: Buffer.from(content) });

class Rig {
  readonly ram = new Ram();
  readonly state = fwCfgState.make();
  readonly device: FwCfg;

  constructor(files: readonly FwCfgFile[] = [text('etc/b', 'second'), text('etc/a', 'first')], cpus = 1) {
    this.device = new FwCfg(this.state, fwCfgItems(files, cpus), this.ram);
  }

  select(selector: number): void {
    this.device.selectorAndData.write(0, selector, 2);
  }

  data(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.device.selectorAndData.read(1, 1)));
  }

  item(selector: number, count: number): Buffer {
    this.select(selector);
    return this.data(count);
  }

  /** Starts a transfer with its descriptor at `at`, and gives the control field that the device leaves. */
  dma(control: number, length: number, address: number, at = 0x100): number {
    const view = new DataView(this.ram.bytes.buffer);
    if (this.ram.contains(at, 16)) {
      view.setUint32(at, control);
      view.setUint32(at + 4, length);
      view.setBigUint64(at + 8, BigInt(address));
    }
    if (at >= 2 ** 32) this.device.dmaAddress.write(0, swap(Math.floor(at / 2 ** 32)), 4);
    this.device.dmaAddress.write(4, swap(at % 2 ** 32), 4);
    return this.ram.contains(at, 4) ? view.getUint32(at) : -1;
  }

  ramText(address: number, length: number): string {
    return Buffer.from(this.ram.bytes.subarray(address, address + length)).toString('latin1');
  }
}

const select = (selector: number) => (selector << 16) | SELECT;

describe('fw_cfg by its ports', () => {
  it('is found by its signature, offers DMA, and tells how many CPUs there are', () => {
    const rig = new Rig([], 300);
    expect(rig.item(0, 4).toString()).toBe('QEMU');
    expect(rig.item(1, 4).readUInt32LE()).toBe(3);
    expect(rig.item(0x05, 2).readUInt16LE()).toBe(300);
    expect(rig.item(0x0f, 2).readUInt16LE()).toBe(300);
  });

  it('lists its files by name, big-endian, and gives each under its selector', () => {
    const rig = new Rig();
    const directory = rig.item(FILE_DIR, 4 + 2 * 64);
    expect(directory.readUInt32BE()).toBe(2);
    const files = [directory.subarray(4, 68), directory.subarray(68)].map((entry) => ({
      size: entry.readUInt32BE(),
      selector: entry.readUInt16BE(4),
      reserved: entry.readUInt16BE(6),
      name: entry.toString('latin1', 8).replace(/\0+$/, ''),
    }));
    expect(files).toEqual([
      { size: 5, selector: 0x20, reserved: 0, name: 'etc/a' },
      { size: 6, selector: 0x21, reserved: 0, name: 'etc/b' },
    ]);
    expect(rig.item(0x21, 6).toString()).toBe('second');
  });

  it('cuts a name that is too long, and ends it', () => {
    const rig = new Rig([text('x'.repeat(100), '')]);
    const name = rig.item(FILE_DIR, 68).subarray(12);
    expect(name.indexOf(0)).toBe(FW_CFG_MAX_NAME);
  });

  it('gives zeros behind the end of an item, and where there is none', () => {
    const rig = new Rig();
    expect(rig.item(0x20, 8).toString()).toBe('first\0\0\0');
    expect([...rig.item(0x1234, 3)]).toEqual([0, 0, 0]);
  });

  it('begins anew with each selection, and selects nothing by its data register or a byte', () => {
    const rig = new Rig();
    rig.item(0x20, 3);
    expect(rig.item(0x20 | 0x4000, 2).toString()).toBe('fi');
    const { selectorAndData } = rig.device;
    selectorAndData.write(1, 0x21, 1);
    selectorAndData.write(0, 0x21, 1);
    expect(rig.data(3).toString()).toBe('rst');
    expect(selectorAndData.read(0, 2)).toBe(0);
  });
});

describe('fw_cfg by DMA', () => {
  it('shows its signature in the address register', () => {
    const { dmaAddress } = new Rig().device;
    const bytes = Array.from({ length: 8 }, (_, i) => dmaAddress.read(i, 1));
    expect(Buffer.from(bytes).toString()).toBe('QEMU CFG');
    expect(dmaAddress.read(0, 4)).toBe(Buffer.from('QEMU').readUInt32LE());
    expect(dmaAddress.read(6, 2)).toBe(Buffer.from('FG').readUInt16LE());
  });

  it('selects and reads in one go, zeros behind the end', () => {
    const rig = new Rig();
    expect(rig.dma(select(0x21) | READ, 8, 0x2000)).toBe(0);
    expect(rig.ramText(0x2000, 9)).toBe('second\0\0\xcc');
  });

  it('goes on where the last one ended, after a skip too', () => {
    const rig = new Rig();
    rig.dma(select(0x21) | READ, 1, 0x2000);
    expect(rig.dma(SKIP, 2, 0)).toBe(0);
    rig.dma(READ, 2, 0x2001);
    expect(rig.ramText(0x2000, 4)).toBe('son\xcc');
    expect(rig.data(3).toString()).toBe('d\0\0');
  });

  it('skips beyond the end of an item and no further', () => {
    const rig = new Rig();
    expect(rig.dma(select(0x20) | SKIP, 0xffffffff, 0)).toBe(0);
    expect(rig.state.offset).toBe(5);
    expect(rig.dma(SKIP, 0xffffffff, 0)).toBe(0);
    expect(rig.state.offset).toBe(5);
  });

  it('refuses to write, and does nothing where nothing is asked for', () => {
    const rig = new Rig();
    expect(rig.dma(select(0x20) | WRITE, 4, 0x2000)).toBe(ERROR);
    expect(rig.dma(0, 4, 0x2000)).toBe(0);
    expect(rig.dma(select(0x20), 0, 0)).toBe(0);
    expect(rig.item(0x20, 5).toString()).toBe('first');
    expect(rig.ramText(0x2000, 4)).toBe('\xcc\xcc\xcc\xcc');
  });

  it.each([
    ['outside RAM', RAM_BYTES, 1],
    ['across the end of RAM', RAM_BYTES - 4, 5],
    ['of 4 GiB', 0, 0xffffffff],
    ['above 4 GiB, at an address whose low half is RAM', 2 ** 32 + 0x2000, 4],
    ['at the end of 64 bits', Number(2n ** 64n - 4096n), 8],
  ])('refuses a read %s, and writes nothing', (_, address, length) => {
    const rig = new Rig();
    rig.ram.bytes.fill(0xcc);
    expect(rig.dma(select(0x20) | READ, length, address)).toBe(ERROR);
    rig.ram.bytes.fill(0xcc, 0x100, 0x110);
    expect(rig.ram.bytes.every((byte) => byte === 0xcc)).toBe(true);
  });

  it('takes no descriptor outside RAM', () => {
    const rig = new Rig();
    for (const at of [RAM_BYTES - 15, RAM_BYTES, 0xfffffff0, 2 ** 32 + 0x100, Number(2n ** 64n - 4096n)]) {
      rig.dma(select(0x20) | READ, 4, 0x2000, at);
    }
    expect(rig.ramText(0x2000, 4)).toBe('\xcc\xcc\xcc\xcc');
    // The high half counts once.
    expect(rig.dma(select(0x20) | READ, 5, 0x2000)).toBe(0);
    expect(rig.ramText(0x2000, 5)).toBe('first');
  });

  it('may write over its own descriptor', () => {
    const rig = new Rig();
    expect(rig.dma(select(0x20) | READ, 16, 0x100)).toBe(0);
    expect(rig.ramText(0x104, 2)).toBe('t\0');
  });

  it('starts by a 32-bit write of the low half alone', () => {
    const rig = new Rig();
    const view = new DataView(rig.ram.bytes.buffer);
    view.setUint32(0x100, select(0x20) | READ);
    view.setUint32(0x104, 5);
    view.setBigUint64(0x108, 0x2000n);
    const { dmaAddress } = rig.device;
    dmaAddress.write(4, 0, 1);
    dmaAddress.write(6, 1, 2);
    dmaAddress.write(3, swap(0x100), 4);
    expect(rig.ramText(0x2000, 1)).toBe('\xcc');
    dmaAddress.write(4, swap(0x100), 4);
    expect(rig.ramText(0x2000, 5)).toBe('first');
  });

  it('stands random descriptors', () => {
    const rig = new Rig();
    const next = random(0x5eed);
    for (let i = 0; i < 5000; i++) {
      const address = next() % 4 === 0 ? next() : next() % (RAM_BYTES + 64);
      const length = next() % 4 === 0 ? next() : next() % 64;
      rig.dma(next() & 0xff003f, length, address, next() % (RAM_BYTES + 16));
      expect(rig.state.offset).toBeLessThanOrEqual(4 + 2 * 64);
    }
  });
});
