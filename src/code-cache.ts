/**
 * What V8 makes of the bundles (`dist/bundle/*.cjs`), kept beside them when they are built: a process or a thread that
 * starts has next to nothing to compile then. That is a quarter of the time until a machine runs.
 */
import fs from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import v8 from 'node:v8';
import { Script } from 'node:vm';

const ENDING = '.cache';

/**
 * Compiles a CommonJS file with every function in it, and writes the outcome beside it. V8 takes a cache for another
 * source's only where the length differs: whoever changes the file removes its cache first.
 */
export function writeCodeCache(file: string): void {
  // Else V8 compiles a function when it is first called. A cache tells under which flags it was written, so they are
  // what they were by then.
  v8.setFlagsFromString('--no-lazy');
  let script: Script;
  try {
    script = compile(file);
  } finally {
    v8.setFlagsFromString('--lazy');
  }
  fs.writeFileSync(file + ENDING, script.createCachedData());
}

/**
 * Loads a bundle, and the bundles that it loads, with their caches. One that is missing, or that another version of V8
 * wrote, only takes longer.
 * A bundle holds no `import()`: Node cannot do it in what came from a cache. Those of the sources are `require` by then.
 * @param from the URL of the caller's module
 */
export function requireBundle(name: string, from: string): void {
  const require = createRequire(from);
  const { extensions } = require;
  const byNode = extensions['.js'];
  extensions['.cjs'] = (module, file) => {
    const cache = bytesOf(file + ENDING);
    if (cache === undefined) return byNode(module, file);
    const { exports } = module;
    const body = compile(file, cache).runInThisContext() as (...names: readonly unknown[]) => void;
    body.call(exports, exports, createRequire(file), module, file, path.dirname(file));
  };
  require(name);
}

function compile(filename: string, cachedData?: Buffer): Script {
  const source = fs.readFileSync(filename, 'utf8').replace(/^#!.*/, '');
  return new Script(Module.wrap(source), { filename, cachedData });
}

function bytesOf(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}
