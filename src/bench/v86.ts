import fs from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** Compiled, also where this is not. */
const GUEST = fileURLToPath(new URL('../../dist/bench/v86-guest.js', import.meta.url));

/** Of the npm package. @throws Error where it is not installed */
export function v86Version(): string {
  const file = createRequire(import.meta.url).resolve('v86/package.json');
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string }).version;
}

/**
 * Runs the benchmark's image, bench.img, in v86. Without V8's optimizing compiler for WebAssembly: v86 makes such code as it
 * goes, and that compiler needs seconds to make it a tenth faster.
 */
export const v86Command = (image: string, commandLine: string): [string, ...string[]] => [
  process.execPath,
  '--liftoff-only',
  GUEST,
  image,
  commandLine,
];
