/**
 * Scan codes of set 1, as the keyboard controller's translation gives them to a guest, for a keyboard with the US
 * layout. Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard (101- and 102-Key)", scan code set 1.
 */
import { VmError } from '../errors.js';

const BREAK = 0x80;
/** Before the code of a key that the keyboards of the AT did not have. */
const EXTENDED = 0xe0;

/** Keys that lie side by side have codes in sequence: the first one's code, the characters without and with Shift. */
const ROWS: readonly (readonly [number, string, string])[] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [0x39, ' ', ' '],
];
/** Keys that type no character, by their names in a web page (KeyboardEvent.key). */
const NAMED: Readonly<Record<string, readonly number[]>> = {
  Escape: [0x01],
  Backspace: [0x0e],
  Tab: [0x0f],
  Enter: [0x1c],
  ...Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`F${i + 1}`, [0x3b + i]])),
  F11: [0x57],
  F12: [0x58],
  Home: [EXTENDED, 0x47],
  ArrowUp: [EXTENDED, 0x48],
  PageUp: [EXTENDED, 0x49],
  ArrowLeft: [EXTENDED, 0x4b],
  ArrowRight: [EXTENDED, 0x4d],
  End: [EXTENDED, 0x4f],
  ArrowDown: [EXTENDED, 0x50],
  PageDown: [EXTENDED, 0x51],
  Insert: [EXTENDED, 0x52],
  Delete: [EXTENDED, 0x53],
};
/** The left one of each pair. */
const MODIFIERS: Readonly<Record<string, number>> = { Control: 0x1d, Shift: 0x2a, Alt: 0x38 };
const SHIFT = MODIFIERS.Shift ?? 0;
const CHORD = /^((?:(?:Control|Shift|Alt)\+)*)(.+)$/s;

interface Key {
  readonly code: number;
  readonly shift: boolean;
}

const keysOf = (characters: string, first: number, shift: boolean): [string, Key][] =>
  [...characters].map((character, i) => [character, { code: first + i, shift }]);

/** The space bar types the same with Shift and without: without it comes last, and stays. */
const CHARACTERS: ReadonlyMap<string, Key> = new Map(
  ROWS.flatMap(([first, plain, shifted]) => [...keysOf(shifted, first, true), ...keysOf(plain, first, false)]),
);

/**
 * What a keyboard sends when a key is pressed and let go.
 * @param stroke a character (`a`, `A`, `?`), `\n` for Enter and `\t` for Tab, or a key's name (`Enter`, `F1`,
 *   `ArrowUp`); before it modifiers with a plus sign each: `Control+c`, `Control+Alt+Delete`
 * @throws VmError OPTION_INVALID where the keyboard has no such key
 */
export function scanCodes(stroke: string): readonly number[] {
  const [, modifiers = '', key = ''] = CHORD.exec(stroke) ?? [];
  const held = new Set(modifiers.split('+').flatMap((name) => MODIFIERS[name] ?? []));
  const character = CHARACTERS.get(key);
  if (character?.shift === true) held.add(SHIFT);
  const code = character === undefined ? namedKey(key) : [character.code];
  if (code === undefined) {
    const text = JSON.stringify(stroke.length > 40 ? `${stroke.slice(0, 40)}…` : stroke);
    throw new VmError('OPTION_INVALID', `there is no key ${text} on the keyboard`, {
      hint: `It has those that type a character of ASCII, and ${Object.keys(NAMED).join(', ')}.`,
    });
  }
  const released = [...held].reverse().map((modifier) => modifier | BREAK);
  return [...held, ...code, ...broken(code), ...released];
}

function namedKey(name: string): readonly number[] | undefined {
  if (name === '\n') return NAMED.Enter;
  if (name === '\t') return NAMED.Tab;
  return Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
}

const broken = (code: readonly number[]): number[] => code.map((byte) => (byte === EXTENDED ? EXTENDED : byte | BREAK));
