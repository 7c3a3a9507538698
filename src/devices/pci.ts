/**
 * PCI configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2): a double word CONFIG_ADDRESS at 0xcf8 selects bus,
 * device, function and register; CONFIG_DATA at 0xcfc is a window on that register. Two views: `address` and `data`,
 * four bytes each. There is one bus, number 0; where no function is, reads give all ones, as after a master abort.
 * Left out: special cycles, and the abort's status bits in the bridge.
 */
import { type StructOf, struct, u32 } from '../memory/struct.js';
import type { Registers } from './device.js';

/** CONFIG_ADDRESS: bits 30 to 24 and 1 to 0 are reserved and read 0. */
const ENABLE = 0x80000000;
const RESERVED = 0x7f000003;
const BUS_AND_FUNCTION_SHIFT = 8;
const BUS_AND_FUNCTION_MASK = 0xffff;
const REGISTER_MASK = 0xfc;

const DOUBLE_WORD = 4;
const ALL_ONES = 0xffffffff;

export const pciState = struct({ address: u32 });

/** A function's 256 bytes of configuration space. */
export type ConfigSpace = Registers;

/** Where a function is on bus 0, as CONFIG_ADDRESS names it: device 0 to 31, function 0 to 7. */
export const pciAddress = (device: number, fn = 0): number => (device << 3) | fn;

export class PciHost {
  readonly address: Registers = {
    read: (offset, size) => {
      if (size === DOUBLE_WORD && offset === 0) return this.state.address;
      return this.narrow.read(offset, size);
    },
    write: (offset, value, size) => {
      if (size === DOUBLE_WORD && offset === 0) this.state.address = value & ~RESERVED;
      else this.narrow.write(offset, value, size);
    },
  };

  readonly data: Registers = {
    read: (offset, size) => {
      const ones = size >= DOUBLE_WORD ? ALL_ONES : (1 << (8 * size)) - 1;
      return this.#selected()?.read((this.state.address & REGISTER_MASK) + offset, size) ?? ones;
    },
    write: (offset, value, size) => {
      this.#selected()?.write((this.state.address & REGISTER_MASK) + offset, value, size);
    },
  };

  /**
   * @param functions configuration spaces on bus 0 by `pciAddress`
   * @param narrow what byte and word accesses to CONFIG_ADDRESS's ports reach: to the host bridge they are plain I/O
   */
  constructor(
    private readonly state: StructOf<typeof pciState>,
    private readonly functions: ReadonlyMap<number, ConfigSpace>,
    private readonly narrow: Registers,
  ) {}

  #selected(): ConfigSpace | undefined {
    const { address } = this.state;
    if ((address & ENABLE) === 0) return undefined;
    return this.functions.get((address >>> BUS_AND_FUNCTION_SHIFT) & BUS_AND_FUNCTION_MASK);
  }
}
