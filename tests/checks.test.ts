import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;
const MAX_LINES = 400;
const MAX_ADDON_LINES = 800;

interface Result {
  readonly status: number;
  readonly output: string;
}

/** Runs a program of node_modules/.bin; a failure is a result like any other. */
function tool(name: string, args: readonly string[], cwd = ROOT): Promise<Result> {
  return new Promise((resolve, reject) => {
    const options = { cwd, maxBuffer: 64 << 20 };
    execFile(join(ROOT, 'node_modules/.bin', name), args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ status: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

const clean = (result: Result) => expect(result.status, result.output).toBe(0);

/** The files below a directory, by their paths from the root. */
function filesBelow(directory: string): string[] {
  const entries = readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length));
}

const linesOf = (file: string) => readFileSync(join(ROOT, file), 'utf8').split('\n').length - 1;

describe('[checks] the source', () => {
  it('is formatted and without lint', async () => clean(await tool('biome', ['check', '--max-diagnostics=50', '.'])));

  it('type-checks', async () => clean(await tool('tsc', ['--noEmit', '--incremental', 'false'])));

  it('of the pages type-checks', async () => clean(await tool('tsc', ['-p', 'src/trace/html/page'])));

  it('of the tests type-checks', async () => clean(await tool('tsc', ['-p', 'tests'])));

  it('imports downwards only', async () => clean(await tool('depcruise', ['src', '--output-type', 'err'])));

  it(`has no file over ${MAX_LINES} lines`, () => {
    const files = ['src', 'native', 'tests', 'guest-images'].flatMap(filesBelow);
    expect(files.length).toBeGreaterThan(20);
    expect(files.map((file) => ({ file, lines: linesOf(file) })).filter(({ lines }) => lines > MAX_LINES)).toEqual([]);
  });

  it(`keeps the addon within ${MAX_ADDON_LINES} lines`, () => {
    const files = filesBelow('native').filter((file) => /\.(cc|h)$/.test(file));
    expect(files).toContain('native/addon.cc');
    expect(files.map(linesOf).reduce((sum, lines) => sum + lines, 0)).toBeLessThanOrEqual(MAX_ADDON_LINES);
  });

  it('re-exports from src/index.ts alone', () => {
    const sources = filesBelow('src').filter((file) => file.endsWith('.ts') && file !== 'src/index.ts');
    const reExports = /^export (type )?(\*|\{[^}]*\}).* from '/m;
    expect(sources.filter((file) => reExports.test(readFileSync(join(ROOT, file), 'utf8')))).toEqual([]);
  });
});

/** What each rule of .dependency-cruiser.mjs must refuse: an import in a file, by a path from the fixture's root. */
const VIOLATIONS: Record<string, readonly [from: string, imports: string]> = {
  'kvm-imports-down': ['src/kvm/bad.ts', '../memory/good.js'],
  'memory-imports-down': ['src/memory/bad.ts', '../devices/good.js'],
  'devices-imports-down': ['src/devices/bad.ts', '../memory/good.js'],
  'boot-imports-down': ['src/boot/bad.ts', '../machine/good.js'],
  'machine-imports-down': ['src/machine/bad.ts', '../trace/good.js'],
  'setup-imports-down': ['src/setup/bad.ts', '../machine/good.js'],
  'trace-imports-down': ['src/trace/bad.ts', '../host/good.js'],
  'bench-imports-down': ['src/bench/bad.ts', '../setup/good.js'],
  'host-imports-down': ['src/host/bad.ts', '../cli/good.js'],
  'errors-imports-nothing': ['src/errors.ts', './memory/good.js'],
  'cli-is-the-top': ['src/index.ts', './cli/good.js'],
  'index-is-the-face': ['src/machine/face.ts', '../index.js'],
  'devices-are-pure': ['src/devices/impure.ts', 'node:fs'],
  'one-door-to-the-addon': ['src/machine/door.ts', 'bindings'],
  'bootstrap-is-dependency-free': ['src/bootstrap.mjs', 'bindings'],
  'no-development-packages': ['src/machine/development.ts', 'vitest'],
  'no-circles': ['src/memory/circle.ts', './circle.js'],
  resolvable: ['src/machine/lost.ts', './nowhere.js'],
};

/** What must be allowed, or the rules would refuse everything. */
const ALLOWED: readonly (readonly [from: string, imports: string])[] = [
  ['src/devices/fine.ts', '../memory/struct.js'],
  ['src/machine/fine.ts', '../devices/good.js'],
  ['src/host/fine.ts', '../setup/good.js'],
  ['src/kvm/native.ts', 'bindings'],
  ['src/cli/fine.ts', '../index.js'],
];

interface Cruise {
  readonly summary: { readonly violations: readonly { from: string; rule: { name: string } }[] };
}

describe('[checks] the rules for imports', () => {
  const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-layers-'));
  let violations: Cruise['summary']['violations'] = [];

  beforeAll(async () => {
    const write = (file: string, text: string) => {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      writeFileSync(join(directory, file), text);
    };
    for (const layer of ['kvm', 'memory', 'devices', 'boot', 'machine', 'setup', 'trace', 'bench', 'host', 'cli']) {
      write(`src/${layer}/good.ts`, 'export const good = 1;\n');
    }
    write('src/memory/struct.ts', 'export const good = 1;\n');
    write('tsconfig.json', readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'));
    write(
      'package.json',
      '{ "type": "module", "dependencies": { "bindings": "*" }, "devDependencies": { "vitest": "*" } }',
    );
    for (const name of ['bindings', 'vitest']) {
      write(`node_modules/${name}/package.json`, `{ "name": "${name}", "main": "index.js" }`);
      write(`node_modules/${name}/index.js`, '');
    }
    for (const [from, imports] of [...Object.values(VIOLATIONS), ...ALLOWED]) write(from, `import '${imports}';\n`);
    const config = join(ROOT, '.dependency-cruiser.mjs');
    const result = await tool('depcruise', ['src', '--config', config, '--output-type', 'json'], directory);
    violations = (JSON.parse(result.output) as Cruise).summary.violations;
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  it('are each proved here', async () => {
    const path = join(ROOT, '.dependency-cruiser.mjs');
    const config = (await import(path)) as { default: { forbidden: readonly { name: string }[] } };
    expect(Object.keys(VIOLATIONS).sort()).toEqual(config.default.forbidden.map(({ name }) => name).sort());
  });

  it.each(Object.entries(VIOLATIONS))('refuse by %s', (name, [from]) => {
    expect(violations).toContainEqual(expect.objectContaining({ from, rule: expect.objectContaining({ name }) }));
  });

  it.each(ALLOWED)('allow %s to import %s', (from) => {
    expect(violations.filter((violation) => violation.from === from)).toEqual([]);
  });
});
