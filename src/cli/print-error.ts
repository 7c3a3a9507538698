import type { VmError } from '../errors.js';

/** One line for an error, with what to do next. */
export function printError(error: VmError): void {
  const hint = error.hint === '' ? '' : ` ${error.hint}`;
  process.stderr.write(`vmlaunch: ${error.message}.${hint}\n`.replace(/([.!?])\.(?=\s)/, '$1'));
}
