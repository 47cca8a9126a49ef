// The entries of a ledger directory one after the other, pulled by whoever wants them: `ledger read`, `map` and `diff`.
// Not a verifier: sizes, seqnos, views and public domains must follow from each other; signatures are `ledger verify`'s.
// The rule to remember: memory is one window and one entry, whatever the ledger's size; a fault names file, offset and seqno.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import type { ChunkEnd } from '../../protocols/ledger/chunk.ts'
import { decodeEntry, type Entry, ENTRY_TYPES } from '../../protocols/ledger/entry.ts'
import { chunkEntries } from '../../store/ledger/chunk-entries.ts'
import type { File, FileSystem } from '../../store/ledger/files.ts'
import { realFiles } from '../../store/ledger/real-files.ts'
import type { LedgerChunk } from './chunk-row.ts'

export interface StreamedEntry {
  readonly chunk: LedgerChunk
  /** In the file. */
  readonly offset: number
  readonly bytes: Uint8Array
  readonly entry: Entry
}

/** What is left behind the last whole entry of an uncommitted chunk: never acknowledged, cut at the next start. */
export interface TornTail {
  readonly file: string
  readonly offset: number
  readonly bytes: number
}

export interface StreamEnd {
  /** 0 when nothing was read. */
  readonly lastSeqno: number
  readonly torn: TornTail | undefined
}

export interface StreamOptions {
  /** First seqno wanted; entries before it are passed over by their sizes. */
  readonly from?: number
  readonly to?: number
  readonly files?: FileSystem
}

/** Where the walk through a chunk stands. */
interface Place {
  seqno: number
  view: number
  offset: number
}

const corrupt = (chunk: LedgerChunk, place: Place, reason: string): CorruptDataError =>
  new CorruptDataError(chunk.path, place.offset, `seqno ${place.seqno}: ${reason}`)

function decode(chunk: LedgerChunk, place: Place, bytes: Uint8Array): Entry {
  try {
    const entry = decodeEntry(bytes)
    if (entry.type === ENTRY_TYPES.snapshot) throw corrupt(chunk, place, 'a snapshot among entries')
    if (entry.seqno !== place.seqno) throw corrupt(chunk, place, `the entry says seqno ${entry.seqno}`)
    if (entry.view < place.view) throw corrupt(chunk, place, `view ${entry.view} after view ${place.view}`)
    return entry
  } catch (error) {
    if (error instanceof DecodeError) throw corrupt(chunk, place, error.message)
    throw error
  }
}

/** @returns the torn tail, if there is one. */
function* readChunk(
  file: File,
  chunk: LedgerChunk,
  place: Place,
  from: number,
  to: number,
): Generator<StreamedEntry, TornTail | undefined> {
  const slices = chunkEntries(file, { isCommitted: chunk.committed })
  place.offset = 0
  while (place.seqno <= to) {
    const next = naming(chunk, place, () => slices.next())
    if (next.done === true) return atEnd(chunk, place, next.value)
    const { offset, bytes } = next.value
    place.offset = offset
    if (place.seqno >= from) {
      const entry = decode(chunk, place, bytes)
      place.view = entry.view
      yield { chunk, offset, bytes, entry }
    }
    place.seqno++
  }
  return undefined
}

/** A fault of the file's shape is met where the walk stands: its reason gets the seqno. */
function naming<T>(chunk: LedgerChunk, place: Place, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    throw corrupt(chunk, { ...place, offset: error.offset }, error.reason)
  }
}

function atEnd(chunk: LedgerChunk, place: Place, { complete, end, tornBytes }: ChunkEnd): TornTail | undefined {
  if (chunk.committed && !complete) throw corrupt(chunk, { ...place, offset: 0 }, 'committed, without positions table')
  if (chunk.last !== undefined && chunk.last !== place.seqno - 1)
    throw corrupt(chunk, { ...place, offset: end }, `the chunk ends before it, but its name says ${chunk.last}`)
  return tornBytes > 0 ? { file: chunk.name, offset: end, bytes: tornBytes } : undefined
}

/**
 * Yields the entries of contiguous chunks in order. Entries are views on windows that are never written again.
 * @throws StorageError; CorruptDataError naming file, offset and seqno at the first fault.
 */
export function* readEntries(
  chunks: readonly LedgerChunk[],
  options: StreamOptions = {},
): Generator<StreamedEntry, StreamEnd> {
  const { from = 1, to = Number.MAX_SAFE_INTEGER, files = realFiles } = options
  const place: Place = { seqno: chunks[0]?.first ?? 1, view: 0, offset: 0 }
  let torn: TornTail | undefined
  for (const [i, chunk] of chunks.entries()) {
    if (place.seqno > to) break
    if (torn !== undefined)
      throw new CorruptDataError(chunk.path, 0, `the chunk before it, ${torn.file}, is torn at byte ${torn.offset}`)
    if (chunk.first !== place.seqno) {
      const before = place.seqno - 1
      throw new CorruptDataError(chunk.path, 0, `begins at seqno ${chunk.first}, the chunk before it ends at ${before}`)
    }
    const next = chunks[i + 1]
    const skipTo = chunk.last === undefined ? next?.first : chunk.last + 1
    if (skipTo !== undefined && skipTo <= from) {
      place.seqno = skipTo
      continue
    }
    const file = files.open(chunk.path, 'read')
    try {
      torn = yield* readChunk(file, chunk, place, from, to)
    } finally {
      file.close()
    }
  }
  const isNothing = place.seqno <= Math.max(from, chunks[0]?.first ?? 1)
  return { lastSeqno: isNothing ? 0 : place.seqno - 1, torn }
}
