/** The ELF kernel inside a bzImage, for whoever boots it without its own unpacking code. */
import { gunzipSync } from 'node:zlib';
import { messageOf, VmError } from '../errors.js';
import { MIB } from '../memory/map.js';
import { type LinuxHeader, readLinuxHeader } from './linux-header.js';
import { decodeLz4Legacy } from './lz4.js';

/** More than any kernel has unpacked: an image that claims more is refused before memory is taken for it. */
const VMLINUX_MAX = 512 * MIB;
const SIZE_BYTES = 4;

/**
 * Undoes what neither Node.js nor we undo: a stream of xz (with the x86 filter) or a frame of zstd.
 * @param most bytes that the result may have
 * @throws VmError IMAGE_INVALID (damaged), IMAGE_TOO_LARGE, IMAGE_UNSUPPORTED (nothing here can do it)
 */
export type Decompress = (format: 'xz' | 'zstd', packed: Uint8Array, most: number) => Uint8Array;

interface Packing {
  readonly name: string;
  /** The first bytes of the payload, in hexadecimal. */
  readonly magic: string;
  /** Absent where it is left to the guest. */
  readonly unpack?: (payload: Uint8Array, size: number, decompress: Decompress) => Uint8Array;
}

const withoutSize = (payload: Uint8Array): Uint8Array => payload.subarray(0, -SIZE_BYTES);

/** What Linux's build packs a kernel with (arch/x86/boot/compressed/Makefile, and lib/decompress.c for the magics). */
const PACKINGS: readonly Packing[] = [
  { name: 'gzip', magic: '1f8b', unpack: unzip },
  { name: 'LZ4', magic: '02214c18', unpack: (payload, size) => decodeLz4Legacy(withoutSize(payload), size) },
  {
    name: 'xz',
    magic: 'fd377a585a00',
    unpack: (payload, size, decompress) => decompress('xz', withoutSize(payload), size),
  },
  {
    name: 'zstd',
    magic: '28b52ffd',
    unpack: (payload, size, decompress) => decompress('zstd', withoutSize(payload), size),
  },
  { name: 'nothing', magic: '7f454c46', unpack: withoutSize },
  { name: 'bzip2', magic: '425a68' },
  { name: 'LZMA', magic: '5d0000' },
  { name: 'LZO', magic: '894c5a4f' },
];

/**
 * Unpacks the kernel of a bzImage: the bytes of an ELF file (with the relocations that the kernel appends to it).
 * @throws VmError IMAGE_INVALID, IMAGE_UNSUPPORTED (as `readLinuxHeader`; packed in a way that is not undone here),
 * IMAGE_TOO_LARGE (unpacked above 512 MiB)
 */
export function extractVmlinux(bzImage: Uint8Array, decompress: Decompress): Uint8Array {
  const payload = payloadOf(bzImage, readLinuxHeader(bzImage));
  const start = Buffer.from(payload.subarray(0, 6)).toString('hex');
  const packing = PACKINGS.find(({ magic }) => start.startsWith(magic));
  if (packing?.unpack === undefined) {
    const how = packing === undefined ? 'in an unknown way' : `with ${packing.name}`;
    throw new VmError('IMAGE_UNSUPPORTED', `this Linux kernel is packed ${how}, which only the guest undoes`);
  }
  const size = unpackedSize(payload);
  const vmlinux = packing.unpack(payload, size, decompress);
  if (vmlinux.length === size) return vmlinux;
  throw new VmError('IMAGE_INVALID', `this Linux kernel unpacks to ${vmlinux.length} bytes in place of ${size}`);
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

function unzip(payload: Uint8Array, size: number): Uint8Array {
  try {
    // At least 1: zlib knows no limit of 0. One byte more than `size` shows that there is more.
    return gunzipSync(payload, { maxOutputLength: size + 1 });
  } catch (error) {
    throw new VmError('IMAGE_INVALID', `this Linux kernel's gzip payload is damaged: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
