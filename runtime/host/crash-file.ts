// What a node leaves when a defect stops it: the error and the last steps, without the bytes they carried.
// The rule to remember: no payloads. Keys and application data would otherwise end up in a file that is mailed around.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Envelope } from '../../actors/actor.ts'

/** Writes `crash-<time>.json` into `directory` and returns its path. */
export function writeCrashFile(directory: string, error: Error, last: readonly Envelope[]): string {
  const path = join(directory, `crash-${new Date().toISOString().replaceAll(':', '-')}.json`)
  const steps = last.map(({ seq, at, from, to, event }) => ({ seq, at, from, to, event: event.type }))
  const { name, message, stack } = error
  writeFileSync(path, `${JSON.stringify({ error: { name, message, stack }, steps }, undefined, 2)}\n`, { mode: 0o600 })
  return path
}
