import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Language } from '../../src/trace/printf/languages.js';
import { printfPage } from '../../src/trace/printf/page.js';
import type { PrintfResult } from '../../src/trace/printf/result.js';
import { madeUpResult } from '../pure/trace/printf/made-up.js';
import { launchBrowser, OpenPage, type PageOptions } from './browser.js';

const HOSTILE = '</script><img src=x onerror=alert(1)>';

describe('[browser] the page of a printf', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  const open = (language: Language, options?: PageOptions, result: PrintfResult = madeUpResult()) =>
    OpenPage.open(browser, printfPage(result, language), options);

  it.each([
    { language: 'en', scheme: 'light', width: 1280 },
    { language: 'zh', scheme: 'dark', width: 1280 },
    { language: 'zh', scheme: 'light', width: 390, isTouch: true },
    { language: 'en', scheme: 'dark', width: 390, isTouch: true },
  ] as const)(
    'fits a window of $width dots, $scheme, $language, without a network',
    async ({ language, ...options }) => {
      await using opened = await open(language, options);
      const { page } = opened;
      for (const step of [2, 7, 15]) await page.locator('.step > summary').nth(step).click();
      expect(await opened.overflow()).toBe(0);
      expect((await opened.picture(`printf-${language}-${options.scheme}-${options.width}`)).length).toBeGreaterThan(
        20_000,
      );
      expect(opened.requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
      expect(opened.complaints).toEqual([]);
    },
  );

  it('draws each step in the lane of its mode', async () => {
    await using opened = await open('en');
    const places = await opened.page.evaluate<string[]>(`[...document.querySelectorAll('.step')].map((step) => {
      const lanes = step.querySelector('.lanes').getBoundingClientRect();
      const box = step.querySelector('summary rect').getBoundingClientRect();
      return step.querySelector('summary text').textContent + Math.floor((box.x + box.width / 2 - lanes.x) / lanes.width * 4);
    })`);
    expect(places.length).toBe(madeUpResult().steps.length);
    expect([...new Set(places)].sort()).toEqual(['H2', 'K1', 'P0', 'V3']);
    await using partly = await open('en', {}, madeUpResult({ hasKernelSide: false }));
    expect(await partly.page.locator('.step text', { hasText: 'K H' }).count()).toBeGreaterThan(0);
  });

  it('opens a step by a click or Enter, with what is known of it', async () => {
    await using opened = await open('en');
    const { page } = opened;
    const out = page.locator('.step', { hasText: "OUT of 'h'" }).first();
    await out.locator('summary').focus();
    await page.keyboard.press('Enter');
    const known = await out.locator('dl').textContent();
    for (const words of [
      'out dx,al',
      'out8(UART_DATA, byte);',
      'dx = 0x3f8',
      'al = 0x68',
      'IO_INSTRUCTION',
      '0x3f80000',
      'SDM volume 3',
    ])
      expect(known).toContain(words);
    await page.keyboard.press('Escape');
    expect(await out.locator('dl').isVisible()).toBe(false);
    await page.keyboard.press('ArrowDown');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toContain('KVM has no such device');
    await page.keyboard.press('Home');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toContain('printf: the library');
    await page.keyboard.press('End');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toContain('printf returns');
  });

  it('is worked without its script, and says its language', async () => {
    const html = printfPage(madeUpResult(), 'zh').replace(
      /<script>.*<\/script>/s,
      '<script>document.documentElement.dataset.ready = 1</script>',
    );
    expect(html).toContain('<html lang="zh-Hans">');
    await using opened = await OpenPage.open(browser, html.replace(/script-src [^"]*/, "script-src 'unsafe-inline'"));
    await opened.page.getByText('VM 进入').first().waitFor();
    await opened.page.locator('.step > summary').nth(7).click();
    expect(await opened.page.locator('.step').nth(7).getByText('退出原因').isVisible()).toBe(true);
  });

  it('shows what a guest prints as text', async () => {
    await using opened = await open('en', {}, { ...madeUpResult(), output: HOSTILE, processor: HOSTILE });
    expect(opened.complaints).toEqual([]);
    expect(await opened.page.locator('.facts').textContent()).toContain(HOSTILE);
  });
});
