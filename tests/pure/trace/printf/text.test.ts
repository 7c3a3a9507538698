import { describe, expect, it } from 'vitest';
import { cut, widthOf, wrap } from '../../../../src/trace/printf/columns.js';
import { LANGUAGES } from '../../../../src/trace/printf/languages.js';
import { expectedExits } from '../../../../src/trace/printf/show-printf.js';
import { printfText } from '../../../../src/trace/printf/text.js';
import { madeUpResult } from './made-up.js';

describe('[pure] a printf as text', () => {
  for (const language of LANGUAGES) {
    for (const hasKernelSide of [true, false]) {
      const text = printfText(madeUpResult({ hasKernelSide }), { language, colour: false, columns: 80 });
      const lines = text.split('\n');

      it(`keeps within 80 columns (${language}, ${hasKernelSide ? 'all modes' : 'without the side of the hardware'})`, () => {
        expect(lines.filter((line) => widthOf(line) > 80)).toEqual([]);
        expect(text).not.toMatch(/undefined|NaN/);
        expect(text).not.toContain('\x1b');
      });

      it(`shows the lane of each step by its place and mark (${language}, ${hasKernelSide})`, () => {
        const lanes = new Set(lines.map((line) => /^[PKHV·] [PKHV·] [PKHV·] [PKHV·]/.exec(line)?.[0]).filter(Boolean));
        const wanted = hasKernelSide ? ['· · H ·'] : ['· K H ·'];
        expect([...lanes].sort()).toEqual(
          ['P · · ·', '· K · ·', '· · · V', '· · H ·', ...wanted]
            .filter((lane, at, all) => all.indexOf(lane) === at)
            .sort(),
        );
      });
    }
  }

  it('has the words of the SDM, and those of its usual Chinese rendering', () => {
    const en = printfText(madeUpResult(), { language: 'en', colour: false, columns: 80 });
    expect(en).toMatch(/VM exit: IO_INSTRUCTION, 0x3f80000: OUT, 1 byte, port 0x3f8 in DX/);
    expect(en).toMatch(/non-root operation, ring 3/);
    expect(en).toMatch(/VM entry/);
    const zh = printfText(madeUpResult(), { language: 'zh', colour: false, columns: 80 });
    expect(zh).toMatch(/VM 退出：IO_INSTRUCTION/);
    expect(zh).toMatch(/非根模式，环 3/);
    expect(zh).toMatch(/VM 进入/);
  });

  it('does not show as nothing what was not measured', () => {
    const text = printfText(madeUpResult({ hasKernelSide: false }), { language: 'en', colour: false, columns: 80 });
    expect(text).toMatch(/^· · H · .* –$/m);
  });

  it('has colours only where they are asked for', () => {
    const text = printfText(madeUpResult(), { language: 'en', colour: true, columns: 80 });
    expect(text).toContain('\x1b[1;36mP\x1b[0m');
  });
});

describe('[pure] columns of a terminal', () => {
  it('count Chinese characters twice', () => {
    expect(widthOf('VM 退出：x')).toBe(10);
    expect(cut('退出退出', 6)).toBe('退出…');
    expect(cut('退出', 4)).toBe('退出');
  });

  it('are kept by lines that break at blanks and between Chinese characters, not before their punctuation', () => {
    expect(wrap('one two  three', 8)).toEqual(['one two', 'three']);
    expect(wrap('进入客户机，继续', 10)).toEqual(['进入客户', '机，继续']);
    expect(wrap('KVM 处理', 6)).toEqual(['KVM 处', '理']);
    expect(wrap('', 10)).toEqual([]);
    expect(wrap('averylongword', 6)).toEqual(['avery…']);
  });
});

describe('[pure] the exits that the source predicts', () => {
  it('are those of its head comment', () => {
    expect(expectedExits(26, { buffering: 'line', io: 'byte' })).toBe(7 + 52 + 1);
    expect(expectedExits(26, { buffering: 'line', io: 'string' })).toBe(7 + 2 + 26 + 1);
    expect(expectedExits(26, { buffering: 'none', io: 'string' })).toBe(7 + 52 + 1);
  });
});
