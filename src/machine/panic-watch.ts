/** Finds the message of a Linux panic in console output, wherever chunks are cut. */
const MESSAGE = 'Kernel panic - not syncing';

export class PanicWatch {
  /** Whether the message has been seen. */
  seen = false;
  #tail = '';

  see(chunk: Uint8Array): void {
    if (this.seen) return;
    const text = this.#tail + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    this.seen = text.includes(MESSAGE);
    this.#tail = text.slice(-(MESSAGE.length - 1));
  }
}
