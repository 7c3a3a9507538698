import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readElfSymbols } from '../../../src/boot/elf-symbols.js';
import { SymbolTable } from '../../../src/trace/symbols.js';
import { random, thrownBy } from '../boot/bzimage.js';
import { elfWithSymbols } from '../boot/elf-with-symbols.js';

const image = (name: string) => readFileSync(new URL(`../../../build/guest-images/${name}`, import.meta.url));
const SYMBOLS = [
  { name: 'start', address: 0x100000, size: 0 },
  { name: 'putc', address: 0x100040, size: 0x20 },
  { name: 'label', address: 0x100040, size: 0 },
  { name: 'table', address: 0x100080, size: 16 },
];

describe.each([32, 64] as const)('the symbols of a %i-bit ELF file', (bits) => {
  const file = elfWithSymbols(bits, SYMBOLS);
  const table = SymbolTable.ofImage(file);

  it('name addresses, with the distance from their beginning', () => {
    const names = [0xfffffn, 0x100000n, 0x100004n, 0x100040n, 0x10005fn, 0x100060n, 0x10008fn, 0x100090n];
    expect(names.map((address) => table.at(address))).toEqual([
      undefined,
      'start',
      'start+0x4',
      'putc',
      'putc+0x1f',
      undefined,
      'table+0xf',
      undefined,
    ]);
  });

  it('have addresses, also those that share one with another', () => {
    expect(['putc', 'label', 'nothing'].map((name) => table.addressOf(name))).toEqual([
      0x100040n,
      0x100040n,
      undefined,
    ]);
  });

  it('that do not say their size end somewhere all the same', () => {
    const alone = SymbolTable.ofImage(elfWithSymbols(bits, [{ name: 'start', address: 0x1000, size: 0 }]));
    expect([alone.at(0x10fffn), alone.at(0x11000n)]).toEqual(['start+0xffff', undefined]);
  });

  it('are none where the table or the file is damaged: nothing is thrown, whatever it holds', () => {
    const next = random(bits);
    for (let round = 0; round < 3000; round++) {
      const damaged = Buffer.from(file.subarray(0, round % 2 === 0 ? file.length : next(file.length)));
      for (let i = 0; i < 4 && damaged.length > 0; i++) damaged[next(damaged.length)] = next(256);
      for (const { name } of readElfSymbols(damaged)) expect(name.length).toBeLessThanOrEqual(256);
    }
    expect(readElfSymbols(file.subarray(0, file.length - 1))).toEqual([]);
    expect(readElfSymbols(Buffer.from('no ELF file'))).toEqual([]);
  });
});

describe('symbols', () => {
  it('of a kernel as people build them are those that its linker wrote', () => {
    const symbols = readElfSymbols(image('printf.elf'));
    const main = symbols.find(({ name }) => name === 'main');
    expect(main?.size).toBeGreaterThan(0n);
    expect(SymbolTable.ofImage(image('printf.elf')).at((main?.address ?? 0n) + 1n)).toBe('main+0x1');
  });

  it('come from a System.map too, without absolute values and what is not defined there', () => {
    const lines = [
      '0000000000000000 A fixed_percpu_data',
      'ffffffff81000000 T _stext',
      'ffffffff81000010 t do_one\r',
      '                 U missing',
      'no address at all',
      '',
    ];
    const table = SymbolTable.ofFile(Buffer.from(lines.join('\n')), 'System.map');
    expect(table.length).toBe(2);
    expect([table.at(0xffffffff81000008n), table.at(0xffffffff81000010n)]).toEqual(['_stext+0x8', 'do_one']);
  });

  it('that a file does not have are told', () => {
    expect(thrownBy(() => SymbolTable.ofFile(Buffer.from('hello\n'), 'notes.txt'))).toMatchObject({
      code: 'IMAGE_INVALID',
      message: 'notes.txt has no symbols',
    });
  });

  it('with very long names lose the rest of them', () => {
    const map = `1000 T ${'x'.repeat(300)}\n2000 T ${'y'.repeat(5000)}\n3000 T short\n`;
    const table = SymbolTable.ofFile(Buffer.from(map), 'map');
    expect([table.at(0x1000n)?.length, table.at(0x3000n)]).toEqual([256, 'short']);
  });
});
