import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;
/** As deep below the project as tests/machine/, so that `../../../dist/` means the same to tsc and to Node. */
export const COMPILED = '.cache/tests-machine';

/** Vitest's global set-up of the cases: compiles them, once for all flavours. */
export function setup(): void {
  rmSync(join(ROOT, COMPILED), { recursive: true, force: true }); // else a case that is gone would still run
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', 'tests/machine'], { cwd: ROOT, stdio: 'inherit' });
}
