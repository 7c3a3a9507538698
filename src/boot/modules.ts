import { VmError } from '../errors.js';

/** A file that is loaded beside the kernel, which finds it by the boot protocol's list of modules. */
export interface BootModule {
  readonly bytes: Uint8Array;
  /** The file's, for protocols that tell the kernel. */
  readonly name: string;
  /** What the kernel is told with it; the name is not part of it. */
  readonly commandLine: string;
}

/** @throws VmError IMAGE_EMPTY */
export function checkModule({ bytes }: Pick<BootModule, 'bytes'>, index: number): void {
  if (bytes.length > 0) return;
  throw new VmError('IMAGE_EMPTY', `module ${index + 1} is empty`, { hint: 'Check how it was built.' });
}
