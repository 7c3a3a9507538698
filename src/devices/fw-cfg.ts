/**
 * QEMU's firmware configuration device (QEMU, docs/specs/fw_cfg.rst), by which a firmware learns what machine it is on
 * and is given files. Two ranges of ports: the selector (16 bits) with the data register in its second byte, and the
 * DMA address register (64 bits, big-endian).
 * A selector names an item; each read of the data register gives the item's next byte, and 0 behind its end or where
 * there is no such item. DMA copies in one go: the guest writes the address of a descriptor.
 * Left out: items that a guest may write (a DMA write fails), and the write of the data register, which QEMU ignores
 * since 2.4 too.
 */
import { type StructOf, struct, u16, u32 } from '../memory/struct.js';
import type { DmaMemory, Registers } from './device.js';

/** Selectors of the items that are no files (QEMU, include/standard-headers/linux/qemu_fw_cfg.h). */
const FW_CFG_SIGNATURE = 0x00;
const FW_CFG_ID = 0x01;
const FW_CFG_NB_CPUS = 0x05;
const FW_CFG_MAX_CPUS = 0x0f;
const FW_CFG_FILE_DIR = 0x19;
const FW_CFG_FILE_FIRST = 0x20;
/** Bit 14 of a selector asked for writing, before QEMU 2.4; it selects nothing. */
const FW_CFG_WRITE_CHANNEL = 0x4000;

/** Bits of the item FW_CFG_ID: the traditional interface, and DMA. */
const FW_CFG_VERSION = 0x01;
const FW_CFG_VERSION_DMA = 0x02;

// The control field of a DMA descriptor. Bits 16 to 31 are the selector.
const FW_CFG_DMA_CTL_ERROR = 0x01;
const FW_CFG_DMA_CTL_READ = 0x02;
const FW_CFG_DMA_CTL_SKIP = 0x04;
const FW_CFG_DMA_CTL_SELECT = 0x08;
const FW_CFG_DMA_CTL_WRITE = 0x10;

/** struct fw_cfg_dma_access: control, length (32 bits each) and address (64 bits), all big-endian. */
const DMA_ACCESS_BYTES = 16;
/** What a read of the DMA address register gives: "QEMU CFG". */
const DMA_SIGNATURE = [0x51, 0x45, 0x4d, 0x55, 0x20, 0x43, 0x46, 0x47];

/** struct fw_cfg_file: size (32 bits), selector, reserved (16 bits each), big-endian; a name that ends with a zero. */
const FILE_ENTRY_BYTES = 64;
const FILE_NAME_AT = 8;
/** Bytes of a name, without its end. */
export const FW_CFG_MAX_NAME = FILE_ENTRY_BYTES - FILE_NAME_AT - 1;

