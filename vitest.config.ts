// Owns how the tests run: three projects, from the fastest to the one that needs real servers.
import process from 'node:process';
import { defineConfig } from 'vitest/config';

// The CI script asks for a machine-readable report beside the readable one.
const reportFile = process.env['TEST_REPORT_FILE'];

// Files with real sockets and deadlines run one after the other: on a small machine a neighbour's load would
// show up as a time-out. The `groupOrder` keeps the projects apart for the same reason.
const oneAtATime = { fileParallelism: false, testTimeout: 30_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    globals: false,
    maxWorkers: 2,
    reporters: reportFile === undefined ? ['default'] : ['default', ['json', { outputFile: reportFile }]],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/property/**/*.test.ts'],
          testTimeout: 10_000,
          hookTimeout: 10_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'session',
          include: ['test/session/**/*.test.ts'],
          ...oneAtATime,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          ...oneAtATime,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
