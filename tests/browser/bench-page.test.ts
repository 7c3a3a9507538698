import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchPage } from '../../src/bench/report/page.js';
import { type MadeUp, madeUpBench } from '../pure/bench/made-up-result.js';
import { memoryResult } from '../pure/bench/memory/made-up.js';
import { launchBrowser, OpenPage, type PageOptions, WINDOWS } from './browser.js';

const HOSTILE = '</title></svg><script>alert(1)</script><img src=x onerror=alert(2)>';
/** Of text to what is behind it (WCAG 2.2, 1.4.3), and of marks (1.4.11). */
const LEAST_CONTRAST = 4.5;
const LEAST_MARK_CONTRAST = 3;

describe('[browser] the page of bench', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  const open = (made: MadeUp = {}, options?: PageOptions) =>
    OpenPage.open(browser, benchPage(madeUpBench(made)), options);

  const pages = [
    { name: 'bench', result: madeUpBench() },
    { name: 'bench-memory', result: memoryResult() },
  ];
  const inWindows = pages.flatMap((page) => WINDOWS.map((window) => ({ ...page, ...window })));
  it.each(inWindows)('$name fits a window of $width dots, $scheme, without a network', async (options) => {
    await using opened = await OpenPage.open(browser, benchPage(options.result), options);
    expect(await opened.overflow()).toBe(0);
    expect((await opened.picture(`${options.name}-${options.scheme}-${options.width}`)).length).toBeGreaterThan(20_000);
    expect(opened.requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
    expect(opened.complaints).toEqual([]);
    expect(await opened.page.evaluate<string[]>(CUT_LABELS)).toEqual([]);
    const contrasts = await opened.page.evaluate<Contrast[]>(CONTRASTS);
    expect(contrasts.length).toBeGreaterThan(100);
    const least = ({ isMark }: Contrast) => (isMark ? LEAST_MARK_CONTRAST : LEAST_CONTRAST);
    expect(contrasts.filter((contrast) => contrast.ratio < least(contrast))).toEqual([]);
  });

  it('places marks by the logarithm of the time, in each strip on the same axis', async () => {
    await using opened = await open({ noise: 0 });
    const at = (engine: string) =>
      opened.page.evaluate<number>(`(() => {
        const strip = [...document.querySelectorAll('.strip')].find((one) => one.textContent.includes('exits.out'));
        const label = [...strip.querySelectorAll('.engine')].findIndex((one) => one.textContent === '${engine}');
        const box = strip.querySelectorAll('.mark')[label].getBoundingClientRect();
        return (box.x + box.width / 2 - strip.getBoundingClientRect().x) / strip.getBoundingClientRect().width;
      })()`);
    // The axis goes from 10 ns to 10 µs, between 9 and 91 per cent of the width.
    const place = (ns: number) => 0.09 + (Math.log10(ns / 10) / 3) * 0.82;
    expect(await at('kvm')).toBeCloseTo(place(7200), 2);
    expect(await at('qemu-tcg')).toBeCloseTo(place(310), 2);
  });

  it('keeps what it says of wide intervals within a phone’s width', async () => {
    await using opened = await open({ noise: 60 }, { width: 390, isTouch: true });
    expect(await opened.overflow()).toBe(0);
    expect(await opened.page.evaluate<string[]>(CUT_LABELS)).toEqual([]);
    await opened.picture('bench-wide-intervals-390');
  });

  it('says in words what each strip shows, and tells engines apart by shape', async () => {
    await using opened = await open({ noise: 0 });
    const strip = opened.page.getByRole('img', { name: 'exits.cpuid: CPUID, which KVM answers alone' });
    const words = await strip.locator('desc').textContent();
    expect(words).toContain('kvm: 950 ns, between 950 ns and 950 ns; the reference.');
    expect(words).toContain('qemu-tcg: 95.0 ns, between 95.0 ns and 95.0 ns; 0.100× the reference.');
    const shapes = await opened.page.evaluate<string[]>(
      `[...document.querySelectorAll('.engines use')].map((use) => document.querySelector(use.getAttribute('href')).getAttribute('d'))`,
    );
    expect(new Set(shapes).size).toBe(6);
  });

  it('has reasons where there is no figure, and once for an engine that has none of a kind', async () => {
    await using opened = await open({ engines: ['kvm', 'native', 'v86'], why: 'it cannot be had' });
    const exits = (await opened.page.locator('.logchart').first().textContent()) ?? '';
    expect(exits.match(/native – unsupported: it cannot be had/g)).toHaveLength(1);
    expect(exits.match(/v86 – unsupported: it cannot be had/g)).toHaveLength(1);
    expect(exits.indexOf('native –')).toBeLessThan(exits.indexOf('exits.out'));
    expect(exits.indexOf('v86 –')).toBeGreaterThan(exits.indexOf('exits.cpuid'));
    await using none = await open({ engines: ['gone', 'v86'], workloads: madeUpBench().workloads.slice(3, 4) });
    expect(await none.page.locator('svg.strip, svg.axis').count()).toBe(0);
    expect(await none.overflow()).toBe(0);
    expect(await none.page.locator('.logchart').textContent()).toContain('v86 – unsupported');
  });

  it('puts the workloads of a kind together', async () => {
    await using opened = await open({ noise: 0 });
    const region = opened.page.getByRole('region', { name: 'All workloads of a kind together' }).first();
    const rows = await region.locator('tbody tr').allTextContents();
    expect(rows).toEqual([
      expect.stringMatching(/^VM exits/),
      expect.stringMatching(/^Processor.*reference.*5\.63×of 2/),
    ]);
  });

  it('warns of clocks that disagree', async () => {
    await using opened = await open({
      clockRate: (engine, workload) => (engine + workload === 'v86cpu.integer' ? 2 : 1),
    });
    const warning = await opened.page.locator('.warning').allTextContents();
    expect(warning).toEqual([expect.stringContaining('v86: clocks of guest and host disagree: cpu.integer')]);
  });

  it('shows text of guests and engines as text', async () => {
    const workloads = [{ name: HOSTILE, kind: 'processor', shows: HOSTILE } as const, ...madeUpBench().workloads];
    await using opened = await open({
      engines: ['kvm', HOSTILE],
      why: HOSTILE,
      workloads,
      host: { processor: HOSTILE },
    });
    expect(opened.complaints).toEqual([]);
    expect(await opened.page.locator('img').count()).toBe(0);
    expect(await opened.overflow()).toBe(0);
    expect(await opened.page.locator('.facts').textContent()).toContain(HOSTILE);
    expect(await opened.page.locator('script').count()).toBe(0);
  });
});

