import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryPage } from '../../src/trace/memory/page.js';
import { madeUpView } from '../pure/trace/memory/made-up-view.js';
import { launchBrowser, OpenPage, type PageOptions, WINDOWS } from './browser.js';

const HOSTILE = '</title></svg><script>alert(1)</script><img src=x onerror=alert(2)>';

describe('[browser] the page of memory', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  const page = (title: string) =>
    memoryPage({ title, host: 'vtx', flavour: 'kvm_intel', date: new Date(0), view: madeUpView({ name: title }) });
  const open = (options?: PageOptions, title = 'kernel') => OpenPage.open(browser, page(title), options);

  it.each(WINDOWS)('fits a window of $width dots, $scheme, without a network', async (options) => {
    await using opened = await open(options);
    expect(await opened.overflow()).toBe(0);
    expect((await opened.picture(`memory-${options.scheme}-${options.width}`)).length).toBeGreaterThan(20_000);
    expect(opened.requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
    expect(opened.complaints).toEqual([]);
  });

  it('draws a line from each region to where it is, and a box for each range', async () => {
    await using opened = await open();
    const count = (selector: string) =>
      opened.page.evaluate<number>(`document.querySelectorAll('#picture-title ~ div ${selector}').length`);
    expect(await count('.map > svg')).toBe(2 + 4 + 2);
    // Of the program's 40 pieces a few are drawn; of the kernel the one; two slots.
    expect(await count('line.edge-data')).toBeGreaterThan(2);
    expect(await count('line.edge-code')).toBe(1);
    expect(await count('line.slot')).toBe(2);
  });

  it('is scrolled by keys where it is wider than a phone', async () => {
    await using opened = await open({ width: 390 });
    for (let i = 0; i < 3; i++) {
      await opened.page.keyboard.press('Tab');
      const label = await opened.page.evaluate<string>(`document.activeElement.getAttribute('aria-label')`);
      expect(label).toBe(['picture', 'memory map', 'page tables of vCPU 0'][i]);
    }
    const left = () => opened.page.evaluate<number>(`document.querySelector('[aria-label=picture]').scrollLeft`);
    await opened.page.focus('[aria-label=picture]');
    await opened.page.keyboard.press('ArrowRight');
    await expect.poll(left).toBeGreaterThan(0);
  });

  it('shows hostile names as text', async () => {
    await using opened = await open({}, HOSTILE);
    expect(await opened.page.evaluate<string>(`document.querySelector('h1').textContent`)).toBe(HOSTILE);
    expect(opened.complaints).toEqual([]);
  });
});
