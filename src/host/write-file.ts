import fs from 'node:fs';
import { messageOf, VmError } from '../errors.js';

/** Writes a file that was asked for. @throws VmError FILE_UNREADABLE */
export function writeFile(file: string, content: string | Uint8Array): void {
  try {
    fs.writeFileSync(file, content);
  } catch (error) {
    throw new VmError('FILE_UNREADABLE', `${file} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}
