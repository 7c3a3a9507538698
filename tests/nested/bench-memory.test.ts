import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readBenchResult } from '../../src/bench/result.js';
import { MEMORY_WORKLOADS } from '../../src/bench/workloads.js';
import { prepareHost } from '../../src/host/prepare.js';
import { Run } from './command.js';

let directory = '';
beforeAll(async () => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-bench-memory-'));
  await prepareHost('svm', () => {});
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('[svm] vmlaunch bench memory has figures of NPT and shadow paging, and the counters that say why', async () => {
  const [json, html] = ['result.json', 'page.html'].map((name) => path.join(directory, name)) as [string, string];
  const argv = ['memory', '--host', 'svm', '--budget', '16', '--json', json, '--html', html];
  using command = new Run(argv, { command: 'bench' });
  const { status, stdout, stderr } = await command.ended();
  expect(status, stderr).toBe(0);
  const { engines, host } = readBenchResult(json);
  expect(host).toMatchObject({ kind: 'svm', flavour: 'kvm_amd' });
  expect(engines.map(({ name }) => name)).toEqual(['NPT 4 KiB', 'NPT 2 MiB', 'shadow 4 KiB', 'shadow 2 MiB']);
  for (const { name, cells } of engines) {
    const outcomes = MEMORY_WORKLOADS.map((workload) => [name, workload.name, cells[workload.name]?.outcome]);
    expect(outcomes).toEqual(MEMORY_WORKLOADS.map((workload) => [name, workload.name, 'measured']));
  }
  const [npt, nptLarge, shadow] = engines.map(({ counters = {} }) => counters);
  expect(npt?.['memory.first-touch']?.pf_taken).toBe(1);
  expect(nptLarge?.['memory.first-touch']?.pf_taken).toBe(1 / 512);
  expect(npt?.['memory.churn']).toMatchObject({ pf_taken: 0, invlpg: 0 });
  expect(shadow?.['memory.churn']?.invlpg).toBe(1);
  expect(Buffer.from(stdout, 'latin1').toString()).toContain('of two hosts svm, one after the other');
  expect(readFileSync(html, 'utf8')).toContain('What EPT or NPT buys');
});
