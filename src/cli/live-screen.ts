import type { Writable } from 'node:stream';
import type { TextScreen } from '../machine/screen.js';
import { ScreenPainter } from './screen-painter.js';
import type { TerminalSize } from './terminal.js';

/** 25 pictures a second. */
const FRAME_MS = 40;
const NOTE_MS = 3000;

/** Shows a machine's text screen on a terminal until disposed. A slow terminal gets fewer pictures. */
export class LiveScreen implements Disposable {
  readonly #painter = new ScreenPainter();
  readonly #frames: NodeJS.Timeout;
  #note: string | undefined;
  #noteEnds: NodeJS.Timeout | undefined;

  constructor(
    private readonly read: () => TextScreen,
    private readonly terminal: Writable,
    private size: TerminalSize,
  ) {
    this.#frames = setInterval(() => this.#draw(), FRAME_MS);
    this.#draw();
  }

  /** The terminal has another size. */
  resize(size: TerminalSize): void {
    this.size = size;
    this.#painter.forget();
  }

  /** Says something on the terminal's last line, for three seconds. */
  say(note: string): void {
    this.#note = note;
    clearTimeout(this.#noteEnds);
    this.#noteEnds = setTimeout(() => {
      this.#note = undefined;
    }, NOTE_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#frames);
    clearTimeout(this.#noteEnds);
  }

  #draw(): void {
    if (this.terminal.writableNeedDrain) return;
    const bytes = this.#painter.paint(this.read(), this.size, this.#note);
    if (bytes !== '') this.terminal.write(bytes);
  }
}
