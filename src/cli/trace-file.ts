import { ChromeTrace } from '../trace/chrome-trace.js';
import type { ExitEvent, ExitSink, HardwareExit, Span } from '../trace/model.js';

/** What another process sees of the file is no older. */
const FLUSH_MS = 200;

/** A trace file beside a running machine: it is brought up to date by itself, and when it cannot be, that is told once. */
export class TraceFile implements ExitSink {
  readonly #trace: ChromeTrace;
  readonly #flushes: NodeJS.Timeout;
  #error: unknown;

  /** @param failed called when the file can no longer be written @throws VmError FILE_UNREADABLE */
  constructor(
    file: string,
    private readonly failed: () => void,
  ) {
    this.#trace = new ChromeTrace(file);
    this.#flushes = setInterval(() => this.#try(() => this.#trace.flush()), FLUSH_MS);
    this.#flushes.unref();
  }

  get leftOut(): number {
    return this.#trace.leftOut;
  }

  add(event: ExitEvent): void {
    this.#try(() => this.#trace.add(event));
  }

  kept(hardware: readonly HardwareExit[] | undefined, cpu: number, run?: Span): void {
    this.#try(() => this.#trace.kept(hardware, cpu, run));
  }

  /** Completes the file. @throws VmError FILE_UNREADABLE, where it could not be written some time before too */
  close(): void {
    clearInterval(this.#flushes);
    this.#try(() => this.#trace.close());
    if (this.#error !== undefined) throw this.#error;
  }

  #try(write: () => void): void {
    if (this.#error !== undefined) return;
    try {
      write();
    } catch (error) {
      this.#error = error;
      this.failed();
    }
  }
}
