import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const BIN = new URL('../../../dist/cli/bin.js', import.meta.url).pathname;
const WITH_KVM = 'this machine has a /dev/kvm';
/** No directory can be made below a file, so no host can be had: status 4 where one is asked for. */
const env = { ...process.env, VMLAUNCH_CACHE: join(BIN, 'cache') };

function bench(...argv: readonly string[]) {
  return spawnSync(process.execPath, [BIN, 'bench', 'exit', ...argv], { encoding: 'utf8', env });
}

describe('vmlaunch bench exit', () => {
  it.each([
    [['--rounds', '6'], '--rounds 6 is not a whole number of at least 7'],
    [['--rounds', '1e3'], '--rounds 1e3 is not a whole number of at least 7'],
    [['--rounds='], '--rounds  is not a whole number of at least 7'],
    [['--exits', '5000'], '--exits 5000 is not a whole number of at least 5001'],
    [['--exits', 'many'], '--exits many is not a whole number of at least 5001'],
  ])('refuses %o in one line, before any host', (argv, says) => {
    const { status, stdout, stderr } = bench(...argv, '--host', 'svm');
    expect([status, stdout, stderr]).toEqual([2, '', `vmlaunch: ${says}.\n`]);
  });

  it('says in one line that there is no local KVM, with status 4', ({ skip }) => {
    skip(existsSync('/dev/kvm'), WITH_KVM);
    const { status, stdout, stderr } = bench('--host', 'local');
    expect([status, stdout]).toEqual([4, '']);
    expect(stderr).toMatch(/^vmlaunch: \/dev\/kvm does not exist[^\n]*\n$/);
  });

  it('takes svm by itself where there is no local KVM, and says so', ({ skip }) => {
    skip(existsSync('/dev/kvm'), WITH_KVM);
    const { status, stderr } = bench();
    expect(stderr).toMatch(/^vmlaunch: host svm: there is no \/dev\/kvm here\n/);
    expect(status).toBe(4);
  });
});
