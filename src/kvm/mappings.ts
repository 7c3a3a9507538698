import { native } from './native.js';
import { sharedBuffer } from './shared-buffer.js';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const PAGE_BYTES = 4096;

/** What is mapped of a vCPU's descriptor. KVM keeps the whole VM alive while anything is, whatever is closed. */
export class Mappings {
  readonly #views: Uint8Array[] = [];

  /** @param page where in the file it begins, in pages */
  add(fd: number, bytes: number, page: number): Uint8Array {
    const view = new Uint8Array(sharedBuffer(bytes), 0, bytes);
    native.mapOver(view, PROT_READ_WRITE, MAP_SHARED, fd, page * PAGE_BYTES);
    this.#views.push(view);
    return view;
  }

  release(): void {
    for (const view of this.#views.splice(0)) native.unmapOver(view);
  }
}
