import { VmError } from '../errors.js';

/**
 * The "newc" archive that Linux unpacks as initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
 * The same entries give the same bytes: sorted, owned by root, dated 1970-01-01, inodes numbered in order.
 */
export type CpioEntry =
  | { readonly path: string; readonly kind: 'directory'; readonly mode?: number }
  | { readonly path: string; readonly kind: 'file'; readonly bytes: Uint8Array; readonly mode?: number }
  | { readonly path: string; readonly kind: 'symlink'; readonly target: string };

/** File type bits of c_mode, as in <sys/stat.h>. */
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

const MAGIC = '070701';
const TRAILER = 'TRAILER!!!';
/** c_filesize has eight hexadecimal digits. */
const MAX_BYTES = 0xffff_ffff;

/**
 * Writes an archive. Directories that the paths need and nobody gave are added with mode 755.
 * @param entries paths relative to the root, in any order, without `.` or `..`
 * @throws VmError BUG for a path that is absolute, empty, doubled or has `.` or `..` in it
 */
export function cpio(entries: Iterable<CpioEntry>): Buffer {
  const chunks: Buffer[] = [];
  let inode = 1;
  for (const entry of complete(entries)) chunks.push(...encode(entry, inode++));
  chunks.push(...record(TRAILER, { inode: 0, mode: 0, links: 1, bytes: new Uint8Array() }));
  return Buffer.concat(chunks);
}

/** The entries in an order in which each directory comes before what is in it. */
function complete(entries: Iterable<CpioEntry>): CpioEntry[] {
  const all = new Map<string, CpioEntry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw new VmError('BUG', `not a path for an archive: ${JSON.stringify(entry.path)}`);
    }
    if (all.has(entry.path)) throw new VmError('BUG', `${entry.path} is in the archive twice`);
    all.set(entry.path, entry);
  }
  for (const entry of [...all.values()]) {
    for (let parent = parentOf(entry.path); parent !== '' && !all.has(parent); parent = parentOf(parent)) {
      all.set(parent, { path: parent, kind: 'directory' });
    }
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function encode(entry: CpioEntry, inode: number): Buffer[] {
  switch (entry.kind) {
    case 'directory':
      return record(entry.path, { inode, mode: S_IFDIR | (entry.mode ?? 0o755), links: 2, bytes: new Uint8Array() });
    case 'file':
      return record(entry.path, { inode, mode: S_IFREG | (entry.mode ?? 0o644), links: 1, bytes: entry.bytes });
    case 'symlink':
      return record(entry.path, { inode, mode: S_IFLNK | 0o777, links: 1, bytes: Buffer.from(entry.target) });
  }
}

interface Fields {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly bytes: Uint8Array;
}

function record(name: string, { inode, mode, links, bytes }: Fields): Buffer[] {
  if (bytes.length > MAX_BYTES) throw new VmError('BUG', `${name} is too large for an archive`);
  const path = Buffer.from(`${name}\0`);
  // c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, c_maj, c_min, c_rmaj, c_rmin, c_namesize, c_chksum
  const numbers = [inode, mode, 0, 0, links, 0, bytes.length, 0, 0, 0, 0, path.length, 0];
  const header = MAGIC + numbers.map((number) => number.toString(16).padStart(8, '0')).join('');
  return [padded([Buffer.from(header), path]), padded([Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)])];
}

/** Header with name, and contents, each fill whole words of four bytes. */
function padded(parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat(parts, (length + 3) & ~3);
}
