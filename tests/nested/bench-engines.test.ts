import { expect, it } from 'vitest';
import { benchCommandLine } from '../../src/bench/guest-image.js';
import { parseBenchOutput } from '../../src/bench/guest-output.js';
import { WORKLOADS } from '../../src/bench/workloads.js';
import { makeEngine } from '../../src/cli/bench-engines.js';

/** The benchmark's guest is for every engine: here on PCs whose timers, UART and processor are not ours or QEMU's. */
const PLACES = [
  { name: 'bochs', bits: 64, choice: {} },
  { name: 'bochs', bits: 32, choice: { bits: 32 } },
  { name: 'v86', bits: 32, choice: {} },
] as const;

for (const { name, bits, choice } of PLACES) {
  it(`[${name}] bench runs every workload in ${bits}-bit mode`, { timeout: 120_000 }, async () => {
    const engine = makeEngine(name);
    expect(await engine.probe()).toEqual({ version: expect.stringMatching(/^\d+\.\d+/) });
    const asked = WORKLOADS.map((workload) => ({ name: workload.name, count: 100 }));
    const start = { guest: 'bench', commandLine: benchCommandLine(asked, choice) } as const;
    const { text, failure } = await engine.launch(start, new AbortController().signal);
    expect(failure).toBeUndefined();
    const output = parseBenchOutput(text, asked);
    expect(output.bits).toBe(bits);
    const refused = asked.filter((_, i) => output.results[i]?.outcome !== 'ran');
    expect(refused.map((one) => one.name)).toEqual(['exits.hypercall']);
  });
}
