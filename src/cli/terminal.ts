import { Transform, type TransformCallback, Writable } from 'node:stream';

const CTRL_A = 0x01;
const HELP = 'vmlaunch: Ctrl-A x quits, Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A';
const ALTERNATE_SCREEN = '\x1b[?1049h';
/** Attributes off and the cursor on again, which the screen that was there before does not bring. */
const NORMAL_SCREEN = '\x1b[0m\x1b[?25h\x1b[?1049l';

/** Set for a command in a software host whose input is a terminal outside. */
export const TERMINAL_ENV = 'VMLAUNCH_TERMINAL';
/** Likewise where its output is one: the size, such as 80x24. */
export const TERMINAL_SIZE_ENV = 'VMLAUNCH_TERMINAL_SIZE';

/** In characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** Takes the monitor's own keys out of what a person types: those that follow Ctrl-A. */
export class EscapeFilter extends Transform {
  #escaped = false;

  constructor(
    private readonly quit: () => void,
    private readonly say: (help: string) => void = (help) => void process.stderr.write(`\r\n${help}\r\n`),
  ) {
    super();
  }

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, done: TransformCallback): void {
    const passed: number[] = [];
    for (const byte of chunk) {
      if (this.#escaped) this.#command(byte, passed);
      else if (byte === CTRL_A) this.#escaped = true;
      else passed.push(byte);
    }
    done(null, Buffer.from(passed));
  }

  #command(byte: number, passed: number[]): void {
    this.#escaped = false;
    const key = String.fromCharCode(byte).toLowerCase();
    if (key === 'x') this.quit();
    else if (key === 'h') this.say(HELP);
    else if (byte === CTRL_A) passed.push(CTRL_A);
    else passed.push(CTRL_A, byte);
  }
}

/** Puts the terminal, if there is one, into raw mode until disposed, however the process ends. */
export function rawTerminal(): Disposable {
  const { stdin } = process;
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} };
  stdin.setRawMode(true);
  return untilDisposed(() => void stdin.setRawMode(false));
}

/** Undoes something when disposed, or at the end of the process. */
function untilDisposed(undo: () => void): Disposable {
  process.on('exit', undo);
  return {
    [Symbol.dispose]: () => {
      process.off('exit', undo);
      undo();
    },
  };
}

/** Whether a person types: here, or outside the software host that this runs in. */
export const isTerminal = (): boolean => process.stdin.isTTY === true || process.env[TERMINAL_ENV] === '1';

/** The size of the terminal that output goes to, here or outside; undefined where there is none. */
export function terminalSize(): TerminalSize | undefined {
  const { stdout } = process;
  // A terminal that does not know its size says 0.
  if (stdout.isTTY) return { rows: stdout.rows || 24, columns: stdout.columns || 80 };
  const [, columns, rows] = /^(\d+)x(\d+)$/.exec(process.env[TERMINAL_SIZE_ENV] ?? '') ?? [];
  return rows === undefined ? undefined : { rows: Number(rows), columns: Number(columns) };
}

/** Likewise, where a view may be drawn by itself: messages go to the terminal too, and it can place its cursor. */
export function viewSize(): TerminalSize | undefined {
  const { stdout, stderr } = process;
  const isAlone = stdout.isTTY && (!stderr.isTTY || process.env.TERM === 'dumb');
  return isAlone ? undefined : terminalSize();
}

/** The terminal's alternate screen, from the first byte written to `stdout` until disposed, however the process ends. */
export class AlternateScreen implements Disposable {
  readonly stdout: Writable;
  /** Messages: what comes meanwhile waits until the normal screen is back. */
  readonly stderr: Writable;
  readonly #held: Uint8Array[] = [];
  #shown: Disposable | undefined;

  constructor() {
    this.stdout = new Writable({
      write: (bytes: Uint8Array, _encoding, done) => {
        this.#enter();
        process.stdout.write(bytes, done);
      },
    });
    this.stderr = new Writable({
      write: (bytes: Uint8Array, _encoding, done) => {
        if (this.#shown === undefined) return void process.stderr.write(bytes, done);
        this.#held.push(bytes);
        done();
      },
    });
    // A terminal that is gone is told to those who run the machine, by the streams that they look at.
    for (const stream of [process.stdout, this.stdout]) stream.on('error', () => {});
  }

  [Symbol.dispose](): void {
    this.#shown?.[Symbol.dispose]();
    this.#shown = undefined;
  }

  #enter(): void {
    if (this.#shown !== undefined) return;
    process.stdout.write(ALTERNATE_SCREEN);
    this.#shown = untilDisposed(() => {
      process.stdout.write(NORMAL_SCREEN);
      for (const bytes of this.#held.splice(0)) process.stderr.write(bytes);
    });
  }
}
