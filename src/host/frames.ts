import type { Socket } from 'node:net';

/**
 * The caller's end of the channel to a host's runner (native/host/runner.c, which lists the frames): a type byte, a
 * little-endian 32-bit length, that many bytes.
 */
export type FrameType = 'R' | 'J' | 'F' | 'G' | 'C' | 'W' | 'Z' | 'I' | 'i' | 'S' | 'N' | 'H' | 'O' | 'E' | 'A' | 'X';

/** So much of a command's input may be on its way. The same number is in runner.c. */
export const INPUT_WINDOW = 65536;

/** First byte of a request to run something: all of its input follows at once. */
export const FLAG_INPUT_FOLLOWS = 1;

const HEAD = 5;

export class Frames {
  readonly #socket: Socket;
  readonly #onFrame: (type: FrameType, body: Buffer) => void;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, onFrame: (type: FrameType, body: Buffer) => void) {
    this.#socket = socket;
    this.#onFrame = onFrame;
    // That the emulator has ended is seen elsewhere, and says more.
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => this.#receive(data));
  }

  send(type: FrameType, ...parts: readonly Uint8Array[]): void {
    const head = Buffer.alloc(HEAD);
    head.write(type, 'latin1');
    head.writeUInt32LE(
      parts.reduce((sum, part) => sum + part.length, 0),
      1,
    );
    this.#socket.cork();
    for (const part of [head, ...parts]) this.#socket.write(part);
    this.#socket.uncork();
  }

  /** Receives nothing until `resume`: a slow reader slows the command down, and fills no memory here. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #receive(data: Buffer): void {
    let rest = this.#received.length > 0 ? Buffer.concat([this.#received, data]) : data;
    while (rest.length >= HEAD) {
      const end = HEAD + rest.readUInt32LE(1);
      if (rest.length < end) break;
      this.#onFrame(rest.toString('latin1', 0, 1) as FrameType, rest.subarray(HEAD, end));
      rest = rest.subarray(end);
    }
    this.#received = rest;
  }
}
