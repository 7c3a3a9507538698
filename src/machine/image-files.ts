/** Images and initrds as files: loaders see bytes alone. */
import fs from 'node:fs';
import path from 'node:path';
import type { BootModule } from '../boot/modules.js';
import { messageOf, VmError } from '../errors.js';
import { MIB } from '../memory/map.js';
import type { MachineOptions, ModuleOptions } from './options.js';

/**
 * The bytes of an image or initrd.
 * @throws VmError FILE_UNREADABLE
 */
export function fileBytes(file: string | Uint8Array, what: string): Uint8Array {
  if (typeof file !== 'string') return file;
  try {
    return fs.readFileSync(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why: Readonly<Record<string, string>> = {
      ENOENT: 'does not exist',
      EISDIR: 'is a directory',
      EACCES: 'may not be read by this user (EACCES)',
    };
    const fault = why[code] ?? `cannot be read: ${onOneLine(messageOf(error))}`;
    throw new VmError('FILE_UNREADABLE', `the ${what} ${onOneLine(file)} ${fault}`, {
      hint: `Name a readable file as the ${what}.`,
      cause: error,
    });
  }
}

/** A module as the loaders want it. @throws VmError FILE_UNREADABLE */
export function readModule({ file, name, commandLine = '' }: ModuleOptions): BootModule {
  const ownName = typeof file === 'string' ? path.basename(file) : 'module';
  return { bytes: fileBytes(file, 'module'), name: name ?? ownName, commandLine };
}

/** Larger than a floppy disk's image, with gzip around one that does not shrink. */
const FLOPPY_FILE_BYTES = 3 * MIB;

/** Whether a file may be a floppy image by its size: a kernel need not be read twice, nor a pipe, which cannot be. */
export function mayHoldFloppy(file: string): boolean {
  try {
    const stat = fs.statSync(file);
    return stat.isFile() && stat.size <= FLOPPY_FILE_BYTES;
  } catch {
    return false; // whoever reads it says why it cannot be read
  }
}

/**
 * Plans by `plan`, and adds the name of the file to what it refuses.
 * @throws VmError whatever `plan` throws
 */
export function namingFiles<T>(files: Pick<MachineOptions, 'image' | 'initrd'>, plan: () => T): T {
  try {
    return plan();
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    throw new VmError(error.code, withName(error, files), { hint: error.hint, cause: error });
  }
}

function withName({ code, message }: VmError, { image, initrd }: Pick<MachineOptions, 'image' | 'initrd'>): string {
  const [, subject, rest] = /^(the initrd|module \d+|(?:the|this) image)\b(.*)$/s.exec(message) ?? [];
  if (subject?.startsWith('module')) return message;
  const file = subject === 'the initrd' ? initrd : image;
  if (typeof file !== 'string') return message;
  if (subject !== undefined) return `the ${subject.slice(subject.indexOf(' ') + 1)} ${onOneLine(file)}${rest}`;
  return code.startsWith('IMAGE_') ? `${onOneLine(file)}: ${message}` : message;
}

/** A file's name may hold line ends, and what moves a terminal's cursor. */
const onOneLine = (text: string): string => text.replace(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1));
