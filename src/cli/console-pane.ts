import { printable } from './printable.js';

const MOST_LINES = 200;
const MOST_COLUMNS = 512;
const TAB = 8;

/** Where in a control sequence the text is (ECMA-48, 5.4 and 5.6). */
type State = 'text' | 'escape' | 'control' | 'string' | 'string-escape';

/**
 * The last lines of a serial console. Of what a guest sends, it takes characters, line feeds, carriage returns, backspaces
 * and tabs; control sequences and strings are left out, so nothing of it reaches a terminal.
 */
export class ConsolePane {
  readonly #decoder = new TextDecoder();
  readonly #lines: string[][] = [[]];
  #column = 0;
  #state: State = 'text';

  take(bytes: Uint8Array): void {
    for (const character of this.#decoder.decode(bytes, { stream: true })) this.#take(character);
  }

  /** The last of its lines, oldest first; an empty one at the end is left out. */
  last(count: number): string[] {
    const lines = this.#lines.at(-1)?.length === 0 ? this.#lines.slice(0, -1) : this.#lines;
    return count <= 0 ? [] : lines.slice(-count).map((line) => Array.from(line, (at) => at ?? ' ').join(''));
  }

  #take(character: string): void {
    const wasState = this.#state;
    this.#state = next(wasState, character);
    if (wasState === 'text' && this.#state === 'text') this.#write(character);
  }

  #write(character: string): void {
    const line = this.#lines.at(-1) ?? [];
    if (character === '\n') {
      this.#lines.push([]);
      if (this.#lines.length > MOST_LINES) this.#lines.shift();
      this.#column = 0;
    } else if (character === '\r') this.#column = 0;
    else if (character === '\b') this.#column = Math.max(0, this.#column - 1);
    else if (character === '\t') this.#column = Math.min(MOST_COLUMNS, this.#column + TAB - (this.#column % TAB));
    else if (character >= ' ' && character !== '\x7f' && this.#column < MOST_COLUMNS) {
      while (line.length < this.#column) line.push(' ');
      line[this.#column++] = printable(character);
    }
  }
}

const BEGINS_STRING = new Set(['P', 'X', ']', '^', '_', '\x90', '\x98', '\x9d', '\x9e', '\x9f']);

function next(state: State, character: string): State {
  if (character === '\x18' || character === '\x1a') return 'text'; // CAN and SUB end whatever there is
  switch (state) {
    case 'text':
      if (character === '\x1b') return 'escape';
      if (character === '\x9b') return 'control';
      return BEGINS_STRING.has(character) && character >= '\x80' ? 'string' : 'text';
    case 'escape':
      if (character === '[') return 'control';
      if (BEGINS_STRING.has(character)) return 'string';
      return character >= ' ' && character <= '/' ? 'escape' : character === '\x1b' ? 'escape' : 'text';
    case 'control':
      if (character === '\x1b') return 'escape';
      return character >= '@' && character <= '~' ? 'text' : character >= ' ' ? 'control' : 'text';
    case 'string':
      if (character === '\x07' || character === '\x9c') return 'text';
      return character === '\x1b' ? 'string-escape' : 'string';
    case 'string-escape':
      return character === '\\' ? 'text' : character === '\x1b' ? 'string-escape' : 'string';
  }
}
