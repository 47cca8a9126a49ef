// A vitest reporter that ends every run with one plain line, `N passed, N failed`, for people and for scripts.
// Not a replacement of vitest's own reporter. A file that could not be loaded and an error outside any test count as failed.
import { writeSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      const failedBefore = failed
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed++
        else if (state === 'failed') failed++
      }
      if (module.state() === 'failed' && failed === failedBefore) failed++
    }
    // After whatever the other reporters still have to say.
    process.once('exit', () => writeSync(1, `${passed} passed, ${failed} failed\n`))
  }
}
