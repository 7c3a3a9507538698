import { describe, expect, it } from 'vitest';
import { memoryPage } from '../../../../src/trace/memory/page.js';
import { memoryText } from '../../../../src/trace/memory/text.js';
import { placeWords, referencesOf, regionsOf, sizeWords } from '../../../../src/trace/memory/words.js';
import { madeUpView, madeUpWalk } from './made-up-view.js';

const plain = (text: string) => text;
const textOf = (view = madeUpView(), width = 80) => memoryText(view, { bold: plain, dim: plain, width });

describe('memoryText', () => {
  it('has a section for each question, and says in each where its numbers come from', () => {
    const text = textOf();
    const headings = text.split('\n').filter((line) => line.endsWith(']') && !line.startsWith(' '));
    expect(headings.map((line) => line.replace(/ {2,}/, ' | '))).toEqual([
      'memory map: 64 MiB of RAM | [read from the machine]',
      'vCPU 0: 64-bit mode, ring 0 | [read from the machine]',
      'walk of rip, 0xffffffff81123456 | [read from the machine]',
      'the second dimension: EPT | [read from the machine]',
      "the walk of rip in two dimensions | [read from the machine: KVM's events]",
    ]);
    expect(text).toContain('PDE[8]     at 00003040: 00000000010001e1  P A D PS G');
    expect(text).toContain('ring 0  read, fetch: allowed; write: #PF read-only, code 0x3');
    expect(text).toContain("15 references: 3 to the guest's tables, 3 + 3 + 3 + 3 to the host's");
    expect(text).toMatch(/ {2}00400000 +160 KiB +40 x 4K +rw- u- +all +20 +40 pieces/);
    expect(textOf(madeUpView(), 120)).toMatch(
      /ffffffff81000000-ffffffff81ffffff +16 MiB +8 x 2M +r-x -G +all +0 +01000000/,
    );
  });

  it.each([80, 120])('keeps to %i columns', (width) => {
    expect(
      Math.max(
        ...textOf(madeUpView(), width)
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(width);
  });

  it('calls a model what no event told', () => {
    const text = textOf(madeUpView({ known: false }));
    expect(text).toMatch(/in two dimensions +\[in part modelled\]/);
    expect(text).toContain("19 references: 3 to the guest's tables, 4 + 4 + 4 + 4 to the host's");
  });

  it('says why a walk ends early', () => {
    const walk = { ...madeUpWalk, steps: madeUpWalk.steps.slice(0, 2), result: { outcome: 'not-present' } as const };
    expect(textOf(madeUpView({ walk }))).toContain('not mapped: PDPTE[510] has P clear');
  });
});

describe('memoryPage', () => {
  const page = (title: string) =>
    memoryPage({ title, host: 'vtx', flavour: 'kvm_intel', date: new Date(0), view: madeUpView() });

  it('escapes what it is given, and needs no script', () => {
    const text = page('</title><script>alert(1)</script>');
    expect(text).not.toContain('<script>alert');
    expect(text).toContain("script-src 'none'");
  });

  it('numbers the references of the walk in two dimensions, in order', () => {
    const numbers = [...page('kernel').matchAll(/<b>(\d+)<\/b>/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  });
});

describe('the words', () => {
  it('put together what has the same rights, wherever it is', () => {
    const [program, kernel] = regionsOf(madeUpView().vcpus[0]?.mappings?.ranges ?? []);
    expect(program).toMatchObject({ pages: 40, runs: 40, accessed: 40, dirty: 20 });
    expect(kernel && placeWords(kernel)).toBe('01000000');
    expect(sizeWords(1536 * 2 ** 20)).toBe('1.5 GiB');
  });

  it('count 24 references where both have four levels', () => {
    const walk = { ...madeUpWalk, steps: [...madeUpWalk.steps, ...madeUpWalk.steps.slice(0, 1)] };
    const [view] = madeUpView({ known: false, walk }).vcpus[0]?.walks ?? [];
    expect(view && referencesOf(view, view.second ?? []).sum).toBe(24);
  });
});
