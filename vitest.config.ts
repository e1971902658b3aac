import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,conformance,integration,e2e,sim}/**/*.test.ts'],
    // Processes, not threads: the embedded ClickHouse crashes its process when it is loaded in a worker thread.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    globalSetup: ['test/helpers/services/globalSetup.ts'],
    setupFiles: ['test/helpers/leaks.ts'],
  },
});
