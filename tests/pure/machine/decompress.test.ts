import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { VmError } from '../../../src/errors.js';
import { decompress } from '../../../src/machine/decompress.js';
import { thrownBy } from '../boot/bzimage.js';

const TEXT = 'abcabcabcabc kernel';
/** What `xz --check=crc32 --x86 --lzma2=dict=32MiB` and `zstd -19` make of it. */
const PACKED = {
  xz: Buffer.from(
    'fd377a585a0000016922de360201040021011a0001c980b3e00012000f5d00309888a7ea4bb367c52ea20be20ed50000115c68c6000127139046fd7e9042990d010000000001595a',
    'hex',
  ),
  zstd: Buffer.from('28b52ffd241385000050616263206b65726e656c0100166e08f4717666', 'hex'),
};
const FORMATS = ['xz', 'zstd'] as const;

/** A directory with programs of these names that are shell scripts of ours. */
let directory = '';
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-decompress-'));
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

function withPrograms(script: string): void {
  for (const name of FORMATS) {
    writeFileSync(path.join(directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(directory, name), 0o755);
  }
  vi.stubEnv('PATH', `${directory}:${process.env.PATH ?? ''}`);
}

const refusal = (run: () => unknown): VmError => {
  const error = thrownBy(run);
  if (error instanceof VmError) return error;
  throw new Error(`no VmError but ${String(error)}`);
};

describe.each(FORMATS)('%s', (format) => {
  const isHere = spawnSync(format, ['--version']).error === undefined;

  it(isHere ? 'is undone by the program of that name' : 'is refused here, where there is no such program', () => {
    if (isHere) expect(decompress(format, PACKED[format], TEXT.length).toString()).toBe(TEXT);
    else expect(refusal(() => decompress(format, PACKED[format], TEXT.length)).code).toBe('IMAGE_UNSUPPORTED');
  });

  it('is refused where there is no such program', () => {
    vi.stubEnv('PATH', '/nonexistent');
    const { code, message } = refusal(() => decompress(format, PACKED[format], 100));
    expect([code, message]).toEqual(['IMAGE_UNSUPPORTED', expect.stringContaining('there is no such program')]);
  });

  it.each([
    ['gives more than it may', 'exec cat /dev/zero', 100, /unpacks to more than the 100 bytes/],
    ['finds damage', 'echo "(stdin): corrupt" >&2; exit 1', 100, /payload is damaged: \(stdin\): corrupt$/],
    ['fails without a word', 'exit 3', 100, /payload is damaged: it ended by status 3$/],
    ['is killed', 'kill -9 $$', 100, /payload is damaged: it ended by SIGKILL$/],
    ['may give nothing', 'exec cat /dev/zero', 0, /more than the 0 bytes/],
  ])('is refused where the program %s', (_, script, most, words) => {
    withPrograms(script);
    expect(refusal(() => decompress(format, new Uint8Array(10), most))).toMatchObject({
      code: 'IMAGE_INVALID',
      message: expect.stringMatching(words),
    });
  });

  it('may be packed data that the program does not read to its end', () => {
    withPrograms('printf unpacked');
    expect(decompress(format, new Uint8Array(5_000_000), 100).toString()).toBe('unpacked');
  });
});
