// Reads entries from committed chunks, which never change. Keeps a handful of them open (CCF facts §3.1: five).
// The rule to remember: what is read is checked against the positions table and the entry's own seqno; anything else is
// CorruptDataError, never a wrong answer.
import { DecodeError } from '../../protocols/codec/bytes.ts'
import { CorruptDataError } from '../../protocols/errors.ts'
import { decodeEntryHeader } from '../../protocols/ledger/entry.ts'
import { type File, type FileSystem, joinPath } from './files.ts'
import { type Positions, readPositions } from './positions.ts'

export interface CommittedChunk {
  readonly name: string
  readonly first: number
  readonly last: number
}

const OPEN_FILES_MAX = 5

/** What a chunk must offer to be read, whatever its state. */
export interface ReadableChunk {
  readonly first: number
  readonly file: File
  readonly positions: Positions
  readonly end: number
}

export class CommittedChunks {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #chunks: CommittedChunk[]
  /** Least recently used first. */
  readonly #open = new Map<string, ReadableChunk>()

  constructor(files: FileSystem, directory: string, chunks: readonly CommittedChunk[]) {
    this.#files = files
    this.#directory = directory
    this.#chunks = [...chunks]
  }

  get first(): number | undefined {
    return this.#chunks[0]?.first
  }

  add(chunk: CommittedChunk): void {
    this.#chunks.push(chunk)
  }

  /** The chunk that holds `seqno`, and its last seqno. @throws StorageError, CorruptDataError */
  find(seqno: number): { readonly chunk: ReadableChunk; readonly last: number } | undefined {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#chunks[middle]!.last < seqno) low = middle + 1
      else high = middle
    }
    const found = this.#chunks[low]
    if (found === undefined || seqno < found.first) return undefined
    return { chunk: this.#readable(found), last: found.last }
  }

  #readable({ name, first, last }: CommittedChunk): ReadableChunk {
    let chunk = this.#open.get(name)
    if (chunk === undefined) {
      const file = this.#files.open(joinPath(this.#directory, name), 'read')
      try {
        chunk = { first, file, ...readPositions(file, last - first + 1) }
      } catch (error) {
        file.close()
        throw error
      }
    }
    this.#open.delete(name)
    this.#open.set(name, chunk)
    for (const [oldest, { file }] of this.#open) {
      if (this.#open.size <= OPEN_FILES_MAX) break
      file.close()
      this.#open.delete(oldest)
    }
    return chunk
  }

  close(): void {
    for (const { file } of this.#open.values()) file.close()
    this.#open.clear()
  }
}

export interface StoredEntry {
  readonly seqno: number
  readonly bytes: Uint8Array
}

/**
 * Entries `from` to at most `to` of one chunk, as many as fit `bytesMax` but at least one. Views on one buffer.
 * @throws StorageError; CorruptDataError when the file does not hold what its table says.
 */
export function readEntries(chunk: ReadableChunk, from: number, to: number, bytesMax: number): StoredEntry[] {
  const { positions, end, first, file } = chunk
  const start = positions.at(from - first, end)
  let last = from
  while (last < to && positions.at(last + 2 - first, end) - start <= bytesMax) last++
  const stop = positions.at(last + 1 - first, end)
  const bytes = file.read(start, stop - start)
  const entries: StoredEntry[] = []
  for (let seqno = from; seqno <= last; seqno++) {
    const offset = positions.at(seqno - first, end)
    const entry = bytes.subarray(offset - start, positions.at(seqno + 1 - first, end) - start)
    checkEntry(file.path, offset, positions.at(seqno + 1 - first, end) - offset, entry, seqno)
    entries.push({ seqno, bytes: entry })
  }
  return entries
}

function checkEntry(path: string, offset: number, size: number, entry: Uint8Array, seqno: number): void {
  if (entry.length !== size) throw new CorruptDataError(path, offset, `entry ${seqno} ends after ${entry.length} bytes`)
  try {
    const found = decodeEntryHeader(entry).seqno
    if (found !== seqno) throw new CorruptDataError(path, offset, `entry of seqno ${found} instead of ${seqno}`)
  } catch (error) {
    throw error instanceof DecodeError ? new CorruptDataError(path, offset, `entry ${seqno}: ${error.message}`) : error
  }
}
