import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { ensurePackages } from '../../src/setup/packages.js';

/** Where pictures go, for who wants to see what a test saw. */
const PICTURES = new URL('../../.cache/screenshots/', import.meta.url).pathname;

const CHROMIUM = '/usr/lib/chromium/chromium';
/** The same without windows: smaller. */
const SHELL = '/usr/lib/chromium/chromium-headless-shell';

/**
 * Debian's Chromium, made usable first. Where the whole of it is installed it serves: a shell unpacked in the cache
 * would lack the parts that it shares with what is installed.
 */
export async function launchBrowser(): Promise<Browser> {
  if (existsSync(CHROMIUM)) return launch(CHROMIUM, {});
  const packages = await ensurePackages(['chromium-headless-shell'], (line) => process.stderr.write(`${line}\n`));
  return launch(packages.path(SHELL), packages.environment);
}

function launch(executablePath: string, environment: Readonly<Record<string, string>>): Promise<Browser> {
  const env = Object.entries({ ...process.env, ...environment }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  // Root has no sandbox, and the page is ours.
  return chromium.launch({ executablePath, env: Object.fromEntries(env), args: ['--no-sandbox'] });
}

export interface PageOptions {
  readonly width?: number;
  readonly scheme?: 'light' | 'dark';
  /** A phone: fingers, and two dots a pixel. */
  readonly isTouch?: boolean;
}

/** Those that a page must fit: of a desk and of a phone, in both colour schemes. */
export const WINDOWS = [
  { scheme: 'light', width: 1280 },
  { scheme: 'dark', width: 1280 },
  { scheme: 'light', width: 390, isTouch: true },
  { scheme: 'dark', width: 390, isTouch: true },
] as const satisfies readonly PageOptions[];

/** An HTML file opened as a user opens it, with no network; what it asks for and complains about is kept. */
export class OpenPage implements AsyncDisposable {
  readonly requests: string[] = [];
  readonly complaints: string[] = [];
  readonly page: Page;
  readonly #context: BrowserContext;
  readonly #directory: string;

  private constructor(context: BrowserContext, page: Page, directory: string) {
    this.#context = context;
    this.page = page;
    this.#directory = directory;
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('console', (message) => this.complaints.push(message.text()));
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('dialog', (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  static async open(
    browser: Browser,
    html: string,
    { width = 1280, scheme = 'light', isTouch = false }: PageOptions = {},
  ) {
    const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-page-'));
    const file = join(directory, 'page.html');
    writeFileSync(file, html);
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      colorScheme: scheme,
      offline: true,
      hasTouch: isTouch,
      deviceScaleFactor: isTouch ? 2 : 1,
    });
    const opened = new OpenPage(context, await context.newPage(), directory);
    await opened.page.goto(`file://${file}`);
    await opened.page.waitForSelector('html[data-ready]');
    await expect.poll(() => opened.page.evaluate<boolean>(IS_PAINTED), { timeout: 20_000 }).toBe(true);
    return opened;
  }

  /** By how many pixels the page is wider than the window. */
  async overflow(): Promise<number> {
    return this.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
  }

  async picture(name: string): Promise<Buffer> {
    mkdirSync(PICTURES, { recursive: true });
    return this.page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
  }

  /** Where the canvas has a colour of the theme: the first such dot from above, in the window's pixels. */
  async dotOf(colour: string): Promise<{ x: number; y: number } | undefined> {
    return (
      (await this.page.evaluate<{ x: number; y: number } | null>(`(${FIND_DOT})(${JSON.stringify(colour)})`)) ??
      undefined
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
    rmSync(this.#directory, { recursive: true });
  }
}

/** What follows runs in the page, whose types these tests do not have. The page's own canvas is left as it is. */
const COPY = `
  const canvas = document.querySelector('canvas');
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
`;

/** A page without a canvas is painted as soon as it is there. */
const IS_PAINTED = `(() => {
  if (document.querySelector('canvas') === null) return true;
  ${COPY}
  return data.some((part) => part > 0);
})()`;

/** It skips the dots at a slice's edge. */
const FIND_DOT = `(name) => {
  ${COPY}
  copy.fillStyle = getComputedStyle(canvas).getPropertyValue(name).trim();
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(copy.fillStyle.slice(at, at + 2), 16));
  const is = (at) => data[at] === red && data[at + 1] === green && data[at + 2] === blue;
  for (let at = 0; at + 32 < data.length; at += 4) {
    if (!is(at) || !is(at + 16) || !is(at + 16 + width * 12)) continue;
    const { left, top } = canvas.getBoundingClientRect();
    return { x: left + ((at / 4 % width) + 2) / devicePixelRatio, y: top + (Math.floor(at / 4 / width) + 2) / devicePixelRatio };
  }
  return null;
}`;
