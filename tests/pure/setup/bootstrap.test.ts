import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  filesBelow,
  fingerprint,
  installedMatches,
  lockStamp,
  nodeGypCall,
  nodeIsRecentEnough,
  parseArguments,
  planForTools,
  Stop,
} from '../../../src/bootstrap.mjs';

const ROOT = path.resolve(import.meta.dirname, '../../..');

describe('arguments', () => {
  it('are the command’s, but for those of bootstrap itself', () => {
    expect(parseArguments(['start', '--host', 'vtx', '--no-install'])).toEqual({
      command: 'start',
      args: ['--host', 'vtx'],
      noInstall: true,
      long: false,
    });
    expect(parseArguments(['test', '--long', 'tests/pure'])).toEqual({
      command: 'test',
      args: ['tests/pure'],
      noInstall: false,
      long: true,
    });
    expect(parseArguments(['start', '--long']).args).toEqual(['--long']);
  });

  it.each([[[]], [['run']], [['--help']]])('%j is refused with the usage', (argv) => {
    expect(() => parseArguments(argv)).toThrow(/^usage: /);
  });

  it('that are wrong end with one line and status 4', () => {
    const { status, stderr } = spawnSync(process.execPath, [path.join(ROOT, 'src/bootstrap.mjs'), 'nonsense'], {
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^vmlaunch: usage: .*\n$/);
    expect(status).toBe(4);
  });
});

describe('Node', () => {
  it.each([
    ['20.19.0', true],
    ['20.20.2', true],
    ['22.0.0', true],
    ['24.1.0', true],
    ['20.18.3', false],
    ['18.20.4', false],
  ])('%s: %s', (version, expected) => {
    expect(nodeIsRecentEnough(version)).toBe(expected);
  });

  it('is asked for as package.json says', () => {
    const { engines } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
    const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node) ?? [];
    expect(nodeIsRecentEnough(`${major}.${minor}.0`)).toBe(true);
    expect(nodeIsRecentEnough(`${major}.${Number(minor) - 1}.0`)).toBe(false);
  });
});

describe('node_modules', () => {
  const wanted = {
    packages: {
      '': { version: '0.1.0' },
      'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
      'node_modules/for-macs': { version: '2.0.0', integrity: 'sha512-m', optional: true },
    },
  };
  const a = { version: '1.0.0', integrity: 'sha512-a' };

  it('is as the lock file asks, without what is for other systems', () => {
    expect(installedMatches(wanted, { packages: { 'node_modules/a': a } })).toBe(true);
  });

  it.each([
    ['lacks a package', {}],
    ['has another version', { 'node_modules/a': { ...a, version: '1.0.1' } }],
    ['has other contents', { 'node_modules/a': { ...a, integrity: 'sha512-b' } }],
    ['has one too many', { 'node_modules/a': a, 'node_modules/z': a }],
    ['has an optional one of another version', { 'node_modules/a': a, 'node_modules/for-macs': a }],
  ])('is not when it %s', (_what, packages) => {
    expect(installedMatches(wanted, { packages })).toBe(false);
  });

  it('is stamped by the lock file', () => {
    expect(lockStamp('one')).toBe(lockStamp('one'));
    expect(lockStamp('one')).not.toBe(lockStamp('two'));
  });
});

describe('build tools', () => {
  const rootOnDebian = { missing: ['g++', 'make'], debian: true, root: true, noInstall: false };
  const stopOf = (situation: Parameters<typeof planForTools>[0]): Stop => {
    const plan = planForTools(situation);
    if (plan === undefined || !('stop' in plan)) throw new Error('expected a stop');
    return plan.stop;
  };

  it('are installed by root on Debian', () => {
    expect(planForTools(rootOnDebian)).toEqual({ install: ['g++', 'make'] });
  });

  it('are nobody’s concern when all are there', () => {
    expect(planForTools({ ...rootOnDebian, missing: [], root: false })).toBeUndefined();
  });

  it('are named to an ordinary user with one command', () => {
    const stop = stopOf({ ...rootOnDebian, root: false });
    expect(stop).toBeInstanceOf(Stop);
    expect(stop.message).toBe('the build needs g++, make');
    expect(stop.hint).toBe('Type: sudo apt-get update && sudo apt-get install -y --no-install-recommends g++ make');
  });

  it('are left alone with --no-install', () => {
    expect(stopOf({ ...rootOnDebian, noInstall: true }).hint).toMatch(/^Type: apt-get update && apt-get install /);
  });

  it('are named where there is no apt', () => {
    expect(stopOf({ ...rootOnDebian, debian: false }).hint).toMatch(/g\+\+ make.*distribution/);
  });
});

describe('node-gyp', () => {
  const env = { PATH: '/bin', npm_config_nodedir: '/elsewhere', NPM_CONFIG_NODEDIR: '/x', npm_config_cache: '/c' };

  it('takes the headers beside Node, whatever npm says', () => {
    expect(nodeGypCall(env, '/usr')).toEqual({
      args: ['rebuild', '--nodedir=/usr'],
      env: { PATH: '/bin', npm_config_cache: '/c' },
    });
  });

  it('follows npm’s setting where Node has no headers beside it', () => {
    expect(nodeGypCall(env, undefined)).toEqual({ args: ['rebuild'], env });
  });
});

describe('fingerprint', () => {
  let directory: string;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-fingerprint-'));
    fs.mkdirSync(path.join(directory, 'sub'));
    fs.writeFileSync(path.join(directory, 'sub/b.ts'), 'b');
    fs.writeFileSync(path.join(directory, 'a.ts'), 'a');
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  const now = () => fingerprint(filesBelow(directory));

  it('lists files in a fixed order, and none of a directory that is not there', () => {
    expect(filesBelow(directory)).toEqual([path.join(directory, 'a.ts'), path.join(directory, 'sub/b.ts')]);
    expect(filesBelow(path.join(directory, 'none'))).toEqual([]);
  });

  it.each<[string, (at: string) => void]>([
    ['a longer file', (at) => fs.appendFileSync(path.join(at, 'a.ts'), 'more')],
    ['an older file', (at) => fs.utimesSync(path.join(at, 'a.ts'), 1, 1)],
    ['a new file', (at) => fs.writeFileSync(path.join(at, 'c.ts'), '')],
    ['a removed file', (at) => fs.rmSync(path.join(at, 'a.ts'))],
    ['a renamed file', (at) => fs.renameSync(path.join(at, 'a.ts'), path.join(at, 'd.ts'))],
  ])('sees %s', (_what, change) => {
    const before = now();
    expect(now()).toBe(before);
    change(directory);
    expect(now()).not.toBe(before);
  });
});
