import { defineConfig } from 'vitest/config'

const services = ['test/e2e/**/*.test.ts', 'test/browser/**/*.test.ts', 'test/interop/ccf/**/*.test.ts']

// Native add-ons (lmdb) crash in worker threads, so tests run in forked processes.
const common = { pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000 } as const

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'units',
          include: ['test/**/*.test.ts'],
          exclude: services,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Each of these runs a whole service of several processes: one at a time, and only after the others, or they measure each other.
        test: { ...common, name: 'services', include: services, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
