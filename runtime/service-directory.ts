// The directory of a service on this machine: made, or refused because an earlier service lies there.
// The rule to remember: nothing of an earlier service is ever overwritten or removed; on request it is moved aside.
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../protocols/errors.ts'
import { DirectoryLockedError, lockDirectory } from '../store/directory-lock.ts'
import { inspectLedger } from '../store/ledger/inspect.ts'

/** Where an earlier service lies; nothing of it was touched. */
class ServiceExistsError extends UsageError {}

export interface DirectoryOptions {
  /** Moves an earlier service aside instead of refusing. */
  readonly fresh?: boolean
  readonly onNotice?: (notice: string) => void
}

/** An earlier service is never overwritten: it is named, with what it holds, or moved aside on request. */
export async function prepareDirectory(directory: string, options: DirectoryOptions): Promise<void> {
  const found = existingService(directory)
  if (found !== undefined) {
    if (options.fresh !== true) {
      throw new ServiceExistsError(
        `${directory} holds an earlier service: ${found}\n` +
          'A node never restarts under its old identity, so this one cannot be continued until recovery exists.\n' +
          'Nothing was changed. Use another --data directory, or --fresh to move this one aside and start anew.',
      )
    }
    await assertNotRunning(directory)
    const aside = freeName(directory)
    renameSync(directory, aside)
    options.onNotice?.(`moved the earlier service to ${aside}`)
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 })
}

/** Not even on request is a directory taken from nodes that still write to it. */
async function assertNotRunning(directory: string): Promise<void> {
  for (const name of nodeDirectories(directory)) {
    try {
      const lock = await lockDirectory(join(directory, name))
      await lock.release()
    } catch (error) {
      if (!(error instanceof DirectoryLockedError)) throw error
      throw new ServiceExistsError(`${directory} belongs to a service that is running: ${error.message}`)
    }
  }
}

const nodeDirectories = (directory: string): readonly string[] =>
  readdirSync(directory)
    .filter((name) => /^node\d+$/.test(name) && existsSync(join(directory, name, 'ledger')))
    .sort()

function freeName(directory: string): string {
  for (let n = 1; ; n++) if (!existsSync(`${directory}.old-${n}`)) return `${directory}.old-${n}`
}

/** What an earlier start left, in words; undefined for a directory without a ledger. */
function existingService(directory: string): string | undefined {
  if (!existsSync(directory)) return undefined
  const facts = nodeDirectories(directory).map((name) => {
    try {
      const { lastSeqno, lastSignedSeqno, chunks } = inspectLedger(join(directory, name, 'ledger'))
      const unsigned = lastSeqno > lastSignedSeqno ? `, ${lastSeqno - lastSignedSeqno} unsigned after it` : ''
      return `${name}: ${chunks.length} chunks, signed up to ${lastSignedSeqno}${unsigned}`
    } catch (error) {
      return `${name}: ${error instanceof Error ? error.message : String(error)}`
    }
  })
  return facts.length === 0 ? undefined : facts.join('; ')
}