export interface FwCfgFile {
  /** ASCII, at most FW_CFG_MAX_NAME bytes: "etc/e820". */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a selector gives. Clonable to another thread. */
export interface FwCfgItem {
  readonly selector: number;
  readonly bytes: Uint8Array;
}

/** All items of a machine. @param files fewer than 0x3fe0, no two of a name */
export function fwCfgItems(files: readonly FwCfgFile[], cpus: number): readonly FwCfgItem[] {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  return [
    { selector: FW_CFG_SIGNATURE, bytes: ascii('QEMU') },
    { selector: FW_CFG_ID, bytes: Uint8Array.of(FW_CFG_VERSION | FW_CFG_VERSION_DMA, 0, 0, 0) },
    { selector: FW_CFG_NB_CPUS, bytes: Uint8Array.of(cpus & 0xff, cpus >> 8) },
    { selector: FW_CFG_MAX_CPUS, bytes: Uint8Array.of(cpus & 0xff, cpus >> 8) },
    { selector: FW_CFG_FILE_DIR, bytes: directoryOf(sorted) },
    ...sorted.map(({ bytes }, i) => ({ selector: FW_CFG_FILE_FIRST + i, bytes })),
  ];
}

function directoryOf(files: readonly FwCfgFile[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * FILE_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  for (const [i, file] of files.entries()) {
    const at = 4 + i * FILE_ENTRY_BYTES;
    view.setUint32(at, file.bytes.length);
    view.setUint16(at + 4, FW_CFG_FILE_FIRST + i);
    bytes.set(ascii(file.name).subarray(0, FW_CFG_MAX_NAME), at + FILE_NAME_AT);
  }
  return bytes;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f);

export const fwCfgState = struct({ selector: u16, offset: u32, dmaHigh: u32 });

const NOTHING = new Uint8Array(0);
const ZEROS = new Uint8Array(0x10000);

export class FwCfg {
  /** The selector at 0, 16 bits, write-only; the data register at 1. */
  readonly selectorAndData: Registers = {
    read: (offset) => (offset === 1 ? this.#nextByte() : 0),
    write: (offset, value, size) => {
      if (offset === 0 && size === 2) this.#select(value);
    },
  };
  /** The DMA address: the high half at 0, the low one at 4, which starts the transfer. 32-bit writes only. */
  readonly dmaAddress: Registers = {
    read: (offset, size) => {
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = (value << 8) | (DMA_SIGNATURE[offset + i] ?? 0);
      return value >>> 0;
    },
    write: (offset, value, size) => {
      if (size !== 4) return;
      if (offset === 0) this.state.dmaHigh = swap32(value);
      else if (offset === 4) this.#startDma(swap32(value));
    },
  };

  readonly #items: ReadonlyMap<number, Uint8Array>;
  readonly #access = new Uint8Array(DMA_ACCESS_BYTES);
  readonly #accessView = new DataView(this.#access.buffer);

  /** @param items by `fwCfgItems` */
  constructor(
    private readonly state: StructOf<typeof fwCfgState>,
    items: readonly FwCfgItem[],
    private readonly memory: DmaMemory,
  ) {
    this.#items = new Map(items.map(({ selector, bytes }) => [selector, bytes]));
  }

  #select(selector: number): void {
    this.state.selector = selector & ~FW_CFG_WRITE_CHANNEL;
    this.state.offset = 0;
  }

  #item(): Uint8Array {
    return this.#items.get(this.state.selector) ?? NOTHING;
  }

  #nextByte(): number {
    const byte = this.#item()[this.state.offset];
    if (byte === undefined) return 0;
    this.state.offset++;
    return byte;
  }

  #startDma(low: number): void {
    const at = this.state.dmaHigh * 2 ** 32 + low;
    this.state.dmaHigh = 0;
    // A descriptor outside RAM: there is nowhere to tell the fault.
    if (!this.memory.contains(at, DMA_ACCESS_BYTES)) return;
    this.memory.read(at, this.#access);
    const control = this.#accessView.getUint32(0);
    const length = this.#accessView.getUint32(4);
    const address = this.#accessView.getUint32(8) * 2 ** 32 + this.#accessView.getUint32(12);
    if ((control & FW_CFG_DMA_CTL_SELECT) !== 0) this.#select(control >>> 16);
    this.#accessView.setUint32(0, this.#transfer(control, address, length) ? 0 : FW_CFG_DMA_CTL_ERROR);
    this.memory.write(at, this.#access.subarray(0, 4));
  }

  /** Returns whether it could be done. Where several kinds are asked for, the first of read, write and skip counts. */
  #transfer(control: number, address: number, length: number): boolean {
    if ((control & FW_CFG_DMA_CTL_READ) !== 0) return this.#readInto(address, length);
    if ((control & FW_CFG_DMA_CTL_WRITE) !== 0) return length === 0;
    if ((control & FW_CFG_DMA_CTL_SKIP) !== 0) this.#take(length);
    return true;
  }

  /** The item's next bytes, `length` at most. */
  #take(length: number): Uint8Array {
    const { offset } = this.state;
    const part = this.#item().subarray(offset, offset + length);
    this.state.offset += part.length;
    return part;
  }

  /** Nothing is written where not all of it is RAM. */
  #readInto(address: number, length: number): boolean {
    if (!this.memory.contains(address, length)) return false;
    const part = this.#take(length);
    this.memory.write(address, part);
    for (let done = part.length; done < length; done += ZEROS.length) {
      this.memory.write(address + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)));
    }
    return true;
  }
}

function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
