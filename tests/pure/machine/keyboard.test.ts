import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Keyboard } from '../../../src/machine/keyboard.js';
import { scanCodes } from '../../../src/machine/scan-codes.js';
import { thrownBy } from '../boot/bzimage.js';

describe('scan codes', () => {
  it.each<[string, readonly number[]]>([
    ['a', [0x1e, 0x9e]],
    ['A', [0x2a, 0x1e, 0x9e, 0xaa]],
    ['1', [0x02, 0x82]],
    ['!', [0x2a, 0x02, 0x82, 0xaa]],
    ['=', [0x0d, 0x8d]],
    [']', [0x1b, 0x9b]],
    ['`', [0x29, 0xa9]],
    ['\\', [0x2b, 0xab]],
    ['?', [0x2a, 0x35, 0xb5, 0xaa]],
    [' ', [0x39, 0xb9]],
    ['+', [0x2a, 0x0d, 0x8d, 0xaa]],
    ['\n', [0x1c, 0x9c]],
    ['\t', [0x0f, 0x8f]],
    ['Backspace', [0x0e, 0x8e]],
    ['F10', [0x44, 0xc4]],
    ['F12', [0x58, 0xd8]],
    ['ArrowUp', [0xe0, 0x48, 0xe0, 0xc8]],
    ['Control+c', [0x1d, 0x2e, 0xae, 0x9d]],
    ['Control++', [0x1d, 0x2a, 0x0d, 0x8d, 0xaa, 0x9d]],
    ['Shift+A', [0x2a, 0x1e, 0x9e, 0xaa]],
    ['Control+Alt+Delete', [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]],
  ])('%s', (stroke, codes) => expect(scanCodes(stroke)).toEqual(codes));

  it('has a key for each character of ASCII', () => {
    const codes = Array.from({ length: 95 }, (_, i) => scanCodes(String.fromCharCode(32 + i)).join());
    expect(new Set(codes).size).toBe(95);
  });

  it.each(['', 'é', 'ab', 'enter', 'toString', 'Control+', 'Super+a', '\0'])('%j is no key', (stroke) => {
    expect(thrownBy(() => scanCodes(stroke))).toMatchObject({ code: 'OPTION_INVALID', kind: 'input' });
  });
});

describe('the keyboard', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A guest that takes so many strokes until it is given more room. */
  function guestWithRoom(room: number) {
    const taken: number[][] = [];
    const guest = { room, taken };
    const keyboard = new Keyboard((codes) => {
      if (guest.room === 0) return false;
      guest.room--;
      taken.push([...codes]);
      return true;
    });
    return { guest, keyboard };
  }

  it('keeps strokes in order until the guest has room, and tells when it has them', async () => {
    const { guest, keyboard } = guestWithRoom(1);
    const events: string[] = [];
    const typed = keyboard.type('ab').then(() => events.push('ab'));
    const pressed = keyboard.press('Escape').then(() => events.push('Escape'));
    await vi.advanceTimersByTimeAsync(100);
    expect([guest.taken, events]).toEqual([[[0x1e, 0x9e]], []]);
    guest.room = 2;
    await vi.advanceTimersByTimeAsync(100);
    await Promise.all([typed, pressed]);
    expect([guest.taken.slice(1), events]).toEqual([
      [
        [0x30, 0xb0],
        [0x01, 0x81],
      ],
      ['ab', 'Escape'],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes nothing of a text that has a character without a key', async () => {
    const { guest, keyboard } = guestWithRoom(9);
    await expect(keyboard.type('aé')).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await keyboard.type('');
    expect(guest.taken).toEqual([]);
  });

  it('holds 1024 strokes and no more', async () => {
    const { guest, keyboard } = guestWithRoom(0);
    const typed = keyboard.type('a'.repeat(1024));
    await expect(keyboard.press('b')).rejects.toMatchObject({ code: 'STATE_INVALID' });
    guest.room = 2000;
    await vi.advanceTimersByTimeAsync(100);
    await typed;
    await keyboard.press('b');
    expect(guest.taken).toHaveLength(1025);
  });

  it('lets nobody wait for a machine that has ended', async () => {
    const { guest, keyboard } = guestWithRoom(0);
    const typed = keyboard.type('abc');
    keyboard.finish();
    await typed;
    await keyboard.press('d');
    expect([guest.taken, vi.getTimerCount()]).toEqual([[], 0]);
  });
});
