/** The ELF kernel inside a bzImage, for whoever boots it without its own unpacking code. */
import { gunzipSync } from 'node:zlib';
import { messageOf, VmError } from '../errors.js';
import { MIB } from '../memory/map.js';
import { type LinuxHeader, readLinuxHeader } from './linux-header.js';
import { decodeLz4Legacy, isLz4Legacy } from './lz4.js';

/** More than any kernel has unpacked: an image that claims more is refused before memory is taken for it. */
const VMLINUX_MAX = 512 * MIB;
const SIZE_BYTES = 4;

/**
 * Unpacks the kernel of a bzImage: the bytes of an ELF file (with the relocations that the kernel appends to it).
 * Gives undefined where the payload is compressed in another way than gzip or LZ4.
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED (see `readLinuxHeader`), IMAGE_TOO_LARGE (unpacked above 512 MiB)
 */
export function extractVmlinux(bzImage: Uint8Array): Uint8Array | undefined {
  const payload = payloadOf(bzImage, readLinuxHeader(bzImage));
  if (payload[0] === 0x1f && payload[1] === 0x8b) return unzip(payload);
  if (isLz4Legacy(payload)) return unpackLz4(payload);
  return undefined;
}

/** The payload's last four bytes are the unpacked size, little-endian: gzip's own trailer, or appended by the build. */
function unpackedSize(payload: Uint8Array): number {
  if (payload.length < 2 * SIZE_BYTES) {
    throw new VmError('IMAGE_INVALID', `this Linux kernel is damaged: its payload has ${payload.length} bytes`);
  }
  const size = new DataView(payload.buffer, payload.byteOffset).getUint32(payload.length - SIZE_BYTES, true);
  if (size > VMLINUX_MAX) {
    throw new VmError('IMAGE_TOO_LARGE', `this Linux kernel says that it has ${size} bytes unpacked, above 512 MiB`);
  }
  return size;
}

function payloadOf(bzImage: Uint8Array, header: LinuxHeader): Uint8Array {
  const start = header.kernelOffset + header.payloadOffset;
  return bzImage.subarray(start, start + header.payloadBytes);
}

function unpackLz4(payload: Uint8Array): Uint8Array {
  return decodeLz4Legacy(payload.subarray(0, -SIZE_BYTES), unpackedSize(payload));
}

function unzip(payload: Uint8Array): Uint8Array {
  const size = unpackedSize(payload);
  let unpacked: Uint8Array;
  try {
    // At least 1: zlib knows no limit of 0. One byte more than `size` shows that there is more.
    unpacked = gunzipSync(payload, { maxOutputLength: size + 1 });
  } catch (error) {
    throw new VmError('IMAGE_INVALID', `this Linux kernel's gzip payload is damaged: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (unpacked.length === size) return unpacked;
  throw new VmError('IMAGE_INVALID', `this Linux kernel unpacks to ${unpacked.length} bytes in place of ${size}`);
}
