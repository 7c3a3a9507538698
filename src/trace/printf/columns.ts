/** Text in a terminal's columns. */

/**
 * Characters of two columns: Unicode's East Asian Width W and F, as far as text here can have them. Those of ambiguous
 * width (“”, …) count as one.
 */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6]/;

const widthOfCharacter = (character: string): number => (WIDE.test(character) ? 2 : 1);

export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
}

export const padEnd = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));
export const padStart = (text: string, width: number): string => ' '.repeat(Math.max(0, width - widthOf(text))) + text;

/** Text that is too long ends in an ellipsis. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let cut = '';
  for (const character of text) {
    if (widthOf(cut) + widthOfCharacter(character) > width - 1) break;
    cut += character;
  }
  return `${cut}…`;
}

/** Between what a line may break: at blanks, and on either side of a wide character but before its punctuation. */
const PARTS = /\s+|[，。：；）、！？…]|[^\s]/gu;

/** The text in lines of at most `width` columns; a word that is longer than that is cut. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of wordsOf(text)) {
    if (line !== '' && widthOf(line + word.trimEnd()) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += line === '' ? cut(word.trimStart(), width) : word;
  }
  return line.trim() === '' ? lines : [...lines, line.trimEnd()];
}

/** Pieces that stay together, each with the blanks after it. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let mayBreak = true;
  for (const [part] of text.matchAll(PARTS)) {
    const isBlank = /^\s/.test(part);
    const closes = /^[，。：；）、！？…]/.test(part);
    const isWide = WIDE.test(part);
    if ((mayBreak || isWide) && !isBlank && !closes) words.push(part);
    else words.push((words.pop() ?? '') + part);
    mayBreak = isBlank || (isWide && part !== '（');
  }
  return words;
}
