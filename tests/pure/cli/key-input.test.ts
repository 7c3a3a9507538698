import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeyDecoder, KeyInput, sizeReport } from '../../../src/cli/key-input.js';
import { scanCodes } from '../../../src/machine/scan-codes.js';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const strokes = (...chunks: readonly string[]): string[] => {
  const decoder = new KeyDecoder();
  const events = [...chunks.flatMap((chunk) => decoder.decode(bytes(chunk))), ...decoder.flush()];
  return events.map((event) => ('stroke' in event ? event.stroke : JSON.stringify(event.size)));
};

describe("a terminal's bytes", () => {
  it.each<[string, readonly string[]]>([
    ['aZ1?', ['a', 'Z', '1', '?']],
    ['\r\n', ['Enter', 'Enter']],
    ['\t\x7f\b', ['Tab', 'Backspace', 'Backspace']],
    ['\x03\x1a', ['Control+c', 'Control+z']],
    ['\x00\x1c\x1d\x1e\x1f', ['Control+ ', 'Control+\\', 'Control+]', 'Control+^', 'Control+_']],
    ['\x1b', ['Escape']],
    ['\x1b\x1b', ['Escape', 'Escape']],
    ['\x1bx\x1bX', ['Alt+x', 'Alt+X']],
    ['\x1b[A\x1b[B\x1b[C\x1b[D', ['ArrowUp', 'ArrowDown', 'ArrowRight', 'ArrowLeft']],
    ['\x1bOA\x1bOH\x1b[F', ['ArrowUp', 'Home', 'End']],
    ['\x1bOP\x1bOS\x1b[15~\x1b[24~', ['F1', 'F4', 'F5', 'F12']],
    ['\x1b[[A\x1b[[E', ['F1', 'F5']],
    ['\x1b[1~\x1b[2~\x1b[3~\x1b[4~\x1b[5~\x1b[6~', ['Home', 'Insert', 'Delete', 'End', 'PageUp', 'PageDown']],
    ['\x1b[1;5C\x1b[1;2A\x1b[3;8~', ['Control+ArrowRight', 'Shift+ArrowUp', 'Shift+Alt+Control+Delete']],
    ['\x1b[Z', ['Shift+Tab']],
    ['a\x1b[200~b\x1b[?25hc', ['a', 'b', 'Alt+[', '?', '2', '5', 'h', 'c']],
    ['aé☺b', ['a', 'b']],
  ])('%j are strokes', (text, expected) => {
    expect(strokes(text)).toEqual(expected);
    // However they come apart.
    expect(strokes(...text)).toEqual(expected);
    for (const stroke of expected) expect(scanCodes(stroke).length).toBeGreaterThan(1);
  });

  it('may be the size of the terminal', () => {
    expect(strokes(`a${sizeReport({ rows: 24, columns: 80 })}b`)).toEqual(['a', '{"rows":24,"columns":80}', 'b']);
    expect(strokes('\x1b[8;0;80t', '\x1b[9;1;1t', '\x1b[8t')).toEqual([]);
  });

  it('are strokes that the keyboard has, whatever they are', () => {
    for (let first = 0; first < 256; first++) {
      for (const rest of [[], [0x5b, 0x41], [0x1b, 0x31, 0x3b], [0xff]]) {
        const decoder = new KeyDecoder();
        const events = [...decoder.decode(Uint8Array.from([0x1b, first, ...rest, first])), ...decoder.flush()];
        for (const event of events) if ('stroke' in event) scanCodes(event.stroke);
        expect(decoder.waits).toBe(false);
      }
    }
  });
});

describe('typing on a keyboard', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('takes a lone escape for the key after a moment, and else for the start of a sequence', async () => {
    const pressed: string[] = [];
    const input = new KeyInput({ press: async (stroke) => void pressed.push(stroke) }, () => {});
    input.write(bytes('\x1b'));
    await vi.advanceTimersByTimeAsync(10);
    input.write(bytes('[A'));
    await vi.advanceTimersByTimeAsync(100);
    expect(pressed).toEqual(['ArrowUp']);
    input.write(bytes('\x1b'));
    await vi.advanceTimersByTimeAsync(100);
    expect(pressed).toEqual(['ArrowUp', 'Escape']);
    input.end(bytes('\x1b'));
    await vi.advanceTimersByTimeAsync(0);
    expect([pressed, vi.getTimerCount()]).toEqual([['ArrowUp', 'Escape', 'Escape'], 0]);
  });

  it('waits for the guest, one stroke at a time', async () => {
    const pressed: string[] = [];
    const taken: (() => void)[] = [];
    const press = (stroke: string) => {
      pressed.push(stroke);
      return new Promise<void>((resolve) => void taken.push(resolve));
    };
    const input = new KeyInput({ press }, () => {});
    input.write(bytes('ab'));
    input.write(bytes('c'));
    for (const expected of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
      await vi.advanceTimersByTimeAsync(0);
      expect(pressed).toEqual(expected);
      taken.shift()?.();
    }
  });
});
