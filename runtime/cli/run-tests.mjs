// `npm test`: the whole suite, or the tests named. Installs what the suite needs from the system first.
// Not the tests' own business: what a test needs and cannot find, it says itself. Vitest's exit code is ours.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { installSystemTools } from './install.mjs'

/** @returns the exit code. A run of named tests installs nothing. */
export function runTests(root, args) {
  if (!args.some((arg) => !arg.startsWith('-'))) installSystemTools()
  const reporters = ['default', join(root, 'test/support/summary-reporter.ts')].map((name) => `--reporter=${name}`)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...args], { cwd: root, stdio: 'inherit' })
  // Ctrl-C reaches vitest too (same process group); we stay until it has ended its workers.
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined)
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
