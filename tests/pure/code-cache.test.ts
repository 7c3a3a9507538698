import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';

const BUILT = fileURLToPath(new URL('../../dist/', import.meta.url));
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-code-cache-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

const inDirectory = (name: string): string => path.join(directory, name);
/** In a process of its own: what is tried changes how all of a process loads CommonJS. */
const node = (script: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', cwd: directory });
const CODE_CACHE = JSON.stringify(pathToFileURL(path.join(BUILT, 'code-cache.js')).href);
const FROM = JSON.stringify(pathToFileURL(inDirectory('here.js')).href);

const bundlesIn = (where: string): string[] =>
  fs
    .readdirSync(where)
    .filter((name) => name.endsWith('.cjs'))
    .map((name) => path.join(where, name));
const hasCache = (bundle: string): boolean => fs.existsSync(`${bundle}.cache`);
const writeCaches = (): string =>
  node(`
    import { writeCodeCache } from ${CODE_CACHE};
    ${JSON.stringify(bundlesIn(directory))}.forEach(writeCodeCache);`);
const load = (): string => node(`import { requireBundle } from ${CODE_CACHE}; requireBundle('./first.cjs', ${FROM});`);
/** Which of a directory's bundles have a cache that this Node refuses. */
const refused = (where: string): string =>
  node(`
    import fs from 'node:fs'; import Module from 'node:module'; import { Script } from 'node:vm';
    for (const file of ${JSON.stringify(bundlesIn(where).filter(hasCache))}) {
      const source = Module.wrap(fs.readFileSync(file, 'utf8').replace(/^#!.*/, ''));
      if (new Script(source, { cachedData: fs.readFileSync(file + '.cache') }).cachedDataRejected) console.log(file);
    }`);

const FIRST = `#!/usr/bin/env node
const { twice } = require('./second.cjs');
console.log(twice(21), __filename === ${JSON.stringify(inDirectory('first.cjs'))}, typeof require.resolve);
`;
const SECOND = 'exports.twice = (n) => 2 * n;\n';
const LOADED = '42 true function\n';

beforeEach(() => {
  fs.writeFileSync(inDirectory('first.cjs'), FIRST);
  fs.writeFileSync(inDirectory('second.cjs'), SECOND);
  for (const name of ['first', 'second']) fs.rmSync(inDirectory(`${name}.cjs.cache`), { force: true });
});

describe('code caches of bundles', () => {
  test('of this build: there for each bundle, and this Node takes them', () => {
    const built = path.join(BUILT, 'bundle');
    // Node itself loads these.
    const loaders = ['vcpu-thread.cjs', 'vmlaunch.cjs'].map((name) => path.join(built, name));
    expect(bundlesIn(built).filter((bundle) => !hasCache(bundle))).toEqual(loaders);
    expect(refused(built)).toBe('');
  });

  test('no bundle of this build holds an import(), which Node cannot do in what came from a cache', () => {
    const bundles = bundlesIn(path.join(BUILT, 'bundle'));
    const lines = bundles.flatMap((bundle) => fs.readFileSync(bundle, 'utf8').split('\n'));
    const isCode = (line: string): boolean => !/^\s*(\*|\/\/|\/\*)/.test(line);
    expect(lines.filter((line) => isCode(line) && /(^|[^.\w@])import\(/.test(line))).toEqual([]);
  });

  test('a bundle loads with its cache and without', () => {
    expect(load()).toBe(LOADED);
    writeCaches();
    expect(bundlesIn(directory).every(hasCache)).toBe(true);
    expect(refused(directory)).toBe('');
    expect(load()).toBe(LOADED);
  });

  test('it is the cache that runs, the functions in it too', () => {
    writeCaches();
    // As long as before, so V8 takes the cache, which still doubles.
    fs.writeFileSync(inDirectory('second.cjs'), SECOND.replace('2 *', '3 *'));
    expect(load()).toBe(LOADED);
  });

  test.each([
    ['of another source', (file: string) => fs.copyFileSync(inDirectory('second.cjs.cache'), file)],
    ['that is no cache', (file: string) => fs.writeFileSync(file, 'rubbish')],
    ['cut short', (file: string) => fs.truncateSync(file, 100)],
    ['that is empty', (file: string) => fs.truncateSync(file, 0)],
    ['of another V8', (file: string) => corrupt(file, 4)],
  ])('a cache %s only takes longer', (_what, spoil) => {
    writeCaches();
    spoil(inDirectory('first.cjs.cache'));
    expect(refused(directory)).toContain('first.cjs');
    expect(load()).toBe(LOADED);
  });
});

/** The second word of a cache is a hash of V8's version. */
function corrupt(file: string, at: number): void {
  const bytes = fs.readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
  fs.writeFileSync(file, bytes);
}
