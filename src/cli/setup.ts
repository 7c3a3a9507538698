import { VmError } from '../errors.js';
import type { HostKind } from '../host/kind.js';
import { prepareHost } from '../host/prepare.js';

const KINDS: readonly HostKind[] = ['svm', 'vtx'];

/** `vmlaunch setup`: prepares software hosts. @throws VmError OPTION_INVALID, SETUP_FAILED */
export async function setup(names: readonly string[]): Promise<number> {
  const known: readonly string[] = KINDS;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new VmError('OPTION_INVALID', `there is no host "${unknown}"`, { hint: `Known: ${KINDS.join(', ')}.` });
  }
  for (const kind of KINDS) {
    if (names.length > 0 && !names.includes(kind)) continue;
    await prepareHost(kind, (line) => process.stderr.write(`vmlaunch: ${line}\n`));
    process.stderr.write(`vmlaunch: host ${kind} is ready\n`);
  }
  return 0;
}
