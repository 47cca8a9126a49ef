// Looks at a ledger directory without changing anything: what is there, how far it is signed, what is torn.
// Not recovery (recover.ts), and not verification: signatures are found here, not checked.
// The rule to remember: a committed chunk is right in every byte this can judge, or CorruptDataError names the byte.
import { CorruptDataError } from '../../protocols/errors.ts'
import { CHUNK_HEADER_BYTES } from '../../protocols/ledger/chunk.ts'
import { type LedgerDirectory, listLedger } from './directory.ts'
import { type File, type FileSystem, joinPath } from './files.ts'
import { Positions, readPositions, readTableOffset } from './positions.ts'
import { realFiles } from './real-files.ts'
import { type ScannedEntry, scanEntries } from './scan.ts'
import type { TailRoots } from './tail-roots.ts'

/** What one walk over a chunk found. */
export interface ChunkFacts {
  readonly name: string
  readonly path: string
  readonly committed: boolean
  /** It has a positions table that fits its entries. */
  readonly complete: boolean
  readonly first: number
  /** Last whole entry; `first − 1` when there is none. */
  readonly last: number
  readonly lastView: number
  /** Offset behind the last whole entry. */
  readonly end: number
  readonly fileBytes: number
  /** Last signature transaction; undefined when the chunk holds none. */
  readonly lastSigned: { readonly seqno: number; readonly view: number; readonly end: number } | undefined
  /** Why the walk ended before the end of an uncommitted file; undefined when it did not. */
  readonly stopReason: string | undefined
  readonly positions: Positions
}

export interface LedgerFacts {
  readonly chunks: readonly ChunkFacts[]
  readonly ignored: readonly string[]
  /** 0 when empty. */
  readonly firstSeqno: number
  /** Last whole entry in an unbroken row; 0 when there is none. */
  readonly lastSeqno: number
  /** End of the last whole signed prefix: what recovery keeps. 0 when there is none. */
  readonly lastSignedSeqno: number
  /** Bytes that belong to no whole entry, in all uncommitted files. */
  readonly tornBytes: number
}

/** Is told of every good entry, in order. */
export type EntryVisitor = (chunk: { readonly name: string; readonly first: number }, entry: ScannedEntry) => void

export function withFile<T>(files: FileSystem, path: string, use: (file: File) => T): T {
  const file = files.open(path, 'read')
  try {
    return use(file)
  } finally {
    file.close()
  }
}

interface ChunkToRead {
  readonly name: string
  readonly path: string
  readonly committed: boolean
  readonly first: number
  readonly viewAtLeast: number
}

interface Walk {
  readonly facts: ChunkFacts
  /** Where and why it stopped, had it been a committed chunk. */
  readonly stoppedAt: number
}

function walkChunk(file: File, chunk: ChunkToRead, limit: number, onEntry?: EntryVisitor, roots?: TailRoots): Walk {
  const positions = new Positions()
  let last = chunk.first - 1
  let lastView = chunk.viewAtLeast
  let lastSigned: ChunkFacts['lastSigned']
  let end = limit < CHUNK_HEADER_BYTES ? 0 : CHUNK_HEADER_BYTES
  const stop = scanEntries(file, limit, chunk.first, chunk.viewAtLeast, (entry) => {
    const wrong = roots?.wrong(entry.bytes)
    if (wrong !== undefined) return wrong
    positions.push(entry.offset)
    last = entry.seqno
    lastView = entry.view
    end = entry.offset + entry.size
    if (entry.signature) lastSigned = { seqno: entry.seqno, view: entry.view, end }
    onEntry?.(chunk, entry)
    return undefined
  })
  const { name, path, committed, first } = chunk
  const fileBytes = file.size()
  const facts = { name, path, committed, first, last, lastView, lastSigned, end, fileBytes, positions }
  return { facts: { ...facts, complete: false, stopReason: stop.reason }, stoppedAt: stop.offset }
}

/** Walks a committed chunk, which must be whole. @throws CorruptDataError */
export function readCommitted(
  file: File,
  chunk: ChunkToRead,
  last: number,
  onEntry?: EntryVisitor,
  roots?: TailRoots,
): ChunkFacts {
  const table = readPositions(file, last - chunk.first + 1)
  const { facts, stoppedAt } = walkChunk(file, chunk, table.end, onEntry, roots)
  if (facts.stopReason !== undefined) throw new CorruptDataError(chunk.path, stoppedAt, facts.stopReason)
  if (facts.last !== last) throw new CorruptDataError(chunk.path, table.end, `ends at seqno ${facts.last}`)
  const wrong = firstDifference(facts.positions, table.positions)
  if (wrong !== undefined) throw new CorruptDataError(chunk.path, table.end + 4 * wrong, 'position points elsewhere')
  return { ...facts, complete: true }
}

