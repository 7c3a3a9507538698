import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bzImage } from '../boot/bzimage.js';

const BIN = new URL('../../../dist/bundle/vmlaunch.cjs', import.meta.url).pathname;
const BAD_INPUT = 2;
const NO_HOST = 4;
const ONE_LINE = /^vmlaunch: [^\n]+\n$/;
const FLAT = ['--flat', 'protected', '--load-address', '0x100000'];
/** Would start a host, were the input good; NO_CACHE makes that fail with another status. */
const HOST = ['--host', 'svm'];
/** Root reads every file, unless it gives up the capabilities to do so. */
const WITHOUT_OVERRIDE = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'];

/** No directory can be made below a file, so no host can be had. */
const NO_CACHE = { ...process.env, VMLAUNCH_CACHE: path.join(BIN, 'cache') };

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function vmlaunch(argv: readonly string[], wrapper: readonly string[] = []): Outcome {
  const [program = process.execPath, ...rest] = [...wrapper, process.execPath, BIN, ...argv];
  const { status, stdout, stderr } = spawnSync(program, rest, {
    encoding: 'utf8',
    timeout: 20_000,
    env: NO_CACHE,
  });
  return { status, stdout, stderr };
}

describe('bad input to the built command', () => {
  let directory: string;
  const at = (name: string) => path.join(directory, name);

  beforeAll(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-test-'));
    fs.writeFileSync(at('good'), Uint8Array.of(0xf4)); // HLT
    fs.writeFileSync(at('empty'), '');
    fs.writeFileSync(at('locked'), Uint8Array.of(0xf4), { mode: 0 });
    fs.symlinkSync('loop', at('loop'));
    fs.writeFileSync(at('bzImage'), bzImage());
    fs.writeFileSync(at('initrd'), '');
    fs.truncateSync(at('initrd'), 100 << 20);
  });
  afterAll(() => fs.rmSync(directory, { recursive: true }));

  const refuses = (outcome: Outcome, saying: RegExp) => {
    expect(outcome).toEqual({
      status: BAD_INPUT,
      stdout: '',
      stderr: expect.stringMatching(ONE_LINE),
    });
    expect(outcome.stderr).toMatch(saying);
  };

  it('is told apart from good input, which needs the host', () => {
    const { status, stderr } = vmlaunch(['run', at('good'), ...FLAT, ...HOST]);
    expect([status, stderr]).toEqual([NO_HOST, expect.stringContaining('cannot be made')]);
  });

  it('no image', () => refuses(vmlaunch(['run', ...HOST]), /missing required argument 'image'/));

  it.each([
    ['a file that is missing', 'nowhere', /nowhere does not exist/],
    ['a file that is empty', 'empty', /the image \/\S+\/empty is empty/],
    ['a directory', '.', /is a directory/],
    ['a link to itself', 'loop', /loop/],
  ])('%s as image', (_, name, saying) => refuses(vmlaunch(['run', at(name), ...FLAT, ...HOST]), saying));

  it('an image that this user may not read', () => {
    const wrapper = process.getuid?.() === 0 ? WITHOUT_OVERRIDE : [];
    refuses(vmlaunch(['run', at('locked'), ...FLAT, ...HOST], wrapper), /locked/);
  });

  it.each(['0', '1T', 'plenty', '-1', ''])('--memory=%s', (size) =>
    refuses(vmlaunch(['run', at('good'), ...FLAT, ...HOST, `--memory=${size}`]), /memory/),
  );

  it('an initrd larger than memory', () => {
    const argv = ['run', at('bzImage'), '--initrd', at('initrd'), '--memory', '64M', ...HOST];
    refuses(vmlaunch(argv), /the initrd \/\S+\/initrd has 100 MiB/);
  });

  it.each([
    ['an unknown option', ['--nonsense'], /unknown option '--nonsense'/],
    ['an unknown host', ['--host', 'arm'], /'arm' is invalid/],
    ['a time that is no number', [...HOST, '--timeout', 'soon'], /--timeout soon/],
    ['an address that is no number', [...HOST, '--load-address', 'there'], /--load-address there/],
    ['an unknown paravirtual feature', [...HOST, '--without', 'magic'], /--without magic/],
  ])('%s', (_, options, saying) => refuses(vmlaunch(['run', at('good'), ...FLAT, ...options]), saying));

  it('the local KVM where there is none', ({ skip }) => {
    skip(fs.existsSync('/dev/kvm'), 'this machine has a /dev/kvm');
    const outcome = vmlaunch(['run', at('good'), ...FLAT, '--host', 'local']);
    expect(outcome).toEqual({ status: NO_HOST, stdout: '', stderr: expect.stringMatching(ONE_LINE) });
    expect(outcome.stderr).toMatch(/\/dev\/kvm does not exist/);
  });
});
