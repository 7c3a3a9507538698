import type { BarGlyphs } from './log-bars.js';

export interface PlainOptions {
  /** Whether colours and other attributes may be used. */
  readonly colour: boolean;
  /** Whether only ASCII can be shown. */
  readonly ascii: boolean;
}

const BLOCKS: BarGlyphs = { one: '│', fromLeft: ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'], fromRight: ['▐', '█'] };
const PLAIN: BarGlyphs = { one: '|', fromLeft: ['#'], fromRight: ['#'] };

const REPLACEMENTS: Readonly<Record<string, string>> = { µ: 'u', '×': 'x', '±': '+-', '–': '-', '…': '~', '’': "'" };
const NOT_ASCII = /[^\n -~]/gu;

/** Writes for a terminal what it can show: attributes of ECMA-48 (8.3.117), and letters. */
export class Pen {
  readonly glyphs: BarGlyphs;

  constructor(private readonly options: PlainOptions) {
    this.glyphs = options.ascii ? PLAIN : BLOCKS;
  }

  bold = (text: string): string => this.#styled(text, 1);
  dim = (text: string): string => this.#styled(text, 2);
  green = (text: string): string => this.#styled(text, 32);
  yellow = (text: string): string => this.#styled(text, 33);

  /** In ASCII where nothing else can be shown. */
  plain(text: string): string {
    return this.options.ascii
      ? text.replace(NOT_ASCII, (letter) => (letter === ESCAPE ? letter : (REPLACEMENTS[letter] ?? '?')))
      : text;
  }

  #styled(text: string, attribute: number): string {
    return this.options.colour && text.trim() !== '' ? `${ESCAPE}[${attribute}m${text}${ESCAPE}[0m` : text;
  }
}

const ESCAPE = '\x1b';

/** Old terminals and the kernel's own, which have no block elements of an eighth. */
const ASCII_TERMINALS = /^(dumb|linux|vt\d.*)$/;

/** What standard output can show: a terminal, or a file or program, which gets no attributes. */
export function plainOptionsOf(isTerminal: boolean, env: NodeJS.ProcessEnv): PlainOptions {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  // A locale that nobody has set says nothing of the terminal.
  const isAscii = locale !== '' && !/utf-?8/i.test(locale);
  const { NO_COLOR = '', TERM = '' } = env;
  return {
    colour: isTerminal && NO_COLOR === '' && TERM !== 'dumb',
    ascii: isAscii || (isTerminal && ASCII_TERMINALS.test(TERM)),
  };
}