function firstDifference(a: Positions, b: Positions): number | undefined {
  for (let i = 0; i < a.length; i++) if (a.at(i, 0) !== b.at(i, 0)) return i
  return undefined
}

/**
 * Walks a chunk that may be torn. A table is believed only if it is exactly the one its entries call for: header and
 * table are written before anything is synchronised, so after a crash either may be missing. `roots`: see tail-roots.ts.
 */
export function readUncommitted(file: File, chunk: ChunkToRead, onEntry?: EntryVisitor, roots?: TailRoots): ChunkFacts {
  const fileBytes = file.size()
  if (fileBytes < CHUNK_HEADER_BYTES) {
    const { facts } = walkChunk(file, chunk, fileBytes)
    return { ...facts, stopReason: fileBytes === 0 ? undefined : 'incomplete chunk header' }
  }
  const tableOffset = readTableOffset(file)
  const open = tableOffset < CHUNK_HEADER_BYTES || tableOffset > fileBytes
  const { facts } = walkChunk(file, chunk, open ? fileBytes : tableOffset, onEntry, roots)
  if (open) return tableOffset === 0 ? facts : { ...facts, stopReason: facts.stopReason ?? 'impossible table offset' }
  if (facts.stopReason !== undefined) return facts
  try {
    const table = readPositions(file, facts.last - facts.first + 1)
    if (firstDifference(facts.positions, table.positions) === undefined) return { ...facts, complete: true }
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
  }
  return { ...facts, stopReason: 'positions table does not fit the entries' }
}

export interface InspectOptions {
  readonly files?: FileSystem
  /** Also called for entries behind the last signature. */
  readonly onEntry?: EntryVisitor
}

/**
 * Reads the chunks of a ledger directory one after the other, committed ones first; changes nothing.
 * @throws StorageError; CorruptDataError naming file and offset when a committed chunk is not what was written.
 */
export function* walkLedger(directory: string, options: InspectOptions = {}): Generator<ChunkFacts, LedgerDirectory> {
  const files = options.files ?? realFiles
  const listed = listLedger(files, directory)
  let before: ChunkFacts | undefined
  for (const { name, first, last } of listed.committed) {
    const chunk = { name, path: joinPath(directory, name), committed: true, first, viewAtLeast: before?.lastView ?? 0 }
    before = withFile(files, chunk.path, (file) => readCommitted(file, chunk, last, options.onEntry))
    yield before
  }
  let unbroken = true
  for (const { name, first } of listed.uncommitted) {
    unbroken &&= before === undefined || (before.last + 1 === first && before.stopReason === undefined)
    const viewAtLeast = unbroken ? (before?.lastView ?? 0) : 0
    const chunk = { name, path: joinPath(directory, name), committed: false, first, viewAtLeast }
    const onEntry = unbroken ? options.onEntry : undefined
    before = withFile(files, chunk.path, (file) => readUncommitted(file, chunk, onEntry))
    yield unbroken ? before : { ...before, stopReason: before.stopReason ?? 'the chunk before it ends earlier' }
  }
  return listed
}

/** All of walkLedger at once, and what it amounts to. @throws as walkLedger. */
export function inspectLedger(directory: string, options: InspectOptions = {}): LedgerFacts {
  const walk = walkLedger(directory, options)
  const chunks: ChunkFacts[] = []
  for (;;) {
    const next = walk.next()
    if (next.done === true) return summarise(chunks, [...next.value.recovery, ...next.value.ignored])
    chunks.push(next.value)
  }
}

/** The chunks that follow each other without a gap, from the first. */
export function unbrokenRow(chunks: readonly ChunkFacts[]): readonly ChunkFacts[] {
  let count = 0
  for (; count < chunks.length; count++) {
    const before = chunks[count - 1]
    if (before !== undefined && (before.stopReason !== undefined || before.last + 1 !== chunks[count]!.first)) break
  }
  return chunks.slice(0, count)
}

function summarise(chunks: readonly ChunkFacts[], ignored: readonly string[]): LedgerFacts {
  const row = unbrokenRow(chunks)
  const signed = row.findLast((chunk) => chunk.lastSigned !== undefined)?.lastSigned
  const uncommitted = chunks.filter((chunk) => !chunk.committed && !chunk.complete)
  const firstSeqno = row[0]?.first ?? 0
  const lastSeqno = row.at(-1)?.last ?? 0
  return {
    chunks,
    ignored,
    firstSeqno,
    lastSeqno: lastSeqno < firstSeqno ? 0 : lastSeqno,
    lastSignedSeqno: signed?.seqno ?? 0,
    tornBytes: uncommitted.reduce((sum, chunk) => sum + chunk.fileBytes - Math.min(chunk.end, chunk.fileBytes), 0),
  }
}
