import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CpioEntry, cpio } from '../../../src/setup/cpio.js';
import { busyboxInitramfs } from '../../../src/setup/initramfs.js';

interface Member {
  readonly name: string;
  readonly fields: readonly number[];
  readonly data: string;
}

/** Reads an archive by the format's description, apart from the code that writes it. */
function members(archive: Buffer): Member[] {
  const found: Member[] = [];
  let offset = 0;
  while (offset < archive.length) {
    expect(archive.toString('latin1', offset, offset + 6)).toBe('070701');
    expect(offset % 4).toBe(0);
    const fields = Array.from({ length: 13 }, (_, i) =>
      Number.parseInt(archive.toString('latin1', offset + 6 + i * 8, offset + 14 + i * 8), 16),
    );
    const nameEnd = offset + 110 + (fields[11] ?? 0);
    const dataStart = (nameEnd + 3) & ~3;
    const dataEnd = dataStart + (fields[6] ?? 0);
    expect(archive[nameEnd - 1]).toBe(0);
    found.push({
      name: archive.toString('utf8', offset + 110, nameEnd - 1),
      fields,
      data: archive.toString('latin1', dataStart, dataEnd),
    });
    offset = (dataEnd + 3) & ~3;
  }
  return found;
}

const SOME: readonly CpioEntry[] = [
  { path: 'init', kind: 'file', mode: 0o755, bytes: Buffer.from('#!/bin/sh\n') },
  { path: 'usr/share/text', kind: 'file', bytes: Buffer.from('abcde') },
  { path: 'bin', kind: 'symlink', target: 'usr/bin' },
  { path: 'root', kind: 'directory', mode: 0o700 },
  { path: 'empty', kind: 'file', bytes: new Uint8Array() },
];

describe('cpio', () => {
  it('writes every field of every member, sorted, with the directories that are needed', () => {
    const found = members(cpio(SOME));
    // ino, mode, uid, gid, nlink, mtime, filesize, maj, min, rmaj, rmin, namesize, check
    expect(found.map(({ name, fields, data }) => [name, (fields[1] ?? 0).toString(8), data])).toEqual([
      ['bin', '120777', 'usr/bin'],
      ['empty', '100644', ''],
      ['init', '100755', '#!/bin/sh\n'],
      ['root', '40700', ''],
      ['usr', '40755', ''],
      ['usr/share', '40755', ''],
      ['usr/share/text', '100644', 'abcde'],
      ['TRAILER!!!', '0', ''],
    ]);
    expect(found[2]?.fields).toEqual([3, 0o100755, 0, 0, 1, 0, 10, 0, 0, 0, 0, 5, 0]);
    expect(found.slice(0, -1).map(({ fields }) => fields[0])).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('gives the same bytes for the same entries in any order', () => {
    expect(cpio([...SOME].reverse()).equals(cpio(SOME))).toBe(true);
  });

  it('takes a view into a larger buffer for its own bytes alone', () => {
    const bytes = new Uint8Array(Buffer.from('xxabcxx')).subarray(2, 5);
    expect(members(cpio([{ path: 'f', kind: 'file', bytes }]))[0]?.data).toBe('abc');
  });

  it.each(['/absolute', '', 'a//b', 'a/../b', './a', 'a/'])('refuses the path %j', (name) => {
    expect(() => cpio([{ path: name, kind: 'directory' }])).toThrow(/not a path/);
  });

  it('refuses the same path twice', () => {
    const entry: CpioEntry = { path: 'a', kind: 'directory' };
    expect(() => cpio([entry, entry])).toThrow(/twice/);
  });

  it.for(['busybox', 'cpio'])('is unpacked by %s', (program, { skip }) => {
    const args = program === 'busybox' ? ['cpio', '-idm'] : ['-idm', '--quiet'];
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-cpio-'));
    try {
      const { status, error, stderr } = spawnSync(program, args, { cwd: directory, input: cpio(SOME) });
      if (error && 'code' in error && error.code === 'ENOENT') skip(`there is no ${program} here`);
      expect(status, stderr.toString()).toBe(0);
      const at = (name: string) => path.join(directory, name);
      expect(fs.readdirSync(directory, { recursive: true }).sort()).toEqual(
        ['bin', 'empty', 'init', 'root', 'usr', 'usr/share', 'usr/share/text'].sort(),
      );
      expect(fs.readFileSync(at('usr/share/text'), 'utf8')).toBe('abcde');
      expect(fs.readlinkSync(at('bin'))).toBe('usr/bin');
      expect(fs.statSync(at('init')).mode & 0o7777).toBe(0o755);
      expect(fs.statSync(at('root')).mode & 0o7777).toBe(0o700);
      expect(fs.statSync(at('init')).mtimeMs).toBe(0);
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});

describe('busyboxInitramfs', () => {
  it('links every applet, and holds /init and what else is given', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-busybox-'));
    const busybox = path.join(directory, 'busybox');
    fs.writeFileSync(busybox, '#!/bin/sh\n[ "$1" = --list ] && printf "ash\\nbusybox\\n[\\n"\n', { mode: 0o755 });
    const extra: CpioEntry = { path: 'etc/motd', kind: 'file', bytes: Buffer.from('hi') };
    const found = members(await busyboxInitramfs({ busybox, init: 'exec sh\n', entries: [extra] }));
    fs.rmSync(directory, { recursive: true });
    const byName = new Map(found.map((member) => [member.name, member]));
    expect(byName.get('bin/ash')?.data).toBe('busybox');
    expect(byName.get('bin/[')?.data).toBe('busybox');
    expect(byName.get('bin/busybox')?.fields[1]).toBe(0o100755);
    expect(byName.get('init')).toMatchObject({ data: 'exec sh\n' });
    expect(byName.get('init')?.fields[1]).toBe(0o100755);
    expect(byName.get('etc/motd')?.data).toBe('hi');
    expect([...byName.keys()]).toEqual(expect.arrayContaining(['dev', 'proc', 'sys', 'tmp', 'root']));
  });

  it('fails in one line when busybox cannot be run', async () => {
    await expect(busyboxInitramfs({ busybox: '/nowhere/busybox', init: '' })).rejects.toMatchObject({
      code: 'SETUP_FAILED',
      message: expect.stringContaining('/nowhere/busybox'),
    });
  });
});
