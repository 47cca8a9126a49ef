// The entries of one ledger file through a window, however large the file: the streaming twin of decodeChunk (protocols/ledger/chunk.ts), as strict.
// Looks at sizes and positions only, never at contents. For verifiers; who must go on after damage uses scan.ts.
// The rule to remember: a complete file must agree with its positions table byte for byte; only an open one may end torn.
import { CorruptDataError } from '../../protocols/errors.ts'
import { CHUNK_HEADER_BYTES, type ChunkEnd, type EntrySlice } from '../../protocols/ledger/chunk.ts'
import { ENTRY_HEADER_BYTES, entryLengthAt } from '../../protocols/ledger/entry.ts'
import { FileWindow } from './file-window.ts'
import type { File } from './files.ts'
import { readTableOffset } from './positions.ts'

/** A larger entry cannot have come from CCF, whose messages end at 64 MB (CCF facts §17): its size is not believed. */
export const ENTRY_READ_BYTES_MAX = 128 * 1024 * 1024

/** Entries by their place in the file: from `from`, counting from 0, up to and not including `to`. */
export interface EntryRange {
  readonly from: number
  readonly to: number
}

interface Shape {
  readonly complete: boolean
  /** Where entries end: at the table, or where the file does. */
  readonly limit: number
  readonly size: number
}

/**
 * A file that is not called committed may have its header on disk and not all of the table, after a crash: then it counts as open.
 * A file shorter than its header was just created.
 */
function shapeOf(file: File, isCommitted: boolean): Shape {
  const size = file.size()
  if (size < CHUNK_HEADER_BYTES && !isCommitted) return { complete: false, limit: 0, size }
  const table = readTableOffset(file)
  if (table === 0) return { complete: false, limit: size, size }
  if (table >= CHUNK_HEADER_BYTES && table <= size) return { complete: true, limit: table, size }
  if (isCommitted) throw new CorruptDataError(file.path, 0, `committed, with its positions table at ${table}`)
  return { complete: false, limit: size, size }
}

/** Entries of a committed file, as its table counts them. @throws StorageError, CorruptDataError */
export function committedEntryCount(file: File): number {
  const { complete, limit, size } = shapeOf(file, true)
  if (!complete) throw new CorruptDataError(file.path, 0, 'committed, but without positions table')
  return Math.floor((size - limit) / 4)
}

const u32At = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)

export interface ChunkEntriesOptions {
  /** By its name. */
  readonly isCommitted: boolean
  /** Begins and ends where the table says, so that neighbouring ranges leave nothing out. Committed files only. */
  readonly range?: EntryRange
}

/**
 * Yields whole entries in order. Their bytes are views on windows that are never written again.
 * @throws StorageError; CorruptDataError at the first byte that cannot be right.
 */
export function* chunkEntries(file: File, options: ChunkEntriesOptions): Generator<EntrySlice, ChunkEnd> {
  const { isCommitted, range } = options
  const { complete, limit, size } = shapeOf(file, isCommitted)
  const entries = new FileWindow(file, limit)
  const table = new FileWindow(file, size)
  const corrupt = (offset: number, reason: string): CorruptDataError => new CorruptDataError(file.path, offset, reason)
  /** Undefined behind the table's last whole position. */
  const positionAt = (index: number): number | undefined => {
    const bytes = table.take(limit + 4 * index, 4)
    return bytes === undefined ? undefined : u32At(bytes)
  }
  let index = range?.from ?? 0
  let offset = index === 0 ? Math.min(CHUNK_HEADER_BYTES, limit) : (positionAt(index) ?? limit)
  const stop = range === undefined ? limit : (positionAt(range.to) ?? limit)
  while (offset < stop) {
    const bytes = takeEntry(entries, offset, corrupt)
    if (bytes === undefined || offset + bytes.length > stop) {
      if (complete) throw corrupt(offset, 'incomplete entry')
      break
    }
    if (complete && (positionAt(index) ?? offset) !== offset)
      throw corrupt(limit + 4 * index, 'its position in the positions table points elsewhere')
    yield { offset, bytes }
    offset += bytes.length
    index++
  }
  if (!complete) return { complete, end: offset, tornBytes: size - offset }
  const missingBytes = 4 * (range === undefined ? index : range.to) - (range === undefined ? size - limit : 4 * index)
  if (missingBytes === 0) return { complete, end: offset, tornBytes: 0 }
  if (missingBytes < 0 || isCommitted) throw corrupt(limit, 'positions table of a wrong length')
  return { complete: false, end: offset, tornBytes: size - offset }
}

function takeEntry(
  window: FileWindow,
  offset: number,
  corrupt: (offset: number, reason: string) => CorruptDataError,
): Uint8Array | undefined {
  const header = window.take(offset, ENTRY_HEADER_BYTES)
  const length = header === undefined ? undefined : entryLengthAt(header, 0)
  if (length === undefined || !window.holds(offset + length)) return undefined
  if (length > ENTRY_READ_BYTES_MAX) throw corrupt(offset, `an entry of ${length} bytes, more than any may have`)
  return window.take(offset, length)
}
