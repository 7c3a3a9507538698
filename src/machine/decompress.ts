/** The formats of kernels that Node.js does not undo, by the distribution's own programs. */
import { spawnSync } from 'node:child_process';
import type { Decompress } from '../boot/vmlinux.js';
import { messageOf, VmError } from '../errors.js';

/** A kernel takes about a second; a program that hangs is ended. */
const TIME_LIMIT_MS = 60_000;
/** From standard input to standard output, and with no more memory than a kernel's dictionary (at most 128 MiB) needs. */
const ARGUMENTS = {
  xz: ['--decompress', '--stdout', '--format=xz', '--memlimit-decompress=512MiB'],
  zstd: ['--decompress', '--stdout', '--quiet', '--memory=512MB'],
} as const;

/** Runs `xz` or `zstd`; a system without it is IMAGE_UNSUPPORTED. */
export const decompress: Decompress = (format, packed, most) => {
  const { error, status, signal, stdout, stderr } = spawnSync(format, ARGUMENTS[format], {
    input: packed,
    maxBuffer: Math.max(most, 1),
    timeout: TIME_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  // A program that has enough of its input before the end says by its status what that means.
  if (error !== undefined && codeOf(error) !== 'EPIPE') throw failure(format, error, most);
  if (status === 0) return stdout;
  const words = stderr.toString('utf8').trim().split('\n').at(-1) || `it ended by ${signal ?? `status ${status}`}`;
  throw new VmError('IMAGE_INVALID', `this Linux kernel's ${format} payload is damaged: ${words}`);
};

const codeOf = (error: Error): unknown => ('code' in error ? error.code : undefined);

function failure(format: string, error: Error, most: number): VmError {
  const code = codeOf(error);
  if (code === 'ENOENT') {
    return new VmError(
      'IMAGE_UNSUPPORTED',
      `this Linux kernel is packed with ${format}, and there is no such program`,
      {
        hint: `Install ${format}.`,
      },
    );
  }
  if (code === 'ENOBUFS') {
    return new VmError('IMAGE_INVALID', `this Linux kernel unpacks to more than the ${most} bytes that it says`);
  }
  return new VmError('IMAGE_UNSUPPORTED', `this Linux kernel's ${format} payload: ${messageOf(error)}`, {
    cause: error,
  });
}
