import fs from 'node:fs';
import path from 'node:path';
import { run } from '../setup/command.js';
import type { Packages } from '../setup/packages.js';
import type { HostFile } from './file.js';

/** Where a host's loader looks for libraries; those that Node needs are in /lib. */
const LIBRARIES = '/usr/lib/x86_64-linux-gnu';

/**
 * Files of Debian packages for a host, at the paths where Debian has them, with the shared libraries that they need.
 * @param places files, or directories for all files in them
 * @throws VmError SETUP_FAILED
 */
export async function programFiles(packages: Packages, places: readonly string[]): Promise<HostFile[]> {
  const files = new Map<string, string>();
  for (const place of places.flatMap((place) => filesAt(packages, place))) {
    const source = packages.path(place);
    files.set(place, source);
    if (!isDynamic(source)) continue;
    for (const library of await sharedLibraries(source, packages.environment)) {
      if (!isLoader(library)) files.set(path.join(LIBRARIES, path.basename(library)), library);
    }
  }
  return [...files].map(([inside, source]) => ({ path: inside, source, mode: 0o755 }));
}

/** Paths of the libraries and of the loader that a program or library needs, as ldd(1) lists them. */
export async function sharedLibraries(program: string, env: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const lines = await run('ldd', [program], { env });
  return [...new Set([...lines.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? ''))];
}

function filesAt(packages: Packages, place: string): string[] {
  const source = packages.path(place);
  if (!fs.statSync(source, { throwIfNoEntry: false })?.isDirectory()) return [place];
  return fs.readdirSync(source).map((name) => path.join(place, name));
}

const isLoader = (library: string): boolean => path.basename(library).startsWith('ld-linux');

const ELF = Buffer.from('\x7fELF', 'latin1');
/** e_type of programs that are loaded anywhere, and of libraries (System V ABI, "ELF Header"). */
const ET_DYN = 3;

function isDynamic(file: string): boolean {
  const head = Buffer.alloc(18);
  const fd = fs.openSync(file, 'r');
  try {
    return fs.readSync(fd, head) === head.length && head.subarray(0, 4).equals(ELF) && head.readUInt16LE(16) === ET_DYN;
  } finally {
    fs.closeSync(fd);
  }
}
