// Runs a command line inside the test's process and catches what it prints and its exit code.
// Not for launch.mjs, which is a program of its own. Temporary folders are removed when the test ends.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'
import { run } from '../../../runtime/cli/program.ts'

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function concordat(...args: readonly string[]): Promise<Ran> {
  const printed = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += String(text)
      return true
    }),
  )
  const before = process.exitCode
  process.exitCode = undefined
  try {
    const code = await run(args)
    return { code: code === 0 ? Number(process.exitCode ?? 0) : code, ...printed }
  } finally {
    process.exitCode = before
    for (const spy of spies) spy.mockRestore()
  }
}

export function temporaryFolder(inside = tmpdir()): string {
  const folder = mkdtempSync(join(inside, 'concordat-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
