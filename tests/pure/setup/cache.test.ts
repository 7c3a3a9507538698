import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildOnce, cacheDirectory, exclusively, holdInUse } from '../../../src/setup/cache.js';

const SOURCE = path.resolve(import.meta.dirname, '../../../src');
/**
 * What another process does: `build NAME KEY [stuck]` builds an entry, noting each build in $LOG, or stays in the
 * middle of it; `hold DIRECTORY` uses one. It tells what it does line by line, and lives on until killed.
 */
const OTHER = `
import fs from 'node:fs';
import { buildOnce, holdInUse } from './setup/cache.js';
const [what, name, key, stuck] = process.argv.slice(2);
const stay = () => new Promise(() => setInterval(() => {}, 1e6));
if (what === 'hold') holdInUse(name);
else {
  const directory = await buildOnce(name, key, async (building) => {
    fs.appendFileSync(process.env.LOG, 'build ' + key + '\\n');
    fs.writeFileSync(building + '/content', key);
    console.log('building');
    if (stuck) await stay();
  });
  console.log('built ' + directory);
}
if (what === 'hold') console.log('holding');
await stay();
`;

let program: string;
let cache: string;
let log: string;
const children: ChildProcess[] = [];

/** The cache's own source as JavaScript: another process cannot use Vitest's transformation. */
beforeAll(() => {
  program = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-cache-program-'));
  fs.mkdirSync(path.join(program, 'setup'));
  fs.writeFileSync(path.join(program, 'package.json'), '{ "type": "module" }');
  for (const name of ['errors', 'setup/lock', 'setup/cache']) {
    const compilerOptions = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 };
    const { outputText } = ts.transpileModule(fs.readFileSync(path.join(SOURCE, `${name}.ts`), 'utf8'), {
      compilerOptions,
    });
    fs.writeFileSync(path.join(program, `${name}.js`), outputText);
  }
  fs.writeFileSync(path.join(program, 'other.js'), OTHER);
});

afterAll(() => fs.rmSync(program, { recursive: true }));

beforeEach(() => {
  cache = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-cache-'));
  log = path.join(cache, 'log');
  fs.writeFileSync(log, '');
  vi.stubEnv('VMLAUNCH_CACHE', cache);
});

afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  vi.unstubAllEnvs();
  fs.rmSync(cache, { recursive: true });
});

function other(...args: string[]): ChildProcess {
  const env = { ...process.env, VMLAUNCH_CACHE: cache, LOG: log };
  const child = spawn(process.execPath, [path.join(program, 'other.js'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return child;
}

/** Resolves with the output so far once it has the text. */
function says(child: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes(text)) resolve(output);
    });
    child.on('close', () => reject(new Error(`ended before it said ${text}: ${output}`)));
  });
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.on('close', resolve));
  child.kill('SIGKILL');
  await closed;
}

const builds = () => fs.readFileSync(log, 'utf8').trim().split('\n').filter(Boolean);
const entries = () => fs.readdirSync(cache).filter((name) => name !== 'log' && !name.startsWith('.lock-'));
const nothing = async () => {};

describe('cacheDirectory', () => {
  it.each([
    [{ VMLAUNCH_CACHE: '/own', XDG_CACHE_HOME: '/xdg', HOME: '/home/u' }, '/own'],
    [{ VMLAUNCH_CACHE: undefined, XDG_CACHE_HOME: '/xdg', HOME: '/home/u' }, '/xdg/vmlaunch'],
    [{ VMLAUNCH_CACHE: '', XDG_CACHE_HOME: 'relative', HOME: '/home/u' }, '/home/u/.cache/vmlaunch'],
    [{ VMLAUNCH_CACHE: undefined, XDG_CACHE_HOME: undefined, HOME: '/home/u' }, '/home/u/.cache/vmlaunch'],
  ])('%j', (env, expected) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect(cacheDirectory()).toBe(expected);
  });
});

