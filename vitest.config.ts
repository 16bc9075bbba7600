// Owns how the tests run: four projects, from the fastest to those that measure and need the machine for themselves.
import process from 'node:process';
import { defineConfig } from 'vitest/config';

// The CI script asks for a machine-readable report beside the readable one.
const reportFile = process.env['TEST_REPORT_FILE'];

// Real sockets and deadlines: there is room for a neighbour's load. The `groupOrder` keeps the projects apart.
const patient = { testTimeout: 30_000, hookTimeout: 60_000 } as const;

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
          ...patient,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          ...patient,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'measured',
          include: ['test/measured/**/*.test.ts'],
          ...patient,
          // Times, ports and memory are counted: nothing else may run meanwhile.
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
