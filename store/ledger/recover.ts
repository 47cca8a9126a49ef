// Makes a ledger directory end at its last whole signed entry: what a crash left behind it was never promised to anyone
// (only signatures are committable, CCF facts §4.2). Checks the roots they state, not the signatures; replaying does that.
// The rule to remember: it never changes a committed chunk, and it reports every byte it takes away.
import { CorruptDataError } from '../../protocols/errors.ts'
import { chunkHeader } from '../../protocols/ledger/chunk.ts'
import { decodeEntryHeader } from '../../protocols/ledger/entry.ts'
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { type LedgerFile, listLedger } from './directory.ts'
import { type FileSystem, joinPath } from './files.ts'
import { type ChunkFacts, readCommitted, readUncommitted, unbrokenRow, withFile } from './inspect.ts'
import { readPositions } from './positions.ts'
import { realFiles } from './real-files.ts'
import { TailRoots } from './tail-roots.ts'

/** What was taken from one uncommitted file. */
export interface TailCut {
  readonly file: string
  /** 0: the file is gone. */
  readonly fromOffset: number
  readonly bytes: number
  /** First and last whole entry cut off; `toSeqno` is `fromSeqno − 1` when only a torn entry was. */
  readonly fromSeqno: number
  readonly toSeqno: number
  readonly reason: string
}

export interface RecoveryReport {
  readonly cuts: readonly TailCut[]
  /** Files put aside as `.ignored`: left by an unfinished recovery, or not continuing the ledger. */
  readonly setAside: readonly string[]
  readonly firstSeqno: number
  /** The last signature; 0 for an empty ledger. */
  readonly lastSeqno: number
  readonly lastView: number
  readonly committed: readonly { readonly name: string; readonly first: number; readonly last: number }[]
  /** What is left of the uncommitted chunks, ascending. */
  readonly uncommitted: readonly ChunkFacts[]
}

/**
 * How much is held against the Merkle roots that signatures state: everything (the default; 100,000 entries take a second), so that a byte that decayed
 * is found before it is served; only what a crash can have harmed; or nothing, for entries that are of no tree (tests of other things).
 */
export type RootsChecked = 'all' | 'tail' | 'unchecked'

export interface RecoverOptions {
  readonly files?: FileSystem
  /** A seqno known to be committed: losing it is corruption, not a torn tail. */
  readonly keepAtLeast?: number
  readonly roots?: RootsChecked
}

/**
 * Cuts the tail. Idempotent, also when interrupted.
 * @throws StorageError; CorruptDataError when a committed chunk is damaged, or more would be lost than a crash explains.
 */
export function recoverTail(directory: string, options: RecoverOptions = {}): RecoveryReport {
  const files = options.files ?? realFiles
  const listed = listLedger(files, directory)
  const checked = options.roots ?? 'all'
  const before = committedEnd(files, directory, listed.committed, checked)
  const roots =
    before.roots ?? (checked !== 'unchecked' ? TailRoots.from(listed.uncommitted[0]?.first ?? 1) : undefined)
  const found = walkUncommitted(files, directory, listed.uncommitted, before, roots)
  checkNothingComesFirst(listed.committed[0], found)
  const row = unbrokenRow(found)
  const continues = row[0] === undefined || listed.committed.length === 0 || row[0].first === before.seqno + 1
  const kept = continues ? row.slice(0, row.findLastIndex((chunk) => chunk.lastSigned !== undefined) + 1) : []
  const end = kept.at(-1)?.lastSigned ?? before
  checkNothingPromisedIsLost(directory, end.seqno, options.keepAtLeast ?? 0, found)

  const setAside: string[] = []
  const cuts: TailCut[] = []
  const putAside = (name: string): void => {
    files.rename(joinPath(directory, name), joinPath(directory, `${name}.ignored`))
    setAside.push(name)
  }
  for (const name of listed.recovery) putAside(name)
  // From the back, whatever becomes of each: an interruption leaves a shorter ledger of the same kind, never one whose beginning is missing.
  for (const chunk of found.slice(kept.length).reverse()) {
    if (continues && row.includes(chunk)) cuts.unshift(removeChunk(files, chunk))
    else putAside(chunk.name)
  }
  const uncommitted = kept.map((chunk) => {
    const cut = cutChunk(files, chunk)
    if (cut !== undefined) cuts.unshift(cut)
    return cut === undefined ? chunk : withoutTail(chunk)
  })
  if (cuts.length > 0 || setAside.length > 0) files.syncDirectoryNow(directory)
  const firstSeqno = listed.committed[0]?.first ?? kept[0]?.first ?? 0
  const { seqno: lastSeqno, view: lastView } = end
  return { cuts, setAside, firstSeqno, lastSeqno, lastView, committed: listed.committed, uncommitted }
}

interface End {
  readonly seqno: number
  readonly view: number
  /** For what follows; undefined when there is no committed chunk, or roots are not checked. */
  readonly roots?: TailRoots
}

