import { describe, expect, it } from 'vitest';
import { PanicWatch } from '../../../src/machine/panic-watch.js';

const MESSAGE = 'Kernel panic - not syncing';
const OUTPUT = Buffer.from(`[    1.5] ${MESSAGE}: VFS: Unable to mount root fs\r\n`);

function seenIn(...pieces: Uint8Array[]): boolean {
  const watch = new PanicWatch();
  for (const piece of pieces) watch.see(piece);
  return watch.seen;
}

describe('a panic', () => {
  it('is seen in one chunk', () => expect(seenIn(OUTPUT)).toBe(true));

  it('is seen wherever the output is cut in two', () => {
    for (let at = 0; at <= OUTPUT.length; at++) {
      expect(seenIn(OUTPUT.subarray(0, at), OUTPUT.subarray(at)), `cut at ${at}`).toBe(true);
    }
  });

  it.each([1, 2, 3, 5, 24, 25, 26])('is seen in pieces of %i bytes, after much else', (size) => {
    const output = Buffer.concat([Buffer.from('booting \xff\xfe\n'.repeat(50), 'latin1'), OUTPUT]);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < output.length; at += size) pieces.push(output.subarray(at, at + size));
    expect(seenIn(...pieces)).toBe(true);
  });

  it('is seen with its last byte, not before, and stays seen', () => {
    const watch = new PanicWatch();
    watch.see(Buffer.from(MESSAGE.slice(0, -1)));
    expect(watch.seen).toBe(false);
    watch.see(Buffer.from(MESSAGE.slice(-1)));
    expect(watch.seen).toBe(true);
    watch.see(Buffer.from('Rebooting in 1 seconds..'));
    expect(watch.seen).toBe(true);
  });

  it('is not seen in a message that is broken, or is another', () => {
    expect(seenIn(Buffer.from('Kernel panic - '), Buffer.from('\n'), Buffer.from('not syncing'))).toBe(false);
    expect(seenIn(Buffer.from('Kernel command line: panic=-1\n'))).toBe(false);
    expect(seenIn(new Uint8Array(0))).toBe(false);
  });

  it('is looked for in the chunk alone, not in the memory around it', () => {
    const at = OUTPUT.indexOf(MESSAGE);
    expect(seenIn(OUTPUT.subarray(at, at + MESSAGE.length))).toBe(true);
    expect(seenIn(OUTPUT.subarray(at, at + MESSAGE.length - 1))).toBe(false);
    expect(seenIn(OUTPUT.subarray(at + 1))).toBe(false);
  });
});
