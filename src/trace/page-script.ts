import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { messageOf, VmError } from '../errors.js';

/**
 * The script of an HTML page as the build bundles it: in dist/, from wherever this runs.
 * @throws VmError SETUP_FAILED where it is not built
 */
export function pageScript(name: string): string {
  const file = fileURLToPath(new URL(`../../dist/trace/html/${name}.bundle.js`, import.meta.url));
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new VmError('SETUP_FAILED', `${file} cannot be read: ${messageOf(error)}`, { hint: 'Type: npm run build' });
  }
}
