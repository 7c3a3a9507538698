import { Transform, type TransformCallback } from 'node:stream';

const CTRL_A = 0x01;
const HELP = '\r\nvmlaunch: Ctrl-A x quits, Ctrl-A h helps, Ctrl-A Ctrl-A sends Ctrl-A\r\n';

/** Set for a command in a software host whose input is a terminal outside. */
export const TERMINAL_ENV = 'VMLAUNCH_TERMINAL';

/** Takes the monitor's own keys out of what a person types: those that follow Ctrl-A. */
export class EscapeFilter extends Transform {
  #escaped = false;

  constructor(private readonly quit: () => void) {
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
    else if (key === 'h') process.stderr.write(HELP);
    else if (byte === CTRL_A) passed.push(CTRL_A);
    else passed.push(CTRL_A, byte);
  }
}

/** Puts the terminal, if there is one, into raw mode until disposed, however the process ends. */
export function rawTerminal(): Disposable {
  const { stdin } = process;
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} };
  const restore = () => void stdin.setRawMode(false);
  stdin.setRawMode(true);
  process.on('exit', restore);
  return {
    [Symbol.dispose]: () => {
      process.off('exit', restore);
      restore();
    },
  };
}

/** Whether a person types: here, or outside the software host that this runs in. */
export const isTerminal = (): boolean => process.stdin.isTTY === true || process.env[TERMINAL_ENV] === '1';
