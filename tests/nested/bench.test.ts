import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import type { ExitBenchResult } from '../../src/bench/exit.js';
import { exitTable } from '../../src/cli/bench.js';
import { expectWhole } from '../pure/bench/result.js';
import { ROOT } from './host-support.js';

const directory = mkdtempSync(join(tmpdir(), 'vmlaunch-bench-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('[svm] vmlaunch bench exit', () => {
  it('measures every round on both sides, prints the table and writes the same as data', async () => {
    const json = join(directory, 'result.json');
    const argv = ['bench', 'exit', '--host', 'svm', '--rounds', '7', '--exits', '5100', '--json', json];
    const { stdout } = await promisify(execFile)(process.execPath, [join(ROOT, 'dist/bundle/vmlaunch.cjs'), ...argv]);
    const result = JSON.parse(readFileSync(json, 'utf8')) as ExitBenchResult;
    expect(result).toMatchObject({
      host: 'svm',
      flavour: 'kvm_amd',
      unit: 'ns',
      exits: { cold: 5000, warm: 100 },
    });
    expectWhole(result, 7);
    expect(stdout).toBe(exitTable(result));
  });
});