describe('buildOnce', () => {
  it('builds what is missing, once, and never shows half of it', async () => {
    let count = 0;
    const build = async (building: string): Promise<void> => {
      count++;
      fs.writeFileSync(path.join(building, 'content'), 'whole');
      expect(fs.existsSync(path.join(cache, 'thing-k1'))).toBe(false);
    };
    const directory = await buildOnce('thing', 'k1', build);
    expect(directory).toBe(path.join(cache, 'thing-k1'));
    expect(fs.readFileSync(path.join(directory, 'content'), 'utf8')).toBe('whole');
    expect(fs.statSync(directory).mode & 0o777).toBe(0o755);
    expect(await buildOnce('thing', 'k1', build)).toBe(directory);
    expect(count).toBe(1);
  });

  it('leaves nothing of a build that fails, and can be asked again', async () => {
    const failure = new Error('no network');
    const failing = buildOnce('thing', 'k1', async (building) => {
      fs.writeFileSync(path.join(building, 'content'), 'half');
      throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect(entries()).toEqual([]);
    await buildOnce('thing', 'k1', nothing);
    expect(entries()).toEqual(['thing-k1']);
  });

  it('builds again when somebody emptied the cache', async () => {
    const directory = await buildOnce('thing', 'k1', nothing);
    fs.rmSync(directory, { recursive: true });
    expect(await buildOnce('thing', 'k1', nothing)).toBe(directory);
    expect(fs.existsSync(directory)).toBe(true);
  });

  it('says which cache cannot be written', async () => {
    vi.stubEnv('VMLAUNCH_CACHE', '/dev/null/cache');
    await expect(buildOnce('thing', 'k1', nothing)).rejects.toMatchObject({
      code: 'SETUP_FAILED',
      message: expect.stringContaining('/dev/null/cache'),
    });
  });

  it.each([
    ['../up', 'k'],
    ['thing', '../up'],
    ['thing', ''],
  ])('refuses the name %j with the key %j', async (name, key) => {
    await expect(buildOnce(name, key, nothing)).rejects.toMatchObject({ code: 'BUG' });
  });
});

describe('the cache among processes', () => {
  it('lets two at once build one thing once', async () => {
    const both = [other('build', 'thing', 'k1'), other('build', 'thing', 'k1')];
    const outputs = await Promise.all(both.map((child) => says(child, `built ${cache}/thing-k1`)));
    expect(outputs.filter((output) => output.includes('building'))).toHaveLength(1);
    expect(builds()).toEqual(['build k1']);
  });

  it('goes on after a builder was killed, without what it left', async () => {
    const killed = other('build', 'thing', 'k1', 'stuck');
    await says(killed, 'building');
    const waiting = other('build', 'thing', 'k1');
    expect(entries()).toEqual([expect.stringMatching(/^\.build-thing\./)]);
    const built = says(waiting, `built ${cache}/thing-k1`);
    await kill(killed);
    await built;
    expect(builds()).toEqual(['build k1', 'build k1']);
    expect(entries()).toEqual(['thing-k1']);
    expect(fs.readFileSync(`${cache}/thing-k1/content`, 'utf8')).toBe('k1');
  });

  it('keeps an older entry while a process uses it, and no longer', async () => {
    const builder = other('build', 'thing', 'k1');
    await says(builder, 'built');
    const user = other('hold', `${cache}/thing-k1`);
    await says(user, 'holding');
    await kill(builder);
    await buildOnce('thing', 'k2', nothing);
    expect(entries()).toEqual(['thing-k1', 'thing-k2']);
    await kill(user);
    await buildOnce('thing', 'k3', nothing);
    // This process still uses k2.
    expect(entries()).toEqual(['thing-k2', 'thing-k3']);
  });

  it('removes only entries of its own name', async () => {
    const builder = other('build', 'thing-two', 'k1');
    await says(builder, 'built');
    await kill(builder);
    fs.mkdirSync(path.join(cache, 'thing-of-somebody-else'));
    await buildOnce('thing', 'k2', nothing);
    expect(entries()).toEqual(['thing-k2', 'thing-of-somebody-else', 'thing-two-k1']);
  });

  it('lets one at a time into exclusively', async () => {
    let inside = 0;
    const enter = () =>
      exclusively('door', async () => {
        expect(++inside).toBe(1);
        await new Promise(setImmediate);
        inside--;
      });
    await Promise.all([enter(), enter(), enter()]);
  });
});

describe('holdInUse', () => {
  it('refuses what is not in the cache', () => {
    expect(() => holdInUse(path.join(cache, 'gone-k1'))).toThrow(/not in the cache/);
  });
});
