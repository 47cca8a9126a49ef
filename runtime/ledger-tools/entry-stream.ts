// The entries of a ledger directory one after the other, pulled by whoever wants them: `ledger read`, `map` and `diff`.
// Not a verifier: sizes, seqnos, views and public domains must follow from each other; signatures are `ledger verify`'s.
// The rule to remember: memory is one window and one entry, whatever the ledger's size; a fault names file, offset and seqno.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { CHUNK_HEADER_BYTES } from '../../protocols/ledger/chunk.ts'
import {
  decodeEntry,
  type Entry,
  ENTRY_HEADER_BYTES,
  ENTRY_TYPES,
  entryLengthAt,
} from '../../protocols/ledger/entry.ts'
import type { File, FileSystem } from '../../store/ledger/files.ts'
import { readTableOffset } from '../../store/ledger/positions.ts'
import { realFiles } from '../../store/ledger/real-files.ts'
import type { LedgerChunk } from './chunk-row.ts'
import { FileWindow } from './file-window.ts'

/** A larger entry cannot have come from CCF, whose messages end at 64 MB (CCF facts §17): its size is not believed. */
export const ENTRY_READ_BYTES_MAX = 128 * 1024 * 1024

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

/** Where entries end: the positions table, or the file's end while that is not written (CCF facts §3.1). */
function entriesLimit(file: File, chunk: LedgerChunk, place: Place): { limit: number; hasTable: boolean } {
  const fileBytes = file.size()
  if (fileBytes < CHUNK_HEADER_BYTES && !chunk.committed) return { limit: fileBytes, hasTable: false }
  const table = readTableOffset(file)
  if (table >= CHUNK_HEADER_BYTES && table <= fileBytes) return { limit: table, hasTable: true }
  if (chunk.committed) throw corrupt(chunk, { ...place, offset: 0 }, `committed, with its positions table at ${table}`)
  // After a crash the header may be on disk and the table not.
  return { limit: fileBytes, hasTable: false }
}

function checkPosition(chunk: LedgerChunk, table: FileWindow, tableOffset: number, place: Place): void {
  const at = tableOffset + 4 * (place.seqno - chunk.first)
  const bytes = table.take(at, 4)
  const position = bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
  if (position === place.offset) return
  const what = position === undefined ? 'is missing' : 'points elsewhere'
  throw corrupt(chunk, { ...place, offset: at }, `its position in the positions table ${what}`)
}

function checkEnd(chunk: LedgerChunk, place: Place, tableBytes: number): void {
  const count = place.seqno - chunk.first
  if (chunk.last !== undefined && chunk.last !== place.seqno - 1)
    throw corrupt(chunk, place, `the chunk ends before it, but its name says ${chunk.last}`)
  if (tableBytes !== 4 * count)
    throw corrupt(chunk, place, `positions table of ${tableBytes} bytes for ${count} entries`)
}

/** Bytes of the entry at `place`, or undefined when it is not all there. */
function takeEntry(window: FileWindow, chunk: LedgerChunk, place: Place): Uint8Array | undefined {
  const header = window.take(place.offset, ENTRY_HEADER_BYTES)
  const size = header === undefined ? undefined : entryLengthAt(header, 0)
  if (size === undefined) return undefined
  if (size > ENTRY_READ_BYTES_MAX && window.holds(place.offset + size))
    throw corrupt(chunk, place, `an entry of ${size} bytes, more than any may have`)
  return window.take(place.offset, size)
}

/** @returns the torn tail, if there is one. */
function* readChunk(
  file: File,
  chunk: LedgerChunk,
  place: Place,
  from: number,
  to: number,
): Generator<StreamedEntry, TornTail | undefined> {
  const { limit, hasTable } = entriesLimit(file, chunk, place)
  const window = new FileWindow(file, limit)
  const table = new FileWindow(file, file.size())
  const isChecked = chunk.committed
  place.offset = Math.min(CHUNK_HEADER_BYTES, limit)
  while (place.offset < limit && place.seqno <= to) {
    const bytes = takeEntry(window, chunk, place)
    if (bytes === undefined) {
      if (hasTable) throw corrupt(chunk, place, 'incomplete entry')
      break
    }
    if (isChecked) checkPosition(chunk, table, limit, place)
    if (place.seqno >= from) {
      const entry = decode(chunk, place, bytes)
      place.view = entry.view
      yield { chunk, offset: place.offset, bytes, entry }
    }
    place.offset += bytes.length
    place.seqno++
  }
  if (place.seqno > to) return undefined
  if (isChecked) checkEnd(chunk, place, file.size() - limit)
  // A file shorter than its header was created and nothing more: all of it is torn.
  const end = limit < CHUNK_HEADER_BYTES ? 0 : place.offset
  return limit > end ? { file: chunk.name, offset: end, bytes: limit - end } : undefined
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
