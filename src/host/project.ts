import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { VmError } from '../errors.js';
import type { HostFile } from './file.js';

/** This package's root, whether this runs from dist/ or from src/. */
export const projectRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Where the project is inside a host. runner.c starts the agent from there. */
const INSIDE = '/vmlaunch';

/** Without these a host is of no use. */
const REQUIRED = ['package.json', 'dist/cli/agent.js', 'build/Release/vmlaunch.node'];
const OPTIONAL = ['build/Release/bench-exit'];
const DIRECTORIES = ['dist', 'build/guest-images'];

/** What runs, and not what it was made from or what describes it. */
const IS_NEEDED = /\.(js|cjs|cache|mjs|json|wasm|node|img|bin|elf)$|\/[^./]+$/;
/** Other builds of v86 than the one that is used: 15 MB. */
const IS_SPARE = /\/(libv86(-debug)?\.js|libv86-debug\.mjs|v86-(debug|fallback)\.wasm)$/;

interface Found {
  readonly path: string;
  readonly source: string;
}

/** The built project and the packages that it needs at run time, as files for a host: always in the same order. */
export function projectFiles(): HostFile[] {
  return [...ownFiles(), ...dependencyFiles()].map(({ path: inside, source }) => ({
    path: `${INSIDE}/${inside}`,
    source,
    mode: fs.statSync(source).mode & 0o100 ? 0o755 : 0o644,
  }));
}

/**
 * Names the contents of `projectFiles`. Reads them all: some ten milliseconds. Code caches are left out: they follow from
 * the rest, and no two are the same to the byte.
 */
export function projectKey(): string {
  const hash = createHash('sha256');
  for (const file of projectFiles()) {
    if (!('source' in file) || file.source.endsWith('.cache')) continue;
    const bytes = fs.readFileSync(file.source);
    hash.update(`${file.path} ${file.mode} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Changes when the project's files may have changed, by their sizes and times: quick. */
export function projectStamp(): string {
  const packages = dependencies().map(({ directory }) => path.join(directory, 'package.json'));
  return [...ownFiles().map(({ source }) => source), ...packages].map(fileStamp).join('\n');
}

/** Size and time of a file that may be missing. */
export function fileStamp(file: string): string {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return `${file} ${stat === undefined ? 'missing' : `${stat.size} ${stat.mtimeMs}`}`;
}

function ownFiles(): Found[] {
  const missing = REQUIRED.find((name) => !fs.existsSync(path.join(projectRoot, name)));
  if (missing !== undefined) {
    throw new VmError('SETUP_FAILED', `${missing} is missing: the project is not built`, {
      hint: 'Type: npm run build',
    });
  }
  const optional = OPTIONAL.filter((name) => fs.existsSync(path.join(projectRoot, name)));
  const listed = DIRECTORIES.flatMap((name) => filesBelow(projectRoot, name));
  const names = new Set([...REQUIRED, ...optional, ...listed]);
  return [...names].sort().map((name) => ({ path: name, source: path.join(projectRoot, name) }));
}

function dependencyFiles(): Found[] {
  return dependencies().flatMap(({ inside, directory }) =>
    filesBelow(directory, '.')
      .sort()
      .map((name) => ({ path: path.join(inside, name), source: path.join(directory, name) })),
  );
}

/** Paths below `root` of the needed files in one of its directories, its nested packages left out. */
function filesBelow(root: string, directory: string): string[] {
  const place = path.join(root, directory);
  if (!fs.existsSync(place)) return [];
  return fs.readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(root, name);
    return IS_NEEDED.test(`/${name}`) && !IS_SPARE.test(`/${name}`) && !entry.name.startsWith('.') ? [name] : [];
  });
}

interface Dependency {
  /** Where it goes, relative to the project. */
  readonly inside: string;
  readonly directory: string;
}

/** The packages that this one needs at run time, found as Node finds them, wherever npm has put them. */
function dependencies(): Dependency[] {
  const found = new Map<string, Dependency>();
  const visit = (from: string, insideFrom: string): void => {
    for (const name of dependencyNames(from)) {
      const directory = packageDirectory(from, name);
      if (directory === undefined) continue; // npm leaves out an optional package that does not fit
      const shared = `node_modules/${name}`;
      const known = found.get(shared);
      const inside = known === undefined || known.directory === directory ? shared : path.join(insideFrom, shared);
      if (found.has(inside)) continue;
      found.set(inside, { inside, directory });
      visit(directory, inside);
    }
  };
  visit(projectRoot, '');
  return [...found.values()].sort((a, b) => (a.inside < b.inside ? -1 : 1));
}

function dependencyNames(directory: string): string[] {
  const { dependencies = {} } = JSON.parse(fs.readFileSync(path.join(directory, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  return Object.keys(dependencies).sort();
}

function packageDirectory(from: string, name: string): string | undefined {
  for (let at = from; ; at = path.dirname(at)) {
    const directory = path.join(at, 'node_modules', name);
    if (fs.existsSync(path.join(directory, 'package.json'))) return fs.realpathSync(directory);
    if (at === path.dirname(at)) return undefined;
  }
}
