import { VmError } from '../errors.js';
import { native } from './native.js';

/** A descriptor as another thread gets it: by `postMessage`, with the owner's mark of whether it is still open. */
export interface FdHandle {
  readonly name: string;
  readonly number: number;
  /** Shared: element 0 is 1 while the owner has not closed. */
  readonly open: Int32Array;
}

/** A descriptor that may be used, but not closed: the owner may be on another thread. */
export class Fd {
  readonly handle: FdHandle;

  constructor(handle: FdHandle) {
    this.handle = handle;
  }

  get isOpen(): boolean {
    return Atomics.load(this.handle.open, 0) === 1;
  }

  /** The descriptor's number. Throws VmError CLOSED after the owner closed it: the number may be another file's by then. */
  get number(): number {
    if (!this.isOpen) throw new VmError('CLOSED', `${this.handle.name} is closed`);
    return this.handle.number;
  }
}

interface Held {
  readonly handle: FdHandle;
  readonly beforeClose: (() => void) | undefined;
}

/** Closes what a program forgot to close. The token of a closed one is gone, so nothing is closed twice. */
const leaked = new FinalizationRegistry<Held>((held) => release(held));

function release({ handle, beforeClose }: Held): void {
  if (Atomics.exchange(handle.open, 0, 0) === 0) return;
  try {
    beforeClose?.();
  } finally {
    native.close(handle.number);
  }
}

/** A descriptor with one owner, which closes it exactly once. */
export class OwnedFd extends Fd {
  readonly #held: Held;

  /** `beforeClose` runs once, also where the object was forgotten: it must not refer to the object that owns this. */
  constructor(number: number, name: string, beforeClose?: () => void) {
    super({ name, number, open: new Int32Array(new SharedArrayBuffer(4)).fill(1) });
    this.#held = { handle: this.handle, beforeClose };
    leaked.register(this, this.#held, this);
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    leaked.unregister(this);
    release(this.#held);
  }
}
