import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const MINUTE = 60_000;

/** The cases first: those of vtx take longest, and all else fits beside them. */
class CasesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isCases = ({ moduleId }: TestSpecification) => moduleId.includes('/tests/machine/');
    return [...sorted.filter(isCases).reverse(), ...sorted.filter((file) => !isCases(file))];
  }
}

/**
 * Three groups, one after another: pure tests side by side, then the checks of the source, then whatever starts
 * emulators or a browser, two files at a time: each keeps a processor busy.
 */
export default defineConfig({
  test: {
    reporters: ['dot', './tests/reporter.ts'],
    teardownTimeout: MINUTE,
    sequence: { sequencer: CasesFirst },
    projects: [
      {
        test: {
          name: 'pure',
          include: ['tests/pure/**/*.test.ts'],
          testTimeout: MINUTE / 2,
          hookTimeout: MINUTE / 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'checks',
          include: ['tests/*.test.ts'],
          testTimeout: 3 * MINUTE,
          sequence: { groupOrder: 1 },
          maxWorkers: 1,
        },
      },
      {
        test: {
          name: 'machine',
          include: ['machine', 'nested', 'browser'].map((place) => `tests/${place}/**/*.test.ts`),
          globalSetup: 'tests/machine/compile.ts',
          testTimeout: 5 * MINUTE,
          hookTimeout: 10 * MINUTE,
          sequence: { groupOrder: 2 },
          maxWorkers: 2,
        },
      },
    ],
  },
});
