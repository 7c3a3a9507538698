/// <reference path="./webassembly.d.ts" />
/** Bytes of a WebAssembly page, the unit in which shared buffers are made. */
export const WASM_PAGE_BYTES = 0x10000;

/**
 * A real SharedArrayBuffer at a page-aligned address: `Atomics.wait` works on it, other threads share it by message,
 * and a file may be mapped over it. Committed only as it is touched.
 * @param size bytes, at most 4 GiB; rounded up to 64 KiB
 */
export function sharedBuffer(size: number): SharedArrayBuffer {
  const pages = Math.ceil(size / WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}
