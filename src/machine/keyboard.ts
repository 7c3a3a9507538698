import { VmError } from '../errors.js';
import { scanCodes } from './scan-codes.js';

/** Strokes that wait at most; who types more waits for those before. */
const MOST_WAITING = 1024;
/** Until a stroke is offered again to a keyboard that had no room for it. */
const OFFER_AGAIN_MS = 10;

interface Waiting {
  readonly codes: readonly number[];
  readonly taken: () => void;
}

/** The machine's PS/2 keyboard, US layout: what is typed waits here until the guest has read what came before. */
export class Keyboard {
  readonly #offer: (scanCodes: readonly number[]) => boolean;
  readonly #waiting: Waiting[] = [];
  #again: NodeJS.Timeout | undefined;
  #finished = false;

  /** @param offer puts one stroke into the keyboard controller; false: not now */
  constructor(offer: (scanCodes: readonly number[]) => boolean) {
    this.#offer = offer;
  }

  /**
   * Presses a key and lets it go. Resolves when the keyboard controller has it, or the machine has ended. Rejects with
   * a VmError: OPTION_INVALID where there is no such key, STATE_INVALID where 1024 strokes wait.
   * @param stroke a character, or a key's name: `a`, `A`, `Enter`, `F1`, `ArrowUp`, `Control+c`, `Control+Alt+Delete`
   */
  async press(stroke: string): Promise<void> {
    await this.#strokes([scanCodes(stroke)]);
  }

  /**
   * Types a text of ASCII characters, `\n` for Enter and `\t` for Tab. Resolves and rejects as `press`; what it refuses,
   * it refuses as a whole.
   */
  async type(text: string): Promise<void> {
    await this.#strokes([...text].map(scanCodes));
  }

  /** No vCPU runs any more. */
  finish(): void {
    this.#finished = true;
    clearTimeout(this.#again);
    for (const { taken } of this.#waiting.splice(0)) taken();
  }

  async #strokes(strokes: readonly (readonly number[])[]): Promise<void> {
    if (this.#finished || strokes.length === 0) return;
    if (this.#waiting.length + strokes.length > MOST_WAITING) {
      throw new VmError('STATE_INVALID', `more than ${MOST_WAITING} strokes would wait for the guest to read them`, {
        hint: 'Type less at a time, and await it.',
      });
    }
    const all = strokes.map(
      (codes) => new Promise<void>((resolve) => void this.#waiting.push({ codes, taken: resolve })),
    );
    if (this.#again === undefined) this.#pass();
    await Promise.all(all);
  }

  /** Passes on what the guest has room for; the rest is offered again. */
  #pass(): void {
    this.#again = undefined;
    for (let first = this.#waiting[0]; first !== undefined && this.#offer(first.codes); first = this.#waiting[0]) {
      this.#waiting.shift();
      first.taken();
    }
    if (this.#waiting.length > 0) this.#again = setTimeout(() => this.#pass(), OFFER_AGAIN_MS);
  }
}
