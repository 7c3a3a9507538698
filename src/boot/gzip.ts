/** gzip around an image (RFC 1952), undone before anybody looks at the image. */
import { gunzipSync } from 'node:zlib';
import { messageOf, VmError } from '../errors.js';
import { sizeText } from './place.js';

/** ID1, ID2 and the only compression method, deflate. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8;

/**
 * What is packed. Several members are joined, as gzip does; bytes that follow the last are dropped unless they begin
 * as another member would.
 * @param most bytes that the result may have: no more is unpacked to find out
 * @throws VmError IMAGE_INVALID (damaged, truncated, or gzip once more), IMAGE_TOO_LARGE
 */
export function gunzip(packed: Uint8Array, most: number): Uint8Array {
  const unpacked = unpack(packed, most);
  if (!isGzip(unpacked)) return unpacked;
  throw new VmError('IMAGE_INVALID', 'this image is packed with gzip twice', { hint: 'Unpack it once (gunzip).' });
}

function unpack(packed: Uint8Array, most: number): Uint8Array {
  try {
    return gunzipSync(packed, { maxOutputLength: most });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      throw new VmError('IMAGE_TOO_LARGE', `this image, unpacked from gzip, has more than ${sizeText(most)}`, {
        hint: 'Give the machine more memory.',
      });
    }
    throw new VmError('IMAGE_INVALID', `this image is gzip and damaged: ${messageOf(error)}`, {
      hint: 'Fetch it again.',
      cause: error,
    });
  }
}
