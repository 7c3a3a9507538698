import { describe, expect, it } from 'vitest';
import { ConsolePane } from '../../../src/cli/console-pane.js';
import { printable } from '../../../src/cli/printable.js';
import { random } from '../boot/bzimage.js';

const ESC = '\x1b';

function paneOf(...pieces: readonly (string | Uint8Array)[]): string[] {
  const pane = new ConsolePane();
  for (const piece of pieces) pane.take(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return pane.last(100);
}

describe("a serial console's last lines", () => {
  it('are lines, the one that is being written too', () => {
    expect(paneOf('one\r\ntwo\n', 'thr', 'ee')).toEqual(['one', 'two', 'three']);
    expect(paneOf('one\n')).toEqual(['one']);
    expect(paneOf()).toEqual([]);
  });

  it('are as many as are asked for, of at most 200', () => {
    const pane = new ConsolePane();
    pane.take(Buffer.from(Array.from({ length: 500 }, (_, i) => `${i}\n`).join('')));
    expect([pane.last(2), pane.last(0), pane.last(1000).length]).toEqual([['498', '499'], [], 199]);
  });

  it('are written over after a carriage return or a backspace, and have tabs', () => {
    expect(paneOf('progress 10 %\rprogress 20')).toEqual(['progress 20 %']);
    expect(paneOf('abc\b\bX\ta')).toEqual(['aXc     a']);
  });

  it.each([
    ['colours and cursor movements', `a${ESC}[1;31mb${ESC}[2J${ESC}[Hc`],
    ['a title', `a${ESC}]0;evil\x07bc`],
    ['a string that ends otherwise', `ab${ESC}Pq#0${ESC}\\c`],
    ['other escapes', `a${ESC}cb${ESC}(Bc${ESC}7`],
    ['C1 control characters', 'a\u009b31mb\u009d0;evil\u009cc'],
    ['C0 control characters', 'a\x00\x05b\x0e\x7fc'],
    ['a sequence that is cancelled', `a${ESC}[12\x18bc`],
  ])('have nothing of %s', (_, text) => {
    expect(paneOf(text)).toEqual(['abc']);
    expect(paneOf(...Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte)))).toEqual(['abc']);
  });

  it('hold nothing that a terminal would obey, whatever a guest sends', () => {
    const next = random(1);
    const pane = new ConsolePane();
    for (let round = 0; round < 300; round++) pane.take(Uint8Array.from({ length: 200 }, () => next(256)));
    for (const line of pane.last(200)) {
      expect(line).toMatch(/^[^\p{C}\p{Zl}\p{Zp}\p{M}]*$/u);
      expect(line.length).toBeLessThanOrEqual(512);
    }
  });
});

it('text is harmless and as wide as it is long', () => {
  expect(printable('naïve → ░ Ω\u202e\u200b日\x1b[m\n')).toBe('naïve → ░ Ω···' + '·[m·');
});
