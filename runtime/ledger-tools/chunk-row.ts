// The chunk files of a ledger directory in the order of their seqnos, those of an unfinished recovery among them.
// Not recovery: what a node would make of such files is decided in store/ledger. The rule to remember: only names are looked at.
import { formatLedgerFileName, parseLedgerFileName } from '../../protocols/ledger/chunk.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { listLedger } from '../../store/ledger/directory.ts'
import { type FileSystem, joinPath } from '../../store/ledger/files.ts'

export interface LedgerChunk {
  readonly name: string
  readonly path: string
  readonly first: number
  /** As the name states it. */
  readonly last: number | undefined
  readonly committed: boolean
  /** Written by a recovery that is not finished (CCF facts §3.1). */
  readonly recovery: boolean
}

/** @throws StorageError; CorruptDataError when committed chunks leave a gap or there is no ledger file at all. */
export function chunkRow(files: FileSystem, directory: string): readonly LedgerChunk[] {
  const { committed, uncommitted, recovery, ignored } = listLedger(files, directory)
  const names = [...committed.map(({ name }) => name), ...uncommitted.map(({ name }) => name), ...recovery]
  const chunks = names.flatMap((name) => {
    const parsed = parseLedgerFileName(name)
    if (parsed === undefined) return []
    const { first, last } = parsed
    const path = joinPath(directory, formatLedgerFileName(parsed))
    return [{ name, path, first, last, committed: parsed.committed, recovery: parsed.recovery }]
  })
  if (chunks.length === 0) {
    const besides = ignored.length === 0 ? '' : `, only ${ignored.length} that end in .ignored`
    throw new CorruptDataError(directory, 0, `holds no ledger files${besides}`)
  }
  return chunks.sort((a, b) => a.first - b.first)
}
