import { Writable } from 'node:stream';
import type { Keyboard } from '../machine/keyboard.js';
import type { TerminalSize } from './terminal.js';

const ESC = '\x1b';
const ESCAPE = 0x1b;
const DELETE = 0x7f;
/** An escape after which nothing comes for so long is the key itself. */
const LONE_ESCAPE_MS = 50;

/** What control characters are typed with, besides Control and a letter. */
const CONTROL_KEYS: Readonly<Record<number, string>> = {
  0: 'Control+ ',
  8: 'Backspace',
  9: 'Tab',
  10: 'Enter',
  13: 'Enter',
  28: 'Control+\\',
  29: 'Control+]',
  30: 'Control+^',
  31: 'Control+_',
  [DELETE]: 'Backspace',
};
/** xterm's control sequences, "PC-Style Function Keys": by their last byte, after CSI or SS3. */
const BY_LETTER: Readonly<Record<string, string>> = {
  A: 'ArrowUp',
  B: 'ArrowDown',
  C: 'ArrowRight',
  D: 'ArrowLeft',
  F: 'End',
  H: 'Home',
  P: 'F1',
  Q: 'F2',
  R: 'F3',
  S: 'F4',
  Z: 'Shift+Tab',
};
/** By the number before `~`; 1, 4, 7 and 8 are those of other terminals. */
const BY_NUMBER: Readonly<Record<number, string>> = {
  1: 'Home',
  2: 'Insert',
  3: 'Delete',
  4: 'End',
  5: 'PageUp',
  6: 'PageDown',
  7: 'Home',
  8: 'End',
  11: 'F1',
  12: 'F2',
  13: 'F3',
  14: 'F4',
  15: 'F5',
  17: 'F6',
  18: 'F7',
  19: 'F8',
  20: 'F9',
  21: 'F10',
  23: 'F11',
  24: 'F12',
};
const MODIFIERS = ['Shift+', 'Alt+', 'Control+'] as const;
/**
 * CSI: parameters, an intermediate byte and a last one (ECMA-48, 5.4), as far as keys have them. SS3: one byte. Last,
 * the Linux console's F1 to F5.
 */
const SEQUENCE = new RegExp(`^${ESC}(?:\\[([0-9;]{0,12})[ -/]?([@-Z\\\\-~])|O([ -~])|\\[\\[([A-E]))`);
/** What may still become one. */
const BEGINNING = new RegExp(`^${ESC}(?:\\[[0-9;]{0,12}[ -/]?|O|\\[\\[)?$`);
/** xterm's report of its text area's size: CSI 8 ; rows ; columns t. */
const SIZE_REPORT = 8;

/** The size of a terminal, for a `KeyDecoder` behind a stream of bytes. */
export const sizeReport = ({ rows, columns }: TerminalSize): string => `\x1b[${SIZE_REPORT};${rows};${columns}t`;

/** What a terminal's bytes say: a stroke on the keyboard, or the terminal's size. */
export type TerminalEvent = { readonly stroke: string } | { readonly size: TerminalSize };

/** Makes strokes on a US keyboard of the bytes that a terminal sends. Bytes that no key of it types are dropped. */
export class KeyDecoder {
  #text = '';

  /** Whether an escape waits for what makes a sequence of it. */
  get waits(): boolean {
    return this.#text !== '';
  }

  decode(bytes: Uint8Array): TerminalEvent[] {
    this.#text += Buffer.from(bytes).toString('latin1');
    const events: TerminalEvent[] = [];
    while (this.#text !== '' && !BEGINNING.test(this.#text)) events.push(...this.#next());
    return events;
  }

  /** Nothing more comes: what waits are keys of their own. */
  flush(): TerminalEvent[] {
    const events: TerminalEvent[] = [];
    while (this.#text !== '') {
      const stroke = strokeOf(this.#text.charCodeAt(0));
      if (stroke !== undefined) events.push({ stroke });
      this.#text = this.#text.slice(1);
    }
    return events;
  }

  #next(): TerminalEvent[] {
    const sequence = SEQUENCE.exec(this.#text);
    if (sequence !== null) {
      this.#text = this.#text.slice(sequence[0].length);
      return eventOf(sequence);
    }
    const isAlt = this.#text.charCodeAt(0) === ESCAPE && this.#text.length > 1 && this.#text.charCodeAt(1) !== ESCAPE;
    const stroke = strokeOf(this.#text.charCodeAt(isAlt ? 1 : 0));
    this.#text = this.#text.slice(isAlt ? 2 : 1);
    return stroke === undefined ? [] : [{ stroke: isAlt ? `Alt+${stroke}` : stroke }];
  }
}

function eventOf([, parameters = '', letter, single, linuxF]: RegExpExecArray): TerminalEvent[] {
  if (linuxF !== undefined) return [{ stroke: `F${linuxF.charCodeAt(0) - 0x40}` }];
  const [first = 0, second = 0, third = 0] = parameters.split(';').map(Number);
  if (letter === 't') {
    return first === SIZE_REPORT && second > 0 && third > 0 ? [{ size: { rows: second, columns: third } }] : [];
  }
  const key = letter === '~' ? BY_NUMBER[first] : BY_LETTER[letter ?? single ?? ''];
  return key === undefined ? [] : [{ stroke: modifiersOf(second) + key }];
}

/** 1 and a bit for each modifier. */
function modifiersOf(parameter: number): string {
  return MODIFIERS.filter((_, bit) => parameter > 1 && ((parameter - 1) & (1 << bit)) !== 0).join('');
}

function strokeOf(byte: number): string | undefined {
  if (byte === ESCAPE) return 'Escape';
  const key = CONTROL_KEYS[byte];
  if (key !== undefined) return key;
  if (byte < 0x20) return `Control+${String.fromCharCode(byte + 0x60)}`;
  return byte < DELETE ? String.fromCharCode(byte) : undefined;
}

/** Takes a terminal's bytes and types them on a keyboard, as fast as the guest reads. */
export class KeyInput extends Writable {
  readonly #decoder = new KeyDecoder();
  #loneEscape: NodeJS.Timeout | undefined;

  constructor(
    private readonly keyboard: Pick<Keyboard, 'press'>,
    private readonly resized: (size: TerminalSize) => void,
  ) {
    super();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    clearTimeout(this.#loneEscape);
    void this.#handle(this.#decoder.decode(chunk)).then(() => {
      if (this.#decoder.waits) this.#loneEscape = setTimeout(() => this.#flush(), LONE_ESCAPE_MS);
      done();
    }, done);
  }

  override _final(done: () => void): void {
    clearTimeout(this.#loneEscape);
    this.#flush();
    done();
  }

  #flush(): void {
    void this.#handle(this.#decoder.flush());
  }

  async #handle(events: readonly TerminalEvent[]): Promise<void> {
    for (const event of events) {
      if ('size' in event) this.resized(event.size);
      else await this.keyboard.press(event.stroke);
    }
  }
}
