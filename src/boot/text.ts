import { VmError } from '../errors.js';

/**
 * A text for the guest, as UTF-8 with a zero at its end.
 * @param most bytes, without the zero
 * @throws VmError OPTION_INVALID (a zero byte in it), COMMAND_LINE_TOO_LONG
 */
export function zeroTerminated(text: string, what: string, most: number): Uint8Array {
  const bytes = new TextEncoder().encode(`${text}\0`);
  const length = bytes.length - 1;
  if (bytes.indexOf(0) !== length) {
    throw new VmError('OPTION_INVALID', `the ${what} contains a zero byte`, {
      hint: 'Leave it out: the kernel would not see what follows it.',
    });
  }
  if (length > most) {
    throw new VmError('COMMAND_LINE_TOO_LONG', `the ${what} has ${length} bytes, and this kernel takes ${most}`, {
      hint: 'Shorten it.',
    });
  }
  return bytes;
}
