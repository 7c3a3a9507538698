/**
 * The configuration space of a host bridge: Intel's 82441FX (440FX PCIset data sheet, 290549, "PCI Configuration
 * Space"), with the subsystem ids by which firmware knows a virtual PC (QEMU's, as of its `pc` machine).
 * Left out: everything behind the registers. The PAM registers, which firmware writes to shadow the BIOS, keep what is
 * written; the memory there is RAM whatever they say. Other registers are read-only.
 */
import { bytes, type StructOf, struct } from '../memory/struct.js';
import type { Registers } from './device.js';

const SPACE_BYTES = 256;

/** Header of type 0 (PCI Local Bus 3.0, 6.1), and its values here. */
const VENDOR_ID = 0x00;
const INTEL = 0x8086;
const DEVICE_ID = 0x02;
const I82441FX = 0x1237;
const COMMAND = 0x04;
/** Memory space and bus master, both hard-wired on (data sheet, PCICMD). */
const COMMAND_MEMORY_MASTER = 0x0006;
const STATUS = 0x06;
/** Fast back-to-back capable, medium DEVSEL# timing (PCISTS). */
const STATUS_FAST_BACK_MEDIUM = 0x0280;
const REVISION_ID = 0x08;
const REVISION = 0x02;
/** Base class 6, sub-class 0: bridge, host. */
const CLASS = 0x0a;
const HOST_BRIDGE = 0x0600;
const SUBSYSTEM_VENDOR_ID = 0x2c;
const QUMRANET = 0x1af4;
const SUBSYSTEM_ID = 0x2e;
const QEMU_PC = 0x1100;
/** PAM0 to PAM6: programmable attribute map, two bits for reads and writes of each piece from 0xc0000 to 0xfffff. */
const PAM_START = 0x59;
const PAM_END = 0x60;

export const hostBridgeState = struct({ space: bytes(SPACE_BYTES) });

/** The state after a reset. */
export function initHostBridge({ space }: StructOf<typeof hostBridgeState>): void {
  const word = (at: number, value: number): void => {
    space[at] = value & 0xff;
    space[at + 1] = value >> 8;
  };
  word(VENDOR_ID, INTEL);
  word(DEVICE_ID, I82441FX);
  word(COMMAND, COMMAND_MEMORY_MASTER);
  word(STATUS, STATUS_FAST_BACK_MEDIUM);
  space[REVISION_ID] = REVISION;
  word(CLASS, HOST_BRIDGE);
  word(SUBSYSTEM_VENDOR_ID, QUMRANET);
  word(SUBSYSTEM_ID, QEMU_PC);
}

export class HostBridge implements Registers {
  constructor(private readonly state: StructOf<typeof hostBridgeState>) {}

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value << 8) | (this.state.space[offset + i] ?? 0xff);
    return value >>> 0;
  }

  write(offset: number, value: number, size: number): void {
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      if (at >= PAM_START && at < PAM_END) this.state.space[at] = value >>> (8 * i);
    }
  }
}
