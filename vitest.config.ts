import { defineConfig } from 'vitest/config'

// Native add-ons (lmdb) crash in worker threads, so tests run in forked processes.
export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
