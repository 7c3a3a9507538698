/** The addon's face over a table of answers: what was called with what bytes, and what comes back. */
export interface Call {
  readonly request: number;
  /** The integer, or a copy of the bytes before the call. */
  readonly argument: number | Uint8Array;
}

export interface Answer {
  readonly result?: number;
  readonly errno?: string;
  /** Written over the start of the argument. */
  readonly bytes?: Uint8Array;
}

export class FakeNative {
  readonly calls: Call[] = [];
  readonly open_ = new Set<number>();
  readonly closed: number[] = [];
  readonly mapped = new Set<Uint8Array>();
  readonly events: string[] = [];
  openError: string | undefined;
  #next = 100;
  readonly #answers = new Map<number, (argument: number | Uint8Array) => Answer>();

  /** From now on, the call is answered so. */
  answer(request: number, answer: Answer | ((argument: number | Uint8Array) => Answer)): void {
    this.#answers.set(request, typeof answer === 'function' ? answer : () => answer);
  }

  /** The last call's bytes. */
  get lastBytes(): Uint8Array {
    const argument = this.calls.at(-1)?.argument;
    if (!(argument instanceof Uint8Array)) throw new Error('the last call had no buffer');
    return argument;
  }

  readonly open = (): number => {
    if (this.openError) throw failure(this.openError, 'open');
    return this.#newFd();
  };

  readonly close = (fd: number): void => {
    if (!this.open_.delete(fd)) throw failure('EBADF', 'close');
    this.closed.push(fd);
    this.events.push(`close ${fd}`);
  };

  readonly ioctl = (_fd: number, request: number, argument: number): number => this.#call(request, argument);
  readonly ioctlBuffer = (_fd: number, request: number, argument: Uint8Array): number => this.#call(request, argument);
  readonly ioctlFd = (_fd: number, request: number, argument: number): number => {
    this.#call(request, argument);
    return this.#newFd();
  };
  readonly mapOver = (view: Uint8Array): void => {
    this.mapped.add(view);
  };
  readonly unmapOver = (view: Uint8Array): void => {
    if (!this.mapped.delete(view)) throw failure('EINVAL', 'mmap');
    this.events.push('unmap');
  };
  readonly addressOf = (view: Uint8Array): number => 0x7f0000000000 + view.byteOffset;
  readonly makeRun = (): (() => number | undefined) => () => undefined;

  #newFd(): number {
    const fd = this.#next++;
    this.open_.add(fd);
    return fd;
  }

  #call(request: number, argument: number | Uint8Array): number {
    this.calls.push({ request, argument: typeof argument === 'number' ? argument : argument.slice() });
    const { result = 0, errno, bytes } = this.#answers.get(request)?.(argument) ?? {};
    if (errno) throw failure(errno, 'ioctl');
    if (bytes && typeof argument !== 'number') argument.set(bytes);
    return result;
  }
}

export function failure(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, errno: 1, syscall });
}
