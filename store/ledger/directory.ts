// Which files of a directory form its ledger, by their names alone (CCF facts §3.1).
// The rule to remember: names that are not a ledger's, and those ending in .ignored, are left alone.
import { CorruptDataError } from '../../protocols/errors.ts'
import { parseLedgerFileName } from '../../protocols/ledger/chunk.ts'
import { type FileSystem, joinPath } from './files.ts'

export interface LedgerFile {
  readonly name: string
  readonly first: number
  /** Last seqno as the name states it. */
  readonly last: number | undefined
}

export interface LedgerDirectory {
  /** Ascending and contiguous. */
  readonly committed: readonly (LedgerFile & { readonly last: number })[]
  /** Ascending by first seqno; nothing else is known of them. */
  readonly uncommitted: readonly LedgerFile[]
  /** Left by a recovery that was not finished; to be renamed to `.ignored` by whoever may write. */
  readonly recovery: readonly string[]
  readonly ignored: readonly string[]
}

/** @throws StorageError; CorruptDataError when committed chunks overlap or leave a gap. */
export function listLedger(files: FileSystem, directory: string): LedgerDirectory {
  const committed: (LedgerFile & { readonly last: number })[] = []
  const uncommitted: LedgerFile[] = []
  const recovery: string[] = []
  const ignored: string[] = []
  for (const name of files.readdir(directory).sort()) {
    const parsed = parseLedgerFileName(name)
    if (parsed === undefined) continue
    const { first, last } = parsed
    if (parsed.ignored) ignored.push(name)
    else if (parsed.recovery) recovery.push(name)
    else if (parsed.committed && last !== undefined) committed.push({ name, first, last })
    else uncommitted.push({ name, first, last })
  }
  committed.sort((a, b) => a.first - b.first)
  uncommitted.sort((a, b) => a.first - b.first)
  for (let i = 1; i < committed.length; i++) {
    const expected = committed[i - 1]!.last + 1
    const { name, first } = committed[i]!
    if (first !== expected)
      throw new CorruptDataError(
        joinPath(directory, name),
        0,
        `the committed chunk before it ends at seqno ${expected - 1}`,
      )
  }
  return { committed, uncommitted, recovery, ignored }
}