/** Checks all committed chunks, or their tables and the last entry: then their insides are checked when they are read. */
function committedEnd(
  files: FileSystem,
  directory: string,
  committed: readonly { readonly name: string; readonly first: number; readonly last: number }[],
  checked: RootsChecked,
): End {
  let end: End = { seqno: 0, view: 0 }
  const roots = checked === 'all' ? TailRoots.from(committed[0]?.first ?? 1) : undefined
  committed.forEach(({ name, first, last }, index) => {
    const path = joinPath(directory, name)
    withFile(files, path, (file) => {
      const table = readPositions(file, last - first + 1)
      if (roots !== undefined) {
        const chunk = { name, path, committed: true, first, viewAtLeast: end.view }
        const { lastView, lastSigned } = readCommitted(file, chunk, last, undefined, roots)
        if (lastSigned?.seqno !== last) throw new CorruptDataError(path, table.end, 'does not end in a signature')
        end = { seqno: last, view: lastView, roots }
        return
      }
      if (index < committed.length - 1) return
      const offset = table.positions.at(last - first, table.end)
      try {
        const entry = file.read(offset, table.end - offset)
        const header = decodeEntryHeader(entry)
        if (header.seqno !== last)
          throw new CorruptDataError(path, offset, `entry of seqno ${header.seqno} instead of ${last}`)
        end = { seqno: last, view: header.view, ...(checked !== 'unchecked' && { roots: TailRoots.after(entry) }) }
      } catch (error) {
        if (error instanceof DecodeError) throw new CorruptDataError(path, offset, error.message)
        throw error
      }
    })
  })
  return end
}

function walkUncommitted(
  files: FileSystem,
  directory: string,
  listed: readonly { readonly name: string; readonly first: number }[],
  before: End,
  roots: TailRoots | undefined,
): ChunkFacts[] {
  let viewAtLeast = before.view
  let next: number | undefined
  return listed.map(({ name, first }) => {
    const chunk = { name, path: joinPath(directory, name), committed: false, first, viewAtLeast }
    const continues = next === undefined || next === first
    const facts = withFile(files, chunk.path, (file) =>
      readUncommitted(file, chunk, undefined, continues ? roots : undefined),
    )
    viewAtLeast = facts.lastView
    // What comes behind a gap is no part of the ledger, whatever its roots.
    next = continues && facts.stopReason === undefined ? facts.last + 1 : 0
    return facts
  })
}

function checkNothingPromisedIsLost(
  directory: string,
  end: number,
  keepAtLeast: number,
  found: readonly ChunkFacts[],
): void {
  if (end >= keepAtLeast) return
  const broken = found.find((chunk) => chunk.stopReason !== undefined)
  const reason = `seqno ${keepAtLeast} was committed, but signed entries end at ${end}`
  throw new CorruptDataError(
    broken?.path ?? directory,
    broken?.end ?? 0,
    `${broken?.stopReason ?? 'entries missing'}; ${reason}`,
  )
}

/** A chunk that was not committed before a later one was: then its name was changed, or that of the other. */
function checkNothingComesFirst(committed: LedgerFile | undefined, found: readonly ChunkFacts[]): void {
  const [chunk] = found
  if (committed === undefined || chunk === undefined || chunk.first >= committed.first) return
  throw new CorruptDataError(chunk.path, 0, `comes before ${committed.name}, but is not committed`)
}

function removeChunk(files: FileSystem, chunk: ChunkFacts): TailCut {
  files.unlink(chunk.path)
  const reason = chunk.stopReason ?? 'not signed'
  return {
    file: chunk.name,
    fromOffset: 0,
    bytes: chunk.fileBytes,
    fromSeqno: chunk.first,
    toSeqno: chunk.last,
    reason,
  }
}

/** Everything behind the last signature, including a positions table that was not finished. */
function cutChunk(files: FileSystem, chunk: ChunkFacts): TailCut | undefined {
  const signed = chunk.lastSigned!
  if (chunk.stopReason === undefined && signed.end === chunk.end) return undefined
  const file = files.open(chunk.path, 'write')
  try {
    file.write(chunkHeader(0), 0)
    file.truncate(signed.end)
    file.datasyncNow()
  } finally {
    file.close()
  }
  return {
    file: chunk.name,
    fromOffset: signed.end,
    bytes: chunk.fileBytes - signed.end,
    fromSeqno: signed.seqno + 1,
    toSeqno: chunk.last,
    reason: chunk.stopReason ?? 'not signed',
  }
}

function withoutTail(chunk: ChunkFacts): ChunkFacts {
  const { seqno, view, end } = chunk.lastSigned!
  chunk.positions.length = seqno - chunk.first + 1
  return { ...chunk, complete: false, last: seqno, lastView: view, end, fileBytes: end, stopReason: undefined }
}
