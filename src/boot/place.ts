/** Where things may go in guest memory: arithmetic that the loaders share. */
import { VmError } from '../errors.js';
import { HOLE_START, MIB } from '../memory/map.js';

export const PAGE_BYTES = 0x1000;

export const alignDown = (value: number, alignment: number): number => value - (value % alignment);
export const alignUp = (value: number, alignment: number): number => alignDown(value + alignment - 1, alignment);

/** The end of the RAM below the hole: loaders put everything there, where every boot protocol can reach it. */
export const lowRamEnd = (ramBytes: number): number => Math.min(ramBytes, HOLE_START);

/** For messages: an address or a size in hexadecimal. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** For messages: a size in MiB (rounded up to a tenth), or in bytes when it is small. */
export function sizeText(bytes: number): string {
  return bytes < MIB ? `${bytes} bytes` : `${Math.ceil((bytes / MIB) * 10) / 10} MiB`;
}

/**
 * Refuses an amount of RAM that no memory map can describe.
 * @throws VmError MEMORY_INVALID unless `ramBytes` is a multiple of 4096, above 1 MiB
 */
export function checkRam(ramBytes: number): void {
  if (Number.isSafeInteger(ramBytes) && ramBytes % PAGE_BYTES === 0 && ramBytes > MIB) return;
  throw new VmError('MEMORY_INVALID', `${ramBytes} bytes of memory: it must be a multiple of 4096 above 1 MiB`, {
    hint: 'Give a size such as 256M.',
  });
}
