import { describe, expect, it } from 'vitest';
import type { StartupBenchResult } from '../../../src/bench/startup.js';
import { startupTable } from '../../../src/cli/bench-startup.js';

const result: StartupBenchResult = {
  host: 'local',
  flavour: 'kvm_intel',
  unit: 'ms',
  median: { node: 40, command: 141.06, nextMachine: 4.2 },
  beyondNode: 101.06,
  rounds: [
    { node: 40, command: 141.06, nextMachine: 4.2 },
    { node: 41, command: 150, nextMachine: 4.14 },
    { node: 39, command: 139, nextMachine: 9 },
  ],
};

describe('the table of bench startup', () => {
  it('has medians with their spread', () => {
    expect(startupTable(result)).toBe(
      [
        'Start-up in ms, host local, kvm_intel: medians of 3 rounds (least–most)',
        'Node alone                            40.0 (39.0–41.0)',
        'vmlaunch run, to the first KVM_RUN    141.1 (139.0–150.0)',
        '  beyond Node alone                   101.1 (100.0–109.0)',
        'the next machine of a process         4.2 (4.1–9.0)',
        '',
      ].join('\n'),
    );
  });

  it('shows whole instructions', () => {
    const lines = startupTable({ ...result, host: 'vtx', unit: 'instructions' }).split('\n');
    expect(lines[1]).toBe('Node alone                            40 (39–41)');
  });
});
