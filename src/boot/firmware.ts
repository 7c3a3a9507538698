/**
 * Boot sectors and floppy images, through a PC's firmware: it is entered at the reset vector, finds the image as a file
 * in fw_cfg, and boots it as a floppy disk. The files are those that SeaBIOS looks for (its docs/Runtime_config.md).
 */
import type { FwCfgFile } from '../devices/fw-cfg.js';
import { VmError } from '../errors.js';
import { e820Map, FIRMWARE_AREA_START, HOLE_END, MIB } from '../memory/map.js';
import { COM1_PORT } from './bios-data.js';
import { E820_ENTRY_BYTES, memoryMapTable, setU64 } from './memory-map.js';
import { checkRam, hex, PAGE_BYTES, sizeText } from './place.js';
import { type BootPlan, type Firmware, RESET_VECTOR, type Segment } from './plan.js';
import { zeroTerminated } from './text.js';

export interface FirmwareOptions {
  /** RAM of the machine, in bytes. */
  readonly ramBytes: number;
  /** The firmware's image; without it the plan is refused. */
  readonly rom: Uint8Array | undefined;
}

/** A chip set shows so much of the ROM's end below 1 MiB too (82371SB data sheet, 3.2: BIOS memory access). */
const SHADOW_BYTES = 128 * 1024;
const MIN_ROM = 64 * 1024;
const MAX_ROM = HOLE_END - FIRMWARE_AREA_START;

const KIB = 1024;
/** Floppy disks have these sizes, by which a firmware finds heads, tracks and sectors. */
const FLOPPY_1440 = 1440 * KIB;
const FLOPPY_2880 = 2880 * KIB;
const FLOPPY_SIZES = [160, 180, 320, 360, 720, 1200, 1440, 2880].map((size) => size * KIB);
/** SeaBIOS copies the image to the end of the RAM, and needs room for itself. */
const LEAST_RAM = 4 * MIB;

/** The floppy image, as SeaBIOS names it among what it can boot. */
const BOOT_ORDER = '/rom@floppyimg/image';

/**
 * Plans the boot of a boot sector or floppy image. An image that is no disk's size is padded with zeros to 1.44 MB,
 * else to 2.88 MB.
 * @throws VmError IMAGE_TOO_LARGE (above 2.88 MB), FIRMWARE_INVALID, MEMORY_INVALID
 */
export function planFirmware(image: Uint8Array, { ramBytes, rom }: FirmwareOptions): BootPlan {
  checkRam(ramBytes);
  const floppy = floppyOf(image);
  checkRom(rom);
  if (ramBytes < LEAST_RAM + floppy.length) {
    const least = sizeText(LEAST_RAM + floppy.length);
    throw new VmError('MEMORY_INVALID', `a firmware with a floppy disk of ${sizeText(floppy.length)} needs ${least}`, {
      hint: 'Give the machine more memory.',
    });
  }
  const padding = floppy.length > image.length ? ', padded' : '';
  return {
    form: 'boot-sector',
    isLinux: false,
    segments: [],
    entry: { mode: 'reset', rip: RESET_VECTOR },
    firmware: { rom, files: filesFor(floppy, ramBytes) },
    description: `a floppy disk of ${floppy.length / KIB} KiB${padding}, booted by a firmware of ${rom.length / KIB} KiB`,
  };
}

/** The parts of a firmware, where the machine has them: first the one in RAM, then the ROM. */
export function firmwareSegments({ rom }: Firmware): readonly [shadow: Segment, rom: Segment] {
  const shadow = rom.subarray(Math.max(0, rom.length - SHADOW_BYTES));
  return [
    { address: MIB - shadow.length, bytes: shadow, what: 'firmware, shadowed' },
    { address: HOLE_END - rom.length, bytes: rom, what: 'firmware' },
  ];
}

function checkRom(rom: Uint8Array | undefined): asserts rom is Uint8Array {
  if (rom === undefined) {
    throw new VmError('FIRMWARE_INVALID', 'this image is a boot sector or floppy image, which needs a firmware', {
      hint: "Name one, such as Debian's /usr/share/seabios/bios.bin; or a flat real mode runs the bytes without a BIOS.",
    });
  }
  if (rom.length >= MIN_ROM && rom.length <= MAX_ROM && rom.length % PAGE_BYTES === 0) return;
  throw new VmError('FIRMWARE_INVALID', `a firmware of ${rom.length} bytes cannot be mapped below ${hex(HOLE_END)}`, {
    hint: 'It has 64 KiB to 16 MiB, a multiple of 4096 bytes. Debian has one in its package seabios.',
  });
}

function floppyOf(image: Uint8Array): Uint8Array {
  if (FLOPPY_SIZES.includes(image.length)) return image;
  const size = [FLOPPY_1440, FLOPPY_2880].find((bytes) => bytes >= image.length);
  if (size === undefined) {
    throw new VmError(
      'IMAGE_TOO_LARGE',
      `the image has ${sizeText(image.length)}, and no floppy disk has above 2.88 MB`,
      {
        hint: 'Images of hard disks cannot be booted yet.',
      },
    );
  }
  const floppy = new Uint8Array(size);
  floppy.set(image);
  return floppy;
}

function filesFor(floppy: Uint8Array, ramBytes: number): readonly FwCfgFile[] {
  return [
    { name: 'etc/e820', bytes: memoryMapTable(e820Map(ramBytes), E820_ENTRY_BYTES) },
    // The PIT's line is wired to pin 2 of the I/O APIC, not to pin 0.
    { name: 'etc/irq0-override', bytes: number64(1) },
    { name: 'etc/sercon-port', bytes: number64(COM1_PORT) },
    { name: 'etc/show-boot-menu', bytes: number64(0) },
    { name: 'bootorder', bytes: zeroTerminated(BOOT_ORDER, 'boot order', BOOT_ORDER.length) },
    { name: 'floppyimg/image', bytes: floppy },
  ];
}

function number64(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  setU64(view, 0, value);
  return new Uint8Array(view.buffer);
}
