import type { Writable } from 'node:stream';
import type { TextScreen } from '../machine/screen.js';
import { ScreenPainter } from './screen-painter.js';
import type { TerminalSize } from './terminal.js';

const NOTE_MS = 3000;
/**
 * Drawing takes no more than this part of the time, in a nested host the processor is the guest's too; but one that was
 * busy with other things is no reason to stop.
 */
const MOST_SHARE = 0.1;
const MOST_MS = 1000;

/** What is drawn again and again on a terminal. */
export interface Picture {
  /** Between two drawings, at least. */
  readonly frameMs: number;
  /**
   * What brings the terminal up to date; nothing where it is.
   * @param note a line in place of the terminal's last
   */
  paint(size: TerminalSize, note?: string): string;
  /** The terminal no longer shows what was drawn. */
  forget(): void;
}

/** A machine's text screen, 25 times a second. */
export function screenPicture(read: () => TextScreen): Picture {
  const painter = new ScreenPainter();
  return {
    frameMs: 40,
    paint: (size, note) => painter.paint(read(), size, note),
    forget: () => painter.forget(),
  };
}

/** Shows a picture on a terminal until disposed. A slow terminal or processor gets fewer frames. */
export class LiveScreen implements Disposable {
  #next: NodeJS.Timeout | undefined;
  #note: string | undefined;
  #noteEnds: NodeJS.Timeout | undefined;

  constructor(
    private readonly picture: Picture,
    private readonly terminal: Writable,
    private size: TerminalSize,
  ) {
    this.#draw();
  }

  /** The terminal has another size. */
  resize(size: TerminalSize): void {
    this.size = size;
    this.picture.forget();
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
    clearTimeout(this.#next);
    clearTimeout(this.#noteEnds);
  }

  #draw(): void {
    const began = performance.now();
    if (!this.terminal.writableNeedDrain) {
      const bytes = this.picture.paint(this.size, this.#note);
      if (bytes !== '') this.terminal.write(bytes);
    }
    const rest = Math.min((performance.now() - began) / MOST_SHARE, MOST_MS);
    this.#next = setTimeout(() => this.#draw(), Math.max(this.picture.frameMs, rest));
  }
}
