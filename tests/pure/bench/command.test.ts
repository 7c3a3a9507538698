import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const BIN = new URL('../../../dist/bundle/vmlaunch.cjs', import.meta.url).pathname;
const WITH_KVM = 'this machine has a /dev/kvm';
/** No directory can be made below a file, so no host can be had: status 4 where one is asked for. */
const env = { ...process.env, VMLAUNCH_CACHE: join(BIN, 'cache') };

function bench(...argv: readonly string[]) {
  return spawnSync(process.execPath, [BIN, 'bench', ...argv], { encoding: 'utf8', env });
}

describe('vmlaunch bench', () => {
  it.each([
    [['--suite', 'none'], /^vmlaunch: option '--suite <suite>' argument 'none' is invalid\. [^\n]*, boot, quick\.\n$/],
    [['--engines', 'kvm,none'], /^vmlaunch: --engines none: there is no such engine\. Known: native, kvm, [^\n]*\n$/],
    [['--workloads', 'exits.none'], /^vmlaunch: --workloads exits\.none: there is no such workload in the suite all\./],
    [
      ['--suite', 'serial', '--workloads', 'cpu'],
      /^vmlaunch: --workloads cpu: there is no such workload in the suite serial\. Known: serial\.bytes; [^\n]*\n$/,
    ],
    [['--budget', 'long'], /^vmlaunch: --budget long is no number\.\n$/],
    [['--compare', 'a.json'], /^vmlaunch: --compare takes two files, not 1\. [^\n]*\n$/],
    [['--compare', '/nowhere/a.json', 'b.json'], /^vmlaunch: \/nowhere\/a\.json cannot be read: [^\n]*\n$/],
    [['--compare', BIN, BIN], /vmlaunch\.cjs is no result of vmlaunch bench\. [^\n]*\n$/],
  ])('refuses %o in one line, before any host', (argv, says) => {
    const { status, stdout, stderr } = bench(...argv, '--host', 'svm');
    expect([status, stdout, stderr]).toEqual([2, '', expect.stringMatching(says)]);
  });
});

describe('vmlaunch bench exit', () => {
  it.each([
    [['--rounds', '6'], '--rounds 6 is not a whole number of at least 7'],
    [['--rounds', '1e3'], '--rounds 1e3 is not a whole number of at least 7'],
    [['--rounds='], '--rounds  is not a whole number of at least 7'],
    [['--exits', '5000'], '--exits 5000 is not a whole number of at least 5001'],
    [['--exits', 'many'], '--exits many is not a whole number of at least 5001'],
  ])('refuses %o in one line, before any host', (argv, says) => {
    const { status, stdout, stderr } = bench('exit', ...argv, '--host', 'svm');
    expect([status, stdout, stderr]).toEqual([2, '', `vmlaunch: ${says}.\n`]);
  });

  it('takes its own options, of which the suite has some too', () => {
    const { status, stdout, stderr } = bench('--host', 'svm');
    expect([status, stdout]).toEqual([4, '']);
    expect(stderr).not.toContain('host local');
  });

  it('says in one line that there is no local KVM, with status 4', ({ skip }) => {
    skip(existsSync('/dev/kvm'), WITH_KVM);
    const { status, stdout, stderr } = bench('exit', '--host', 'local');
    expect([status, stdout]).toEqual([4, '']);
    expect(stderr).toMatch(/^vmlaunch: \/dev\/kvm does not exist[^\n]*\n$/);
  });

  it('takes svm by itself where there is no local KVM, and says so', ({ skip }) => {
    skip(existsSync('/dev/kvm'), WITH_KVM);
    const { status, stderr } = bench('exit');
    expect(stderr).toMatch(/^vmlaunch: host svm: there is no \/dev\/kvm here\n/);
    expect(status).toBe(4);
  });
});

describe('vmlaunch bench startup', () => {
  it('refuses a number of rounds in one line, before any host', () => {
    const { status, stdout, stderr } = bench('startup', '--rounds', '0', '--host', 'svm');
    expect([status, stdout, stderr]).toEqual([2, '', 'vmlaunch: --rounds 0 is not a whole number of at least 1.\n']);
  });

  it('takes its options for its own, not for those of `vmlaunch bench`', () => {
    const { status, stderr } = bench('startup', '--host', 'svm');
    expect(stderr).not.toMatch(/^vmlaunch: host /);
    expect(status).toBe(4);
  });
});

describe('vmlaunch bench memory', () => {
  it('refuses a budget that is no number in one line, before any host', () => {
    const { status, stdout, stderr } = bench('memory', '--budget', 'x', '--host', 'svm');
    expect([status, stdout, stderr]).toEqual([2, '', 'vmlaunch: --budget x is no number.\n']);
  });
});