interface Contrast {
  readonly what: string;
  readonly ratio: number;
  readonly isMark: boolean;
}

/** Labels of which a part is outside of their strip. */
const CUT_LABELS = `[...document.querySelectorAll('.strip .label, .axis .tick')].filter((label) => {
  const box = label.getBoundingClientRect();
  const strip = label.closest('.strip, .axis').getBoundingClientRect();
  return label.getClientRects().length > 0 && (box.left < strip.left || box.right > strip.right + 0.5);
}).map((label) => label.textContent)`;

/** What is seen of text and marks, each colour against the nearest background behind it. */
const CONTRASTS = `(() => {
  const partsOf = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = partsOf(colour).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((partsOf(colour)[3] ?? 1) > 0) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
  const isSeen = (element) => element.getClientRects().length > 0 && !['TITLE', 'title', 'desc'].includes(element.tagName);
  return [...document.body.querySelectorAll('*')].filter((element) => isSeen(element) && (hasText(element) || element.matches('.mark'))).map((element) => {
    const style = getComputedStyle(element);
    const isMark = element.matches('.mark');
    const colour = isMark || element.ownerSVGElement ? style.fill : style.color;
    return { what: (element.textContent || element.getAttribute('class')).slice(0, 40) + ' ' + colour, ratio: ratio(colour, behind(element)), isMark };
  });
})()`;
