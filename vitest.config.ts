import { defineConfig } from 'vitest/config';

const MINUTE = 60_000;

/**
 * Four groups, one after another: pure tests side by side, then the checks of the source, then the cases, whose hosts
 * run side by side by themselves, then what else starts emulators, two files at a time: each keeps a processor busy.
 */
export default defineConfig({
  test: {
    reporters: ['dot', './tests/reporter.ts'],
    teardownTimeout: MINUTE,
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
          include: ['tests/machine/**/*.test.ts'],
          hookTimeout: 10 * MINUTE,
          sequence: { groupOrder: 2 },
          maxWorkers: 1,
        },
      },
      {
        test: {
          name: 'nested',
          include: ['tests/nested/**/*.test.ts'],
          testTimeout: 5 * MINUTE,
          hookTimeout: 10 * MINUTE,
          sequence: { groupOrder: 3 },
          maxWorkers: 2,
        },
      },
    ],
  },
});
