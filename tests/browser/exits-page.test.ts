import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExitTable } from '../../src/trace/html/exit-table.js';
import { htmlReport } from '../../src/trace/html/report.js';
import { Summary } from '../../src/trace/summary.js';
import { madeUpRun } from '../pure/trace/events.js';
import { launchBrowser, OpenPage, type PageOptions, WINDOWS } from './browser.js';

const HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)>';

function reportOf(count: number, { cpus = 1, kernelSide = true } = {}): string {
  const exits = new ExitTable();
  const summary = new Summary();
  for (const event of madeUpRun(count, cpus, kernelSide)) {
    exits.add(event);
    summary.add(event);
  }
  const instructions = new Map([
    ['0x100000', { symbol: HOSTILE, text: 'out dx,al' }],
    ['0x100004', { symbol: 'serial_put+0x14', text: 'out dx,al' }],
  ]);
  const cost = [['an exit, on average', '+2 µs']] as const;
  const words = { title: `kernel ${HOSTILE}`, host: 'svm', flavour: 'kvm_amd', date: new Date(0) };
  return htmlReport({ ...words, exits, summary: summary.result(), instructions, cost });
}

describe('[browser] the report of exits', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  const open = (html: string, options?: PageOptions) => OpenPage.open(browser, html, options);
  const shownSpan = async ({ page }: OpenPage) => (await page.locator('.view').textContent()) ?? '';

  it.each(WINDOWS)('fits a window of $width dots, $scheme, without a network', async (options) => {
    await using opened = await open(reportOf(40, { cpus: 2 }), options);
    await opened.page.locator('canvas').press('Enter');
    await opened.page.getByText('Slices in view as a table').click();
    expect(await opened.overflow()).toBe(0);
    const light = await opened.page.evaluate<boolean>(
      `getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((part) => part > 127)`,
    );
    expect(light).toBe(options.scheme === 'light');
    expect((await opened.picture(`exits-${options.scheme}-${options.width}`)).length).toBeGreaterThan(20_000);
    expect(opened.requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
    expect(opened.complaints).toEqual([]);
  });

  it('has a lane a mode, with the hardware’s side and without', async () => {
    await using whole = await open(reportOf(4));
    for (const colour of ['--nonroot', '--ring0', '--ring3']) expect(await whole.dotOf(colour), colour).toBeDefined();
    expect(await whole.dotOf('--inside')).toBeUndefined();
    await using partly = await open(reportOf(4, { kernelSide: false }));
    for (const colour of ['--inside', '--ring3']) expect(await partly.dotOf(colour), colour).toBeDefined();
    expect(await partly.dotOf('--nonroot')).toBeUndefined();
    expect(await partly.page.locator('main').textContent()).toContain('The kernel’s side was not recorded.');
  });

  it('shows a slice’s detail at a click, escaped', async () => {
    await using opened = await open(reportOf(4));
    const { page } = opened;
    const dot = await opened.dotOf('--ring3');
    await page.mouse.click(dot?.x ?? 0, dot?.y ?? 0);
    const detail = page.getByRole('region', { name: 'Detail of the chosen slice' });
    expect(await detail.getByRole('heading', { level: 3 }).textContent()).toBe('IO write 0x3f8 (uart)');
    const text = (await detail.textContent()) ?? '';
    for (const part of ['Return of KVM_RUN', '0x41', 'uart', '0x100000', HOSTILE, '8.000 µs'])
      expect(text).toContain(part);
    expect(await page.getByRole('status').textContent()).toContain('root operation, ring 3 (vmlaunch)');

    const guest = await opened.dotOf('--nonroot');
    await page.mouse.click(guest?.x ?? 0, guest?.y ?? 0);
    const hardware = (await detail.textContent()) ?? '';
    for (const part of ['EXTERNAL_INTERRUPT', 'KVM kept it', 'EXITINFO1', '0x800000ec'])
      expect(hardware).toContain(part);
    expect(opened.complaints).toEqual([]);
  });

  it('zooms and pans by wheel, drag and buttons', async () => {
    await using opened = await open(reportOf(400));
    const { page } = opened;
    const box = await page.locator('canvas').boundingBox();
    const [x, y] = [(box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + 60];
    const changes = async (action: () => Promise<unknown>) => {
      const before = await shownSpan(opened);
      await action();
      await expect.poll(() => shownSpan(opened)).not.toBe(before);
    };
    const whole = await shownSpan(opened);
    await page.mouse.move(x, y);
    for (let times = 0; times < 5; times++) await changes(() => page.mouse.wheel(0, -200));
    expect(await shownSpan(opened)).toMatch(/: \d+ µs$/);
    await changes(() => page.mouse.wheel(120, 0));
    await changes(async () => {
      await page.mouse.down();
      await page.mouse.move(x - 90, y, { steps: 3 });
      await page.mouse.up();
    });
    expect(await page.getByRole('heading', { level: 3 }).textContent()).toBe('No slice is chosen');
    for (const name of ['Zoom in', 'Earlier', 'Later', 'Zoom out'])
      await changes(() => page.getByRole('button', { name }).click());
    await page.getByRole('button', { name: 'Whole run' }).click();
    expect(await shownSpan(opened)).toBe(whole);
  });

  it('zooms by two fingers', async () => {
    await using opened = await open(reportOf(400), { width: 390, isTouch: true });
    const { page } = opened;
    await page.locator('canvas').scrollIntoViewIfNeeded();
    const box = await page.locator('canvas').boundingBox();
    const y = (box?.y ?? 0) + 70;
    const session = await page.context().newCDPSession(page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', places: readonly number[]) =>
      session.send('Input.dispatchTouchEvent', { type, touchPoints: places.map((x, id) => ({ x, y, id })) });
    await touch('touchStart', [180, 200]);
    for (const reach of [30, 60, 90, 120]) await touch('touchMove', [180 - reach, 200 + reach]);
    await touch('touchEnd', []);
    await expect.poll(() => shownSpan(opened)).toMatch(/: \d{3} µs$/);
  });

  it('is worked by keyboard alone, with the focus always seen', async () => {
    await using opened = await open(reportOf(40));
    const { page } = opened;
    const stops: string[] = [];
    const NAME = `(() => {
      const at = document.activeElement;
      return at === document.body ? '' : (at.getAttribute('aria-label') ?? at.textContent) + (getComputedStyle(at).outlineStyle === 'none' ? ' (unseen)' : '');
    })()`;
    for (let name = 'start'; name !== ''; stops.push(name)) {
      await page.keyboard.press('Tab');
      name = await page.evaluate<string>(NAME);
      expect(stops.length).toBeLessThan(100);
    }
    const wanted = [
      'Zoom out',
      'Zoom in',
      'Earlier',
      'Later',
      'Whole run',
      'Timeline of 40 exits',
      'Slices in view as a table',
    ];
    expect(stops).toEqual(
      expect.arrayContaining([...wanted, 'Previous slice of this lane', 'Next slice of this lane']),
    );
    expect(stops.filter((name) => name.includes('(unseen)'))).toEqual([]);

    await page.locator('canvas').focus();
    const title = page.getByRole('heading', { level: 3 });
    const whole = await shownSpan(opened);
    for (const key of [
      '+',
      'ArrowRight',
      'ArrowLeft',
      'Shift+ArrowRight',
      'PageUp',
      '-',
      '0',
      'End',
      '+',
      'End',
      'Home',
    ]) {
      await page.keyboard.press(key);
    }
    expect(await shownSpan(opened)).toBe(whole);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    expect(await page.evaluate<string>('document.activeElement.tagName')).toBe('H3');
    const spoken = page.getByRole('status');
    expect(await spoken.textContent()).toContain('ring 3');
    const first = await spoken.textContent();
    await page.keyboard.press('Escape');
    expect(await page.evaluate<string>('document.activeElement.tagName')).toBe('CANVAS');
    await page.keyboard.press('n');
    expect(await spoken.textContent()).not.toBe(first);
    await page.keyboard.press('p');
    expect(await spoken.textContent()).toBe(first);
    expect(await title.textContent()).toMatch(/^(IO write|MMIO read)/);
    await page.keyboard.press('ArrowUp');
    expect(await spoken.textContent()).toContain('ring 0 (kernel, KVM)');
  });

  it('has the slices in view as a table', async () => {
    await using opened = await open(reportOf(30));
    const { page } = opened;
    await page.getByText('Slices in view as a table').click();
    const rows = page.locator('details tbody tr');
    await expect.poll(() => rows.count()).toBe(50);
    await page.getByRole('button', { name: 'Detail: IO write 0x3f8 (uart)' }).first().press('Enter');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('IO write 0x3f8 (uart)');
    for (let times = 0; times < 20; times++) await page.getByRole('button', { name: 'Zoom in' }).click();
    await expect.poll(() => rows.count()).toBeLessThan(5);
  });

  it('with 200,000 exits opens and moves without delay', async () => {
    await using opened = await open(reportOf(50_000, { cpus: 4 }));
    const frames = await opened.page.evaluate<number[]>(`new Promise((resolve) => {
      const canvas = document.querySelector('canvas');
      const times = [];
      let left = 30;
      const step = () => {
        const start = performance.now();
        canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: left > 15 ? -60 : 60, clientX: 400, cancelable: true }));
        requestAnimationFrame(() => requestAnimationFrame(() => {
          times.push(performance.now() - start);
          if (--left > 0) step();
          else resolve(times);
        }));
      };
      step();
    })`);
    const middle = frames.sort((a, b) => a - b)[15] ?? Number.POSITIVE_INFINITY;
    process.stderr.write(`two frames at 200,000 exits take ${middle.toFixed(1)} ms\n`);
    expect(middle).toBeLessThan(300); // a tenth of it on a machine that does nothing else
  });

  it('prints on white paper, whatever the screen', async () => {
    await using opened = await open(reportOf(40), { scheme: 'dark' });
    const pdf = await opened.page.pdf({ format: 'A4' });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    await opened.page.emulateMedia({ media: 'print' });
    expect(await opened.page.locator('.tools').isVisible()).toBe(false);
  });
});
