/**
 * Guest memory while a plan is made: what the image puts where it wants, and what the loader adds where there is room.
 * Nothing is put outside RAM, over something else, or between 0x9fc00 and 1 MiB (video memory, ROMs, ACPI tables).
 */
import { VmError, type VmErrorCode } from '../errors.js';
import { HOLE_END, HOLE_START, LOW_RAM_END, MIB, ramRanges } from '../memory/map.js';
import { isUsable, memoryOf, placeText } from './check-plan.js';
import { alignDown, alignUp, checkRam, hex, lowRamEnd, PAGE_BYTES, sizeText } from './place.js';
import type { Segment } from './plan.js';

interface Area {
  readonly start: number;
  readonly end: number;
}

/** The first page is the real-mode interrupt table's: loaders leave it alone. */
const LOWEST = PAGE_BYTES;
const BIOS_AREA: Area = { start: LOW_RAM_END, end: MIB };

export interface Room {
  /** A power of two. */
  readonly alignment?: number;
  /** Nothing of it goes below this address. */
  readonly from?: number;
  /** Nothing of it goes from this address on. */
  readonly below?: number;
  /** The fault to report where there is no room. */
  readonly code?: VmErrorCode;
}

export class Layout {
  readonly #segments: Segment[] = [];
  /** In ascending order, without overlap. */
  #taken: Area[];

  /**
   * @param behindFirmware whether a firmware runs before: all below 1 MiB is then its own
   * @throws VmError MEMORY_INVALID (see `checkRam`)
   */
  constructor(
    readonly ramBytes: number,
    behindFirmware = false,
  ) {
    checkRam(ramBytes);
    this.#taken = [behindFirmware ? { start: 0, end: MIB } : BIOS_AREA];
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The first address above all that was put below the hole so far; at least 1 MiB. */
  get end(): number {
    const ends = this.#segments.map((segment) => segment.address + memoryOf(segment));
    return Math.max(MIB, ...ends.filter((end) => end <= HOLE_START));
  }

  /** Whether an area is RAM that nothing was put in. */
  isFree(start: number, size: number): boolean {
    if (!isUsable(start, start + size, this.ramBytes)) return false;
    return this.#taken.every((area) => area.end <= start || area.start >= start + size);
  }

  /**
   * Puts a part of the image where the image says.
   * @throws VmError IMAGE_TOO_LARGE (more RAM would do), IMAGE_UNSUPPORTED (no RAM would), IMAGE_INVALID (an overlap)
   */
  fix(segment: Segment): void {
    const end = segment.address + memoryOf(segment);
    if (!isUsable(segment.address, end, this.ramBytes)) throw this.#outside(segment, end);
    const other = this.#segments.find((one) => one.address < end && segment.address < one.address + memoryOf(one));
    if (other) {
      throw new VmError('IMAGE_INVALID', `the image is damaged: ${placeText(segment)} overlaps ${placeText(other)}`, {
        hint: 'Check how it was linked (readelf -l).',
      });
    }
    this.#take(segment);
  }

  /**
   * Puts bytes at the lowest place with room for them.
   * @param randomFrom as `Segment` has it
   * @throws VmError IMAGE_TOO_LARGE, or as `room` says
   */
  putLow(what: string, bytes: Uint8Array, room: Room = {}, randomFrom?: number): number {
    const end = Math.min(room.below ?? Number.POSITIVE_INFINITY, lowRamEnd(this.ramBytes));
    const address = this.#lowest(bytes.length, room.alignment ?? 16, room.from ?? LOWEST, end);
    if (address === undefined) throw this.#noRoom(what, bytes, room);
    this.#take({ address, bytes, what, ...(randomFrom === undefined ? {} : { randomFrom }) });
    return address;
  }

  /** Puts bytes at the highest place below the hole with room for them. @throws as `putLow` */
  putHigh(what: string, bytes: Uint8Array, room: Room = {}): number {
    const end = Math.min(room.below ?? Number.POSITIVE_INFINITY, lowRamEnd(this.ramBytes));
    const address = this.#highest(bytes.length, room.alignment ?? PAGE_BYTES, room.from ?? MIB, end);
    if (address === undefined) throw this.#noRoom(what, bytes, room);
    this.#take({ address, bytes, what });
    return address;
  }

  #take(segment: Segment): void {
    const area = { start: segment.address, end: segment.address + memoryOf(segment) };
    const at = this.#taken.findIndex(({ start }) => start >= area.end);
    this.#taken.splice(at < 0 ? this.#taken.length : at, 0, area);
    this.#segments.push(segment);
  }

  #lowest(size: number, alignment: number, from: number, end: number): number | undefined {
    let at = alignUp(from, alignment);
    for (const area of this.#taken) {
      if (area.start >= at + size) break;
      if (area.end > at) at = alignUp(area.end, alignment);
    }
    return at + size <= end ? at : undefined;
  }

  #highest(size: number, alignment: number, from: number, end: number): number | undefined {
    let top = end;
    for (const area of this.#taken.toReversed()) {
      if (area.start >= top) continue;
      if (top - size >= from && alignDown(top - size, alignment) >= area.end) break;
      top = area.start;
    }
    if (top - size < from) return undefined;
    const at = alignDown(top - size, alignment);
    return at >= from ? at : undefined;
  }

  /** The most bytes that would find a place. */
  #largestRoom({ alignment = PAGE_BYTES, from = MIB, below = Number.POSITIVE_INFINITY }: Room): number {
    const end = Math.min(below, lowRamEnd(this.ramBytes));
    const starts = [from, ...this.#taken.map((area) => Math.max(from, area.end))].map((at) => alignUp(at, alignment));
    const rooms = starts.map((start) => {
      const next = this.#taken.find((area) => area.end > start);
      return Math.min(end, next?.start ?? end) - start;
    });
    return Math.max(0, ...rooms);
  }

  #noRoom(what: string, bytes: Uint8Array, room: Room): VmError {
    const most = this.#largestRoom(room);
    const limited = room.below !== undefined && room.below < lowRamEnd(this.ramBytes);
    return new VmError(
      room.code ?? 'IMAGE_TOO_LARGE',
      `the ${what} has ${sizeText(bytes.length)}, and beside the kernel there is room for ${sizeText(most)}`,
      {
        hint: limited
          ? `It has to be below ${hex(room.below)}: make it smaller.`
          : `Give the machine more memory, or make the ${what} smaller.`,
      },
    );
  }

  #outside(segment: Segment, end: number): VmError {
    const place = placeText(segment);
    if (segment.address < MIB && end > LOW_RAM_END) {
      return new VmError(
        'IMAGE_UNSUPPORTED',
        `the image's ${place} reaches into ${hex(LOW_RAM_END)}–${hex(MIB - 1)}: video memory, ROMs and ACPI tables`,
        { hint: 'Link it to 1 MiB or above.' },
      );
    }
    if (segment.address < HOLE_END && end > HOLE_START) {
      return new VmError(
        'IMAGE_UNSUPPORTED',
        `the image's ${place} reaches into the hole for devices, ${hex(HOLE_START)}–${hex(HOLE_END - 1)}`,
        { hint: 'Link it to an address below.' },
      );
    }
    const last = ramRanges(this.ramBytes).at(-1) ?? { start: 0, size: 0 };
    return new VmError(
      'IMAGE_TOO_LARGE',
      `the image's ${place} is beyond RAM, which ends at ${hex(last.start + last.size)}`,
      {
        hint: 'Give the machine more memory, or link the image to lower addresses.',
      },
    );
  }
}
